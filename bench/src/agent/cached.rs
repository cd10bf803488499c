//! Starts, memory, and reads of what is cached.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::side::{Program, Side, Wording};
use super::table::{cell, head, ratios};
use super::{Contest, LONG_SECS};
use crate::Outcome;
use crate::answer::Recorded;
use crate::floor;
use crate::load::{Load, Place};
use crate::process::Process;
use crate::report::{Figures, row, spread};
use crate::requests::Requests;

/// Secrets that are read in turn.
const IN_TURN: usize = 64;
/// Time after which an agent is in service, not at its start.
const SETTLED_SECS: u64 = 5;
/// Connections that pause between requests, and how long.
const PACED: usize = 8;
const PAUSE: Duration = Duration::from_millis(2);

/// Starts every agent anew in each round, and reads one secret.
pub(super) async fn starts(contest: &mut Contest) -> Outcome<()> {
    let mut secs = vec![Vec::new(); contest.programs.len()];
    for round in 0..contest.plan.starts {
        for (program, secs) in contest.programs.iter().zip(&mut secs) {
            let directory = contest.directory.join(format!("start-{round}-{}", secs.len()));
            let directory = directory.join(program.name());
            let side = program.start(&directory, &contest.upstream, LONG_SECS).await?;
            contest.journal.line(&json!({
                "measure": "agent start", "agent": program.name(), "secs": side.start_secs,
            }))?;
            secs.push(side.start_secs * 1000.0);
        }
    }
    println!(
        "\nFrom the start of the process to the first answer, one call to the service included:\n"
    );
    println!("| agent | ms (min–max) |\n| --- | --- |");
    for (program, secs) in contest.programs.iter().zip(&secs) {
        let (median, low, high) = spread(secs.iter().copied());
        println!("| {} | {median:.1} ({low:.1}–{high:.1}) |", program.name());
    }
    if let [peer, ours] = secs.as_slice() {
        println!("| ours / theirs | {} |", cell(ours.iter().zip(peer).map(|(o, p)| o / p)));
    }
    Ok(())
}

/// Starts every agent once, has it read all secrets, and tells its memory in service: what a start
/// needed is given back by then.
pub(super) async fn filled(contest: &mut Contest) -> Outcome<Vec<Side>> {
    let (mut sides, mut taken) = (Vec::new(), Vec::new());
    println!(
        "\nMemory with {} secrets, each read once, and again {SETTLED_SECS} s later:\n",
        contest.secrets
    );
    println!("| agent | KiB resident | at most |\n| --- | --- | --- |");
    for program in &contest.programs {
        let directory = contest.directory.join("filled").join(program.name());
        let side = program.start(&directory, &contest.upstream, LONG_SECS).await?;
        let mut connection = side.place.connect().await?;
        for wait_secs in [0, SETTLED_SECS] {
            tokio::time::sleep(Duration::from_secs(wait_secs)).await;
            for request in side.reads(Wording::Aws, 0..contest.secrets).iter() {
                connection.success(request).await?;
            }
        }
        let (now, most) = side.process.memory_kib()?;
        println!("| {} | {now} | {most} |", program.name());
        let what = json!({"measure": "agent memory", "agent": program.name(), "rss_kib": now});
        contest.journal.line(&what)?;
        taken.push(now as f64);
        sides.push(side);
    }
    if let [peer, ours] = taken.as_slice() {
        println!("| ours / theirs | **{:.2}** | |", ours / peer);
    }
    Ok(sides)
}

/// What is read where, under which name.
struct Entry<'a> {
    name: String,
    process: &'a Process,
    place: &'a Place,
    requests: Requests,
}

/// Measures every agent in each round, one after the other.
pub(super) async fn reads(contest: &mut Contest, sides: &[Side]) -> Outcome<()> {
    let ours = sides.last().ok_or("no agent")?;
    let in_turn = 0..IN_TURN.min(contest.secrets);
    let requests = ours.reads(Wording::Aws, in_turn.clone());
    let floor = bare(&contest.directory, ours, &requests).await?;
    let mut entries = vec![Entry {
        name: "floor: hyper".to_owned(),
        process: &floor.0,
        place: &floor.1,
        requests,
    }];
    for (program, side) in contest.programs.iter().zip(sides) {
        entries.push(Entry {
            name: program.name().to_owned(),
            process: &side.process,
            place: &side.place,
            requests: side.reads(Wording::Aws, in_turn.clone()),
        });
    }
    entries.push(Entry {
        name: "strongroom, its own path".to_owned(),
        process: &ours.process,
        place: &ours.place,
        requests: ours.reads(Wording::Own, in_turn),
    });
    for connections in contest.plan.connections.clone() {
        head(&format!("A cached secret, {connections} connections, plain HTTP over loopback"));
        interleave(contest, &entries, connections, Duration::ZERO).await?;
    }
    let pause = PAUSE.as_millis();
    head(&format!("The same, {PACED} connections that pause {pause} ms between requests"));
    interleave(contest, &entries, PACED, PAUSE).await
}

/// Starts a bare server that repeats what ours answers.
async fn bare(directory: &Path, ours: &Side, requests: &Requests) -> Outcome<(Process, Place)> {
    let recorded = directory.join("answer");
    let answer = ours.place.once(requests.first().ok_or("no request")?).await?;
    Recorded::read(&answer)?;
    std::fs::write(&recorded, answer)?;
    floor::start(&recorded, None, None)
}

async fn interleave(
    contest: &mut Contest,
    entries: &[Entry<'_>],
    connections: usize,
    pause: Duration,
) -> Outcome<()> {
    let mut rounds = vec![Vec::with_capacity(contest.plan.rounds); entries.len()];
    for round in 0..contest.plan.rounds {
        for (entry, figures) in entries.iter().zip(&mut rounds) {
            let lists = vec![Arc::clone(&entry.requests); connections];
            let load = Load::connect(entry.place, &lists).await?;
            let before = entry.process.cpu_secs()?;
            let served = load.run_paced(contest.plan.duration(), pause).await?;
            let served = served.checked(&entry.name)?;
            let measured = Figures::of(&served, entry.process.cpu_secs()? - before);
            let what = json!({
                "measure": "agent read", "agent": entry.name, "connections": connections,
                "pause_ms": pause.as_millis() as u64, "round": round,
            });
            contest.journal.round(what, &measured)?;
            figures.push(measured);
        }
    }
    for (entry, figures) in entries.iter().zip(&rounds) {
        row(&entry.name, figures);
    }
    match rounds.as_slice() {
        [floor, peer, ours, own] => {
            ratios("ours / theirs", ours, peer);
            ratios("ours, its own path / theirs", own, peer);
            ratios("ours / floor", ours, floor);
        }
        [floor, ours, own] => {
            ratios("ours / floor", ours, floor);
            ratios("ours, its own path / floor", own, floor);
        }
        _ => {}
    }
    Ok(())
}

impl Contest {
    /// Whether the agent in this place is ours.
    pub(super) fn is_ours(&self, number: usize) -> bool {
        matches!(self.programs.get(number), Some(Program::Ours))
    }
}
