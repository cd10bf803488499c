//! Where a value is missing or over, and where a connection is kept for long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Barrier;

use super::side::{Side, Wording};
use super::table::{cell, whole};
use super::{Contest, LONG_SECS};
use crate::Outcome;
use crate::load::{Load, Place};
use crate::requests::Requests;

/// Readers of the same secret at the same time.
const READERS: usize = 64;
/// How long the service takes to answer.
const DELAY: Duration = Duration::from_millis(50);
/// A TTL that ends while it is looked on, and when it is surely over.
const SHORT_SECS: u32 = 1;
const OVER: Duration = Duration::from_millis(1_300);
/// Connections that are kept, and how often each is used.
const KEPT: usize = 4;
const BEAT: Duration = Duration::from_millis(250);

/// Counts the calls to the service for 64 readers of a secret that is not held, and of one that is
/// over.
pub(super) async fn missing_and_over(contest: &mut Contest) -> Outcome<()> {
    println!(
        "\n{READERS} readers at once, {} ms to the service, TTL {SHORT_SECS} s:\n",
        DELAY.as_millis()
    );
    println!(
        "| agent | calls for what is not held | calls for what is over |\n| --- | --- | --- |"
    );
    let mut needless = false;
    for (number, program) in contest.programs.iter().enumerate() {
        contest.upstream.delay(Duration::ZERO);
        let directory = contest.directory.join("short").join(program.name());
        let side = program.start(&directory, &contest.upstream, SHORT_SECS).await?;
        contest.upstream.delay(DELAY);
        let (mut missing, mut over) = (Vec::new(), Vec::new());
        for round in 1..=contest.plan.rounds {
            let requests = side.reads(Wording::Aws, round..round + 1);
            let before = contest.upstream.calls();
            at_once(&side.place, &requests).await?;
            missing.push((contest.upstream.calls() - before) as f64);
            tokio::time::sleep(OVER).await;
            let before = contest.upstream.calls();
            at_once(&side.place, &requests).await?;
            over.push((contest.upstream.calls() - before) as f64);
        }
        contest.upstream.delay(Duration::ZERO);
        let name = program.name();
        contest.journal.line(&json!({
            "measure": "agent calls", "agent": name, "missing": missing, "over": over,
        }))?;
        needless |=
            contest.is_ours(number) && missing.iter().chain(&over).any(|calls| *calls > 1.0);
        println!("| {name} | {} | {} |", whole(missing.into_iter()), whole(over.into_iter()));
    }
    if needless { Err("ours made more than one call for readers at once".into()) } else { Ok(()) }
}

