use std::path::Path;

use serde_json::json;

use crate::Outcome;
use crate::disk::fdatasync_rate;
use crate::load::Load;
use crate::ours::Ours;
use crate::plan::Plan;
use crate::report::{Figures, Journal, spread};
use crate::requests::{VALUE_BYTES, updates, value};

/// A round of writes, and how often the disk alone syncs in that round.
struct Round {
    figures: Figures,
    syncs: f64,
}

/// Measures updates by 1 and 16 clients beside the disk's own syncs.
pub(crate) async fn against_disk(
    plan: &Plan,
    journal: &mut Journal,
    directory: &Path,
) -> Outcome<()> {
    println!("\nUpdateSecret with {VALUE_BYTES} bytes, each client its own secret:\n");
    println!(
        "| clients | commits/s (min–max) | commits per sync of the server | fdatasync/s alone (min–max) | \
         commits/s ÷ fdatasync/s | CPU µs/commit | p50 µs | p99 µs |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for clients in [1, 16] {
        let directory = directory.join(clients.to_string());
        let ours = Ours::start(&directory, None).await?;
        let mut targets = Vec::with_capacity(clients);
        for client in 0..clients {
            let secret = ours.secret(&format!("write-{client}"), &value(0)).await?;
            targets.push(format!("/20180608/secrets/{secret}"));
        }
        let mut rounds = Vec::with_capacity(plan.rounds);
        for number in 0..plan.rounds {
            let round = round(plan, &ours, &directory, (&targets, number)).await?;
            let what = json!({
                "measure": "write", "clients": clients, "round": number,
                "fdatasync_per_second": round.syncs,
            });
            journal.round(what, &round.figures)?;
            rounds.push(round);
        }
        let (commits, syncs) = ours.end()?;
        let what = json!({
            "measure": "syncs", "clients": clients, "commits": commits, "syncs": syncs,
        });
        journal.line(&what)?;
        row(clients, &rounds, commits / syncs);
    }
    Ok(())
}

/// The disk is timed before and after the load, half as long each: it does not keep still.
async fn round(
    plan: &Plan,
    ours: &Ours,
    directory: &Path,
    (targets, number): (&[String], usize),
) -> Outcome<Round> {
    let lists = updates(&ours.identity, targets, ours.place.port, number).await?;
    let load = Load::connect(&ours.place, &lists).await?;
    let syncs_before = fdatasync_rate(directory, plan.duration() / 4)?;
    let before = ours.process.cpu_secs()?;
    let served = load.run(plan.duration()).await?.checked("strongroom")?;
    let figures = Figures::of(&served, ours.process.cpu_secs()? - before);
    let syncs_after = fdatasync_rate(directory, plan.duration() / 4)?;
    Ok(Round { figures, syncs: f64::midpoint(syncs_before, syncs_after) })
}

fn row(clients: usize, rounds: &[Round], per_sync: f64) {
    let of = |field: fn(&Round) -> f64| spread(rounds.iter().map(field));
    let (rate, low, high) = of(|round| round.figures.rate);
    let (syncs, fewest, most) = of(|round| round.syncs);
    let (per, worst, best) = of(|round| round.figures.rate / round.syncs);
    let (cpu, ..) = of(|round| round.figures.cpu_us);
    let (p50, ..) = of(|round| round.figures.p50_us);
    let (p99, ..) = of(|round| round.figures.p99_us);
    println!(
        "| {clients} | {rate:.0} ({low:.0}–{high:.0}) | **{per_sync:.1}** | \
         {syncs:.0} ({fewest:.0}–{most:.0}) | {per:.2} ({worst:.2}–{best:.2}) | {cpu:.0} | {p50:.0} | {p99:.0} |"
    );
}
