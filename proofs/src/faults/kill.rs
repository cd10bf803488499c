//! SIGKILL of the server while it writes, again and again.

use std::time::{Duration, Instant};

use strongroom_testkit::Dice;

use super::alone::Alone;
use super::writers::{Tally, write_until};
use crate::Outcome;
use crate::options::Options;

const KILLS: u64 = 1_000;
const SMOKE_KILLS: u64 = 5;

/// Kills, starts again and compares; on the engine that is asked for.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let (first, count) = (options.first(), options.count(SMOKE_KILLS, KILLS));
    let engine = if options.postgres { "PostgreSQL" } else { "SQLite" };
    let mut dice = Dice::new(Some(first));
    let mut alone = Alone::start(options.postgres)?;
    let mut tally = Tally::default();
    let mut slowest = Duration::ZERO;
    for run in 0..count {
        let pause = Duration::from_millis(20 + u64::try_from(dice.roll(230))?);
        let address = alone.node.address();
        let tenant = alone.tenant.clone();
        let written = write_until((&tenant, address), run, pause, || alone.node.kill())?;
        let began = Instant::now();
        alone.node.start()?;
        slowest = slowest.max(began.elapsed());
        tally.compare(&tenant, &mut alone.node.client(), &written.told)?;
        tally.note(written);
    }
    let everything = tally.told.clone();
    tally.compare(&alone.tenant, &mut alone.node.client(), &everything)?;
    tally.end(&format!(
        "faults kill: {count} kills on {engine} from seed {first}, slowest start {:.2} s",
        slowest.as_secs_f64(),
    ))
}
