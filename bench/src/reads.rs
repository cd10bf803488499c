use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::Outcome;
use crate::floor;
use crate::load::{Load, Place};
use crate::ours::{Ours, Tls};
use crate::plan::Plan;
use crate::process::Process;
use crate::report::{Figures, Journal, ratio, row};
use crate::requests::{Identity, bent, reads as sign_reads, value};

/// A server that answers the read.
struct Server<'a> {
    name: &'static str,
    process: &'a Process,
    place: &'a Place,
}

/// What is read, by whom, over which transport.
struct Reading<'a> {
    identity: &'a Arc<Identity>,
    target: &'a str,
    over: &'static str,
}

const FLOOR_A: &str = "floor (a): hyper";
const FLOOR_B: &str = "floor (b): (a) + signature";
const OURS: &str = "strongroom";

/// Measures our read beside both floors, which repeat our own answer.
pub(crate) async fn against_floors(
    plan: &Plan,
    journal: &mut Journal,
    directory: &Path,
    tls: Option<&Tls>,
) -> Outcome<()> {
    let ours = Ours::start(directory, tls).await?;
    let secret = ours.secret("read", &value(0)).await?;
    let target = format!("/20190301/secretbundles/{secret}");
    let first = ours.identity.request("GET", &target, ours.place.port, None)?;
    let answer = ours.place.once(&first).await?;
    let (a, b) = floors(directory, &answer, &ours.identity, tls)?;
    let servers = [
        Server { name: FLOOR_A, process: &a.0, place: &a.1 },
        Server { name: FLOOR_B, process: &b.0, place: &b.1 },
        Server { name: OURS, process: &ours.process, place: &ours.place },
    ];
    let reading = Reading { identity: &ours.identity, target: &target, over: transport(tls) };
    check_verifies(&reading, &servers[1..]).await?;
    for connections in &plan.connections {
        let rounds = interleave(plan, journal, &reading, &servers, *connections).await?;
        if let [a, b, own] = rounds.as_slice() {
            ratio("strongroom / floor (a)", own, a);
            ratio("strongroom / floor (b)", own, b);
        }
    }
    let (now, most) = ours.process.memory_kib()?;
    println!("\nMemory of strongroom after this: {now} KiB resident, {most} KiB at most.");
    let over = reading.over;
    journal.line(&json!({"measure": "memory", "over": over, "rss_kib": now, "most_kib": most}))
}

/// Measures the floors alone, with an answer as long as a bundle of 1 KiB.
pub(crate) async fn floors_alone(
    plan: &Plan,
    journal: &mut Journal,
    directory: &Path,
    tls: Option<&Tls>,
) -> Outcome<()> {
    std::fs::create_dir_all(directory)?;
    let identity = Identity::generate()?;
    let body = format!(
        "{{\"secretBundleContent\":{{\"contentType\":\"BASE64\",\"content\":\"{}\"}}}}",
        value(0)
    );
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let (a, b) = floors(directory, answer.as_bytes(), &identity, tls)?;
    let servers = [
        Server { name: FLOOR_A, process: &a.0, place: &a.1 },
        Server { name: FLOOR_B, process: &b.0, place: &b.1 },
    ];
    let target = "/20190301/secretbundles/floor";
    let reading = Reading { identity: &identity, target, over: transport(tls) };
    check_verifies(&reading, &servers[1..]).await?;
    for connections in &plan.connections {
        let rounds = interleave(plan, journal, &reading, &servers, *connections).await?;
        if let [a, b] = rounds.as_slice() {
            ratio("floor (b) / floor (a)", b, a);
        }
    }
    Ok(())
}

const fn transport(tls: Option<&Tls>) -> &'static str {
    if tls.is_some() { "TLS 1.3" } else { "plain HTTP" }
}

/// Starts both floors with the answer to repeat.
fn floors(
    directory: &Path,
    answer: &[u8],
    identity: &Identity,
    tls: Option<&Tls>,
) -> Outcome<((Process, Place), (Process, Place))> {
    let (recorded, key) = (directory.join("answer"), directory.join("key.pem"));
    std::fs::write(&recorded, answer)?;
    std::fs::write(&key, identity.key.public()?.to_pem())?;
    Ok((floor::start(&recorded, None, tls)?, floor::start(&recorded, Some(&key), tls)?))
}

/// A server that took a bent signature would be compared for work that it does not do.
async fn check_verifies(reading: &Reading<'_>, servers: &[Server<'_>]) -> Outcome<()> {
    for Server { name, place, .. } in servers {
        let good = reading.identity.request("GET", reading.target, place.port, None)?;
        let statuses = (place.status(&good).await?, place.status(&bent(&good)?).await?);
        if statuses != (200, 401) {
            return Err(format!("{name} answers {statuses:?} to a good and a bent one").into());
        }
    }
    Ok(())
}

/// Measures every server in each round, one after the other, and prints the table.
async fn interleave(
    plan: &Plan,
    journal: &mut Journal,
    reading: &Reading<'_>,
    servers: &[Server<'_>],
    connections: usize,
) -> Outcome<Vec<Vec<Figures>>> {
    let over = reading.over;
    println!("\nGetSecretBundle, {connections} connections, {over}:\n");
    println!("| server | requests/s (min–max) | CPU µs/request | p50 µs | p99 µs |");
    println!("| --- | --- | --- | --- | --- |");
    let mut rounds = vec![Vec::with_capacity(plan.rounds); servers.len()];
    for round in 0..plan.rounds {
        for (Server { name, process, place }, figures) in servers.iter().zip(&mut rounds) {
            let requests = sign_reads(reading.identity, reading.target, place.port).await?;
            let load = Load::connect(place, &vec![requests; connections]).await?;
            let before = process.cpu_secs()?;
            let served = load.run(plan.duration()).await?.checked(name)?;
            let measured = Figures::of(&served, process.cpu_secs()? - before);
            let what = json!({
                "measure": "read", "server": name, "over": over, "connections": connections,
                "round": round,
            });
            journal.round(what, &measured)?;
            figures.push(measured);
        }
    }
    for (Server { name, .. }, figures) in servers.iter().zip(&rounds) {
        row(name, figures);
    }
    Ok(rounds)
}
