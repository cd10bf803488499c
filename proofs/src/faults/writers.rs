//! Clients that write until the server is gone, and the comparison of what they were told with what
//! is there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::{ScopedJoinHandle, scope, sleep};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Outcome;
use crate::cluster::{Tenant, content, value_in};
use crate::http::{Client, Request};

pub(crate) const WRITERS: u64 = 4;

/// A version that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) secret: String,
    pub(crate) version: u64,
    pub(crate) value: u64,
}

/// Lets clients write, each its own secret, until `end` has ended the server; returns what they were
/// told.
pub(crate) fn write_until(
    (tenant, address): (&Tenant, SocketAddr),
    run: u64,
    pause: Duration,
    end: impl FnOnce() -> Outcome<()>,
) -> Outcome<Vec<Acknowledged>> {
    scope(|threads| {
        let writers: Vec<ScopedJoinHandle<'_, Vec<Acknowledged>>> = (0..WRITERS)
            .map(|writer| threads.spawn(move || write(tenant, address, run * WRITERS + writer)))
            .collect();
        sleep(pause);
        let ended = end();
        let mut told = Vec::new();
        for writer in writers {
            told.extend(writer.join().map_err(|_panic| "a writer panicked")?);
        }
        ended.map(|()| told)
    })
}

/// Writes one secret as long as it is acknowledged.
pub(crate) fn write(tenant: &Tenant, address: SocketAddr, number: u64) -> Vec<Acknowledged> {
    let mut client = Client::new(address);
    let first = number * 1_000_000;
    let Ok(secret) = tenant.secret(&mut client, &format!("w-{number}"), first) else {
        return Vec::new();
    };
    let mut told = vec![Acknowledged { secret: secret.clone(), version: 1, value: first }];
    for next in 2.. {
        let value = first + next;
        let Ok(version) = update(tenant, &mut client, &secret, value) else { break };
        told.push(Acknowledged { secret: secret.clone(), version, value });
    }
    told
}

/// Updates a secret and returns the version that was acknowledged, or the status of a refusal; none
/// if there was no answer.
pub(crate) fn update(
    tenant: &Tenant,
    client: &mut Client,
    secret: &str,
    value: u64,
) -> Result<u64, Option<u16>> {
    let target = format!("/20180608/secrets/{secret}");
    let body = json!({"secretContent": content(value)});
    let said = client.ask(&tenant.admin, Request::with("PUT", &target, &body));
    let answer = said.map_err(|_no_answer| None)?;
    let version = answer.body.get("currentVersionNumber").and_then(Value::as_u64);
    version.filter(|_| answer.status == 200).ok_or(Some(answer.status))
}

/// Returns what is not there, or there though it cannot be.
pub(crate) fn missing(
    tenant: &Tenant,
    client: &mut Client,
    told: &[Acknowledged],
) -> Outcome<Vec<String>> {
    let mut wrong = Vec::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for Acknowledged { secret, version, value } in told {
        let newest = last.entry(secret).or_default();
        if *version != *newest + 1 {
            wrong.push(format!("version {version} was told after {newest}"));
        }
        *newest = *version;
        let target = format!("/20190301/secretbundles/{secret}?versionNumber={version}");
        let found = client.ask(&tenant.admin, Request::get(&target)).ok();
        let found = found.filter(|answer| answer.status == 200);
        if found.and_then(|answer| value_in(&answer.body)) != Some(*value) {
            wrong.push(format!("version {version} of {secret} was acknowledged and is lost"));
        }
    }
    for (secret, newest) in last {
        wrong.extend(bad_versions(tenant, client, secret, newest)?);
    }
    Ok(wrong)
}

/// Versions have no gap, one is in use, and at most one more is there than was acknowledged.
fn bad_versions(
    tenant: &Tenant,
    client: &mut Client,
    secret: &str,
    newest: u64,
) -> Outcome<Option<String>> {
    let target = format!("/20180608/secrets/{secret}/versions?limit=1000");
    let listed = client.success(&tenant.admin, Request::get(&target))?;
    let listed = listed.as_array().ok_or("no list of versions")?;
    let number = |version: &Value| version.get("versionNumber").and_then(Value::as_u64);
    let numbers: Vec<u64> = listed.iter().rev().filter_map(number).collect();
    let count = u64::try_from(listed.len())?;
    let has_no_gap = numbers == (1..=count).collect::<Vec<u64>>();
    let is_current = |version: &&Value| {
        version.get("stages").is_some_and(|stages| *stages == json!(["CURRENT", "LATEST"]))
    };
    let one_is_current = listed.iter().filter(is_current).count() == 1
        && listed.first().is_some_and(|v| is_current(&v));
    let fits = (newest..=newest + 1).contains(&count);
    let fine = has_no_gap && one_is_current && fits;
    Ok((!fine).then(|| format!("{secret}: {newest} acknowledged, and there are {listed:?}")))
}
