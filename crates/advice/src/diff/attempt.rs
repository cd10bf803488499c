//! All requests of one kind, as far as they are tried.

use super::domains::Domains;
use super::trial::{Carried, Outcome, Trial};
use super::values::Value;

/// What became of an attempt.
pub(super) struct Attempt {
    /// How many requests were tried.
    pub(super) tries: u64,
    /// How many there are.
    pub(super) size: u64,
    pub(super) best: Vec<Best>,
}

/// The request that shows a difference best.
pub(super) struct Best {
    pub(super) is_allowed: bool,
    pub(super) carried: Carried,
    /// How many requests differ in this way.
    pub(super) count: u64,
}

impl Attempt {
    /// Tries the requests that `domains` make, `most` of them at most.
    pub(super) fn of(trial: &Trial<'_>, domains: &Domains, most: u64) -> Self {
        let size = domains.size();
        let tries = size.min(most);
        let mut best: [Option<(u64, Carried)>; 2] = [None, None];
        let mut counts = [0_u64; 2];
        let stride = stride(tries, size);
        for number in 0..tries {
            let number = u128::from(number) * u128::from(stride) % u128::from(size.max(1));
            let (cost, carried) = pick(domains, u64::try_from(number).unwrap_or_default());
            let [old, new] = trial.decided(&carried).map(Outcome::allows);
            if old == new {
                continue;
            }
            let [for_denied, for_allowed] = &mut counts;
            *(if new { for_allowed } else { for_denied }) += 1;
            let [denied, allowed] = &mut best;
            let held = if new { allowed } else { denied };
            if held.as_ref().is_none_or(|(least, _)| cost < *least) {
                *held = Some((cost, carried));
            }
        }
        let mut found = Vec::new();
        for ((is_allowed, best), count) in [false, true].into_iter().zip(best).zip(counts) {
            let needed = best.map(|(_, carried)| needed(trial, domains, carried, is_allowed));
            found.extend(needed.map(|carried| Best { is_allowed, carried, count }));
        }
        Self { tries, size, best: found }
    }
}

/// A step that meets every value of every variable when not all requests are tried.
fn stride(tries: u64, size: u64) -> u64 {
    if tries == size {
        return 1;
    }
    // The golden section spreads the steps most evenly.
    let golden = u128::from(size) * 618 / 1000;
    let mut step = u64::try_from(golden).unwrap_or(1).max(1);
    while divisor(step, size) != 1 {
        step += 1;
    }
    step
}

const fn divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Picks values by number: those that come first vary first. The cost tells how far they are from
/// what is usual.
fn pick(domains: &Domains, mut number: u64) -> (u64, Carried) {
    let mut cost = 0_u64;
    let mut carried = Carried::new();
    for (name, values) in &domains.variables {
        let size = u64::try_from(values.len()).unwrap_or(1).max(1);
        let (rest, own) = (number / size, number % size);
        number = rest;
        let Some(value) = usize::try_from(own).ok().and_then(|own| values.get(own)) else {
            continue;
        };
        let extra = match value {
            Value::Absent => 1000,
            _ if own > 0 => 100 + own,
            _ => 0,
        };
        cost = cost.saturating_add(extra);
        carried.push((name.clone(), value.clone()));
    }
    (cost, carried)
}

/// Leaves out what can be anything, or nothing, without a change.
fn needed(trial: &Trial<'_>, domains: &Domains, mut carried: Carried, is_allowed: bool) -> Carried {
    let differs = |carried: &Carried| {
        let [old, new] = trial.decided(carried).map(Outcome::allows);
        old != new && new == is_allowed
    };
    for (name, values) in &domains.variables {
        let Some(at) = carried.iter().position(|(own, _)| own == name) else { continue };
        let alike = |value: &Value| {
            let mut other = carried.clone();
            if let Some((_, held)) = other.get_mut(at) {
                held.clone_from(value);
            }
            differs(&other)
        };
        if values.iter().all(alike) {
            let mut without = carried.clone();
            without.remove(at);
            if differs(&without) {
                carried = without;
            }
        }
    }
    carried
}
