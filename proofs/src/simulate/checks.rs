//! What must hold in a world after everything that happened to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use strongroom_store::{Order, Store, prefix_range};

use super::clients::Field;
use super::world::World;
use crate::Outcome;
use crate::cluster::value_in;
use crate::history::{SecretInput, SecretOutput, check_right, check_secret};
use crate::http::{Request, text};
use crate::wgl::Verdict;

/// Returns what does not hold.
pub(crate) async fn broken(world: &World, field: &Field) -> Outcome<Vec<String>> {
    let mut wrong: Vec<String> = world.seen().odd.iter().take(3).cloned().collect();
    for (which, id) in field.secrets.iter().enumerate() {
        let calls = world.seen().secrets.get(which).cloned().unwrap_or_default();
        let verdict = check_secret(0, &calls);
        if verdict != Verdict::Linearizable {
            wrong.push(format!("{verdict:?}: {} calls about secret {which}", calls.len()));
        }
        versions(world, id, &acknowledged(&calls), &mut wrong).await?;
    }
    let right = world.seen().right.clone();
    let verdict = check_right(false, &right);
    if verdict != Verdict::Linearizable {
        wrong.push(format!("{verdict:?}: {} calls about a right", right.len()));
    }
    names(world, &mut wrong).await?;
    audit(world, &mut wrong).await?;
    Ok(wrong)
}

/// The versions that somebody was told of, and what each holds.
fn acknowledged(calls: &[crate::history::SecretCall]) -> BTreeMap<u64, u64> {
    let written = |input: &SecretInput| match input {
        SecretInput::Write { value } | SecretInput::WriteIf { value, .. } => Some(*value),
        SecretInput::Read => None,
    };
    let of = |call: &crate::history::SecretCall| match &call.output {
        Some(SecretOutput::Wrote { version }) => Some((*version, written(&call.input)?)),
        _ => None,
    };
    calls.iter().filter_map(of).collect()
}

/// Every acknowledged version is there; numbers have no gap; one version is in use.
async fn versions(
    world: &World,
    id: &str,
    acknowledged: &BTreeMap<u64, u64>,
    wrong: &mut Vec<String>,
) -> Outcome<()> {
    let target = format!("/20180608/secrets/{id}/versions?limit=1000");
    let listed = world.success(&world.admin, Request::get(&target)).await?.body;
    let listed = listed.as_array().ok_or("no list of versions")?;
    let number = |version: &Value| version.get("versionNumber").and_then(Value::as_u64);
    let mut numbers: Vec<u64> = listed.iter().filter_map(number).collect();
    numbers.sort_unstable();
    let count = u64::try_from(listed.len())?;
    if numbers != (1..=count).collect::<Vec<u64>>() {
        wrong.push(format!("the numbers of versions have a gap: {numbers:?}"));
    }
    let is_current = |version: &&Value| {
        let stages = version.get("stages").and_then(Value::as_array);
        stages.is_some_and(|stages| stages.iter().any(|stage| stage == "CURRENT"))
    };
    if listed.iter().filter(is_current).count() != 1 {
        wrong.push("not one version is CURRENT".to_owned());
    }
    for (version, value) in acknowledged {
        let target = format!("/20190301/secretbundles/{id}?versionNumber={version}");
        let found = world.ask(1, &world.admin, Request::get(&target)).await;
        let found = found.ok().filter(|answer| answer.status == 200);
        if found.and_then(|answer| value_in(&answer.body)) != Some(*value) {
            wrong.push(format!("version {version} was acknowledged and is not there"));
        }
    }
    Ok(())
}

/// Of those who wanted a name, one got it at most; and whoever was told so has it.
async fn names(world: &World, wrong: &mut Vec<String>) -> Outcome<()> {
    let sample = world.founded.sample.as_ref().ok_or("there is no sample")?;
    let target = format!("/20180608/secrets?compartmentId={}&limit=1000", sample.compartment_id);
    let listed = world.success(&world.admin, Request::get(&target)).await?.body;
    let mut there: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for secret in listed.as_array().ok_or("no list of secrets")? {
        there.entry(text(secret, "secretName")?).or_default().push(text(secret, "id")?);
    }
    for (name, ids) in &there {
        if ids.len() > 1 {
            wrong.push(format!("{} secrets are named {name}", ids.len()));
        }
    }
    for (name, ids) in &world.seen().made {
        if there.get(name) != Some(ids) {
            wrong.push(format!("{} were told that {name} is theirs", ids.len()));
        }
    }
    Ok(())
}

/// Every request that was answered is on record.
async fn audit(world: &World, wrong: &mut Vec<String>) -> Outcome<()> {
    let rows = world.store.scan(prefix_range(b"audit/"), Order::Ascending, usize::MAX).await?;
    let mut recorded = BTreeSet::new();
    for (_, row) in rows {
        let row: Value = serde_json::from_slice(&row.value)?;
        for record in row.get("row").and_then(Value::as_array).into_iter().flatten() {
            recorded.insert(text(record, "requestId")?);
        }
    }
    let missing = world.seen().answered.difference(&recorded).count();
    if missing > 0 {
        wrong.push(format!("{missing} answered requests are not on record"));
    }
    Ok(())
}
