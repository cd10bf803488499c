//! Measures decisions beside `cedar-policy`, with policies that say the same, in one run.

#![expect(
    clippy::cast_precision_loss,
    clippy::disallowed_types,
    reason = "a tool for developers: it takes times and does statistics"
)]

mod cedar;
mod ours;
mod tenancy;

use std::time::{Duration, Instant};

use crate::cedar::Cedar;
use crate::ours::Ours;
use crate::tenancy::{Shape, Tenancy};

/// What a failure looks like in a tool.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const COUNTS: [usize; 4] = [10, 100, 1_000, 10_000];

/// One side: decides a request, by its number.
trait Side {
    fn allows(&self, request: usize) -> bool;
}

fn main() -> Outcome<()> {
    let smoke = std::env::args().any(|word| word == "--smoke");
    let (rounds, slice) =
        if smoke { (1, Duration::from_millis(20)) } else { (7, Duration::from_millis(500)) };
    for shape in Shape::ALL {
        println!("\n{}:\n", shape.title());
        println!(
            "| statements | strongroom decisions/s (min–max) | µs | cedar-policy decisions/s (min–max) | µs | ratio (min–max) |"
        );
        println!("| --- | --- | --- | --- | --- | --- |");
        let sides = COUNTS
            .iter()
            .map(|count| {
                let tenancy = Tenancy::new(shape, *count);
                let (ours, cedar) = (Ours::new(&tenancy)?, Cedar::new(&tenancy)?);
                agree(&tenancy, &ours, &cedar)?;
                Ok((*count, tenancy.requests.len(), ours, cedar))
            })
            .collect::<Outcome<Vec<_>>>()?;
        let mut measured = vec![Vec::new(); sides.len()];
        for _ in 0..rounds {
            for ((_, requests, ours, cedar), measured) in sides.iter().zip(&mut measured) {
                let pair = (rate(ours, *requests, slice), rate(cedar, *requests, slice));
                measured.push(pair);
            }
        }
        for ((count, ..), rounds) in sides.iter().zip(&measured) {
            row(*count, rounds);
        }
        flatness(&measured);
    }
    Ok(())
}

/// Both sides must answer every request alike, and as the tenancy was made.
fn agree(tenancy: &Tenancy, ours: &Ours, cedar: &Cedar) -> Outcome<()> {
    for (number, request) in tenancy.requests.iter().enumerate() {
        let answers = (ours.allows(number), cedar.allows(number));
        if answers != (request.allowed, request.allowed) {
            return Err(format!("{request:?}: {answers:?}").into());
        }
    }
    Ok(())
}

/// Decisions in a second, request by request.
fn rate(side: &dyn Side, requests: usize, slice: Duration) -> f64 {
    let (mut decisions, began) = (0_u64, Instant::now());
    loop {
        for number in 0..requests {
            std::hint::black_box(side.allows(std::hint::black_box(number)));
            decisions += 1;
        }
        if began.elapsed() >= slice {
            return decisions as f64 / began.elapsed().as_secs_f64();
        }
    }
}

/// Median, smallest and largest.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

fn row(count: usize, rounds: &[(f64, f64)]) {
    let (ours, ours_min, ours_max) = spread(rounds.iter().map(|round| round.0));
    let (cedar, cedar_min, cedar_max) = spread(rounds.iter().map(|round| round.1));
    let (ratio, ratio_min, ratio_max) = spread(rounds.iter().map(|round| round.0 / round.1));
    let (our_micros, cedar_micros) = (1e6 / ours, 1e6 / cedar);
    println!(
        "| {count} | {ours:.0} ({ours_min:.0}–{ours_max:.0}) | {our_micros:.2} | {cedar:.0} \
         ({cedar_min:.0}–{cedar_max:.0}) | {cedar_micros:.1} | **{ratio:.0}** \
         ({ratio_min:.0}–{ratio_max:.0}) |"
    );
}

/// What a decision costs with the most statements, in multiples of what it costs with 100.
fn flatness(measured: &[Vec<(f64, f64)>]) {
    let [_, few, _, many] = measured else { return };
    let ours = spread(few.iter().zip(many).map(|(few, many)| few.0 / many.0));
    let cedar = spread(few.iter().zip(many).map(|(few, many)| few.1 / many.1));
    println!(
        "\nA decision with 10,000 statements costs {:.2} ({:.2}–{:.2}) times one with 100; \
         with cedar-policy {:.1} ({:.1}–{:.1}).",
        ours.0, ours.1, ours.2, cedar.0, cedar.1, cedar.2
    );
}