/// Sends the same request over 64 connections in the same moment.
async fn at_once(place: &Place, requests: &Requests) -> Outcome<()> {
    let together = Arc::new(Barrier::new(READERS));
    let mut tasks = Vec::new();
    for _ in 0..READERS {
        let (mut connection, requests) = (place.connect().await?, Arc::clone(requests));
        let together = Arc::clone(&together);
        tasks.push(tokio::spawn(async move {
            together.wait().await;
            connection.success(requests.first().ok_or("no request")?).await
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Reads one secret while its TTL ends again and again, beside one that does not end.
pub(super) async fn ends(contest: &mut Contest, long: &[Side]) -> Outcome<()> {
    let mut short = Vec::new();
    for program in &contest.programs {
        let directory = contest.directory.join("ends").join(program.name());
        short.push(program.start(&directory, &contest.upstream, SHORT_SECS).await?);
    }
    contest.upstream.delay(DELAY);
    let during = contest.plan.duration().mul_f64(2.0);
    let mut rounds = vec![Vec::new(); long.len()];
    for round in 0..contest.plan.rounds {
        for (number, (long, short)) in long.iter().zip(&short).enumerate() {
            let held = round_of(long, during).await?;
            let before = contest.upstream.calls();
            let ending = round_of(short, during).await?;
            let calls = (contest.upstream.calls() - before) as f64;
            contest.journal.line(&json!({
                "measure": "agent ends", "agent": contest.programs.get(number).map(super::Program::name),
                "round": round, "held_p99_us": held.0, "ending_p99_us": ending.0,
                "held_p999_us": held.1, "ending_p999_us": ending.1, "calls": calls,
            }))?;
            if let Some(rows) = rounds.get_mut(number) {
                rows.push((held, ending, calls));
            }
        }
    }
    contest.upstream.delay(Duration::ZERO);
    println!(
        "\nOne secret, {READERS} connections, {} ms to the service, {:.1} s a round, TTL {SHORT_SECS} s beside {LONG_SECS} s:\n",
        DELAY.as_millis(),
        during.as_secs_f64(),
    );
    println!(
        "| agent | p99 µs, held | p99 µs, TTL {SHORT_SECS} s | ratio of p99 | p99.9 µs, TTL {SHORT_SECS} s | ratio of p99.9 | calls to the service |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (program, rows) in contest.programs.iter().zip(&rounds) {
        let cells = [
            whole(rows.iter().map(|(held, ..)| held.0)),
            whole(rows.iter().map(|(_, ending, _)| ending.0)),
            cell(rows.iter().map(|(held, ending, _)| ending.0 / held.0)),
            whole(rows.iter().map(|(_, ending, _)| ending.1)),
            cell(rows.iter().map(|(held, ending, _)| ending.1 / held.1)),
            whole(rows.iter().map(|(.., calls)| *calls)),
        ];
        println!("| {} | {} |", program.name(), cells.join(" | "));
    }
    Ok(())
}

/// Returns p99 and p99.9 in microseconds.
async fn round_of(side: &Side, during: Duration) -> Outcome<(f64, f64)> {
    let lists = vec![side.reads(Wording::Aws, 0..1); READERS];
    let served = Load::connect(&side.place, &lists).await?.run(during).await?.checked("agent")?;
    Ok((served.latencies.quantile_us(0.99), served.latencies.quantile_us(0.999)))
}

/// Uses a few connections steadily, and counts how often one is cut.
pub(super) async fn kept(contest: &mut Contest, sides: &[Side]) -> Outcome<()> {
    let until = Instant::now() + contest.keep_alive;
    let mut tasks = Vec::new();
    for (number, side) in sides.iter().enumerate() {
        for _ in 0..KEPT {
            let (place, requests) = (side.place.clone(), side.reads(Wording::Aws, 0..1));
            tasks.push((number, tokio::spawn(steadily(place, requests, until))));
        }
    }
    let mut cuts = vec![0; sides.len()];
    for (number, task) in tasks {
        let cut = task.await??;
        if let Some(cuts) = cuts.get_mut(number) {
            *cuts += cut;
        }
    }
    println!(
        "\n{KEPT} connections, each used every {} ms for {} s:\n",
        BEAT.as_millis(),
        contest.keep_alive.as_secs()
    );
    println!("| agent | connections that were cut, without an answer |\n| --- | --- |");
    for (program, cuts) in contest.programs.iter().zip(&cuts) {
        println!("| {} | {cuts} |", program.name());
        let what = json!({"measure": "agent cuts", "agent": program.name(), "cuts": cuts});
        contest.journal.line(&what)?;
    }
    match cuts.last() {
        Some(0) => Ok(()),
        _ => Err("ours cut a connection that was in use".into()),
    }
}

/// Returns how often the connection had to be made anew.
async fn steadily(place: Place, requests: Requests, until: Instant) -> Outcome<u64> {
    let (mut connection, mut cuts) = (place.connect().await?, 0);
    let request = requests.first().ok_or("no request")?;
    while Instant::now() < until {
        if connection.success(request).await.is_err() {
            cuts += 1;
            connection = place.connect().await?;
        }
        tokio::time::sleep(BEAT).await;
    }
    Ok(cuts)
}
