//! Clients that write until the server is gone, and the comparison of what they were told with what
//! is there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{ScopedJoinHandle, scope, sleep};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Outcome;
use strongroom_rig::{Answer, Client, NoAnswer, Request};
use strongroom_rig::{Tenant, content, value_in};

pub(crate) const WRITERS: u64 = 4;

/// A version that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) secret: String,
    pub(crate) version: u64,
    pub(crate) value: u64,
}

/// Why something was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// The status of the answer.
    Refused(u16),
    NoAnswer(NoAnswer),
}

/// What clients wrote until the server was ended.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) told: Vec<Acknowledged>,
    /// How many of them had asked, and had no answer yet.
    in_flight: u64,
    /// Those that ended by something else than the server's end.
    wrong: Vec<String>,
}

/// What was written, and lost, in all ends of the server.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    ends: u64,
    /// The ends in which something was in flight.
    amid_writes: u64,
    pub(crate) told: Vec<Acknowledged>,
    wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn note(&mut self, written: Written) {
        self.ends += 1;
        self.amid_writes += u64::from(written.in_flight > 0);
        self.told.extend(written.told);
        self.wrong.extend(written.wrong);
    }

    /// Compares what is there with what was told, in one end of the server or in all.
    pub(crate) fn compare(
        &mut self,
        tenant: &Tenant,
        client: &mut Client,
        told: &[Acknowledged],
    ) -> Outcome<()> {
        self.wrong.extend(missing(tenant, client, told)?);
        Ok(())
    }

    /// Prints what came of it, and judges: an end amid no write shows nothing of what it leaves.
    pub(crate) fn end(self, what: &str) -> Outcome<()> {
        for wrong in self.wrong.iter().take(20) {
            println!("FAILED: {wrong}");
        }
        let Self { ends, amid_writes, told, wrong } = self;
        println!(
            "{what}, {amid_writes} of {ends} amid writes, {} acknowledged writes: {} lost or wrong",
            told.len(),
            wrong.len(),
        );
        if !wrong.is_empty() {
            return Err("what was promised did not hold".into());
        }
        if amid_writes * 2 < ends || told.is_empty() {
            return Err("most ends of the server came when nothing was being written".into());
        }
        Ok(())
    }
}

/// Lets clients write, each its own secret, until `end` has ended the server; returns what they were
/// told.
pub(crate) fn write_until(
    (tenant, address): (&Tenant, SocketAddr),
    run: u64,
    pause: Duration,
    end: impl FnOnce() -> Outcome<()>,
) -> Outcome<Written> {
    let is_ending = AtomicBool::new(false);
    scope(|threads| {
        let is_ending = &is_ending;
        let writers: Vec<ScopedJoinHandle<'_, _>> = (0..WRITERS)
            .map(|writer| run * WRITERS + writer)
            .map(|number| threads.spawn(move || write(tenant, address, number, is_ending)))
            .collect();
        sleep(pause);
        is_ending.store(true, Ordering::SeqCst);
        let ended = end();
        let mut all = Written::default();
        for writer in writers {
            let (told, why) = writer.join().map_err(|_panic| "a writer panicked")?;
            all.told.extend(told);
            match why {
                Ok(NoAnswer::Lost) => all.in_flight += 1,
                Ok(NoAnswer::Unreached) => {}
                Err(wrong) => all.wrong.push(wrong),
            }
        }
        ended.map(|()| all)
    })
}

/// Writes one secret as long as it is acknowledged, and tells why it is not any more: the server
/// may go only when it is ended.
fn write(
    tenant: &Tenant,
    address: SocketAddr,
    number: u64,
    is_ending: &AtomicBool,
) -> (Vec<Acknowledged>, Result<NoAnswer, String>) {
    let mut told = Vec::new();
    let why = write_on(tenant, &mut Client::new(address), number, &mut told);
    let why = match why {
        Unwritten::NoAnswer(why) if is_ending.load(Ordering::SeqCst) => Ok(why),
        other => Err(format!("a writer ended with {other:?} after {} writes", told.len())),
    };
    (told, why)
}

fn write_on(
    tenant: &Tenant,
    client: &mut Client,
    number: u64,
    told: &mut Vec<Acknowledged>,
) -> Unwritten {
    let first = number * 1_000_000;
    let body = tenant.new_secret(&format!("w-{number}"), &content(first));
    let made = match ask(tenant, client, Request::with("POST", "/20180608/secrets", &body)) {
        Ok(answer) => answer.body,
        Err(why) => return why,
    };
    let secret = made.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    told.push(Acknowledged { secret: secret.clone(), version: 1, value: first });
    let mut next = 2;
    loop {
        let value = first + next;
        match update(tenant, client, &secret, value) {
            Ok(version) => told.push(Acknowledged { secret: secret.clone(), version, value }),
            Err(why) => return why,
        }
        next += 1;
    }
}

/// Updates a secret and returns the version that was acknowledged.
pub(crate) fn update(
    tenant: &Tenant,
    client: &mut Client,
    secret: &str,
    value: u64,
) -> Result<u64, Unwritten> {
    let target = format!("/20180608/secrets/{secret}");
    let body = json!({"secretContent": content(value)});
    let answer = ask(tenant, client, Request::with("PUT", &target, &body))?;
    let version = answer.body.get("currentVersionNumber").and_then(Value::as_u64);
    version.ok_or(Unwritten::Refused(answer.status))
}

fn ask(tenant: &Tenant, client: &mut Client, request: Request<'_>) -> Result<Answer, Unwritten> {
    match client.ask(&tenant.admin, request) {
        Ok(answer) if answer.status == 200 => Ok(answer),
        Ok(answer) => Err(Unwritten::Refused(answer.status)),
        Err(why) => Err(Unwritten::NoAnswer(why)),
    }
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
