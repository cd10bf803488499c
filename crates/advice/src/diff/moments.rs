//! Moments: one for each way in which the time of a request can compare.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{Span, ToSpan};
use strongroom_model::Timestamp;

use super::atoms::Uses;
use super::values::Value;

pub(super) const TIME: &str = "request.utc-timestamp";
const MONTH: &str = "request.utc-timestamp.month-of-year";
const DAY: &str = "request.utc-timestamp.day-of-month";
const WEEKDAY: &str = "request.utc-timestamp.day-of-week";
const CLOCK: &str = "request.utc-timestamp.time-of-day";

/// A Monday.
const USUAL: DateTime = DateTime::constant(2026, 1, 5, 12, 0, 0, 0);

/// What tells one moment from another.
type Way = (Vec<Ordering>, Option<String>, Option<String>, Option<String>, Vec<Ordering>);

struct Limits<'a> {
    uses: &'a Uses,
    moments: Vec<DateTime>,
    clocks: Vec<Time>,
}

/// Returns the moments to try, and absence of any.
pub(super) fn moments(uses: &Uses) -> Vec<Value> {
    let limits = Limits {
        uses,
        moments: sorted(uses.texts(TIME).filter_map(moment)),
        clocks: sorted(uses.texts(CLOCK).filter_map(clock)),
    };
    let mut seen = BTreeSet::new();
    let mut values = Vec::new();
    for at in limits.pool() {
        if seen.insert(limits.way(at)) {
            values.extend(Offset::UTC.to_timestamp(at).ok().map(Value::At));
        }
    }
    values.push(Value::Absent);
    values
}

/// Tells whether moments are told apart by patterns, of which not every way is tried.
pub(super) fn have_patterns(uses: &Uses) -> bool {
    let of = |name: &str| uses.0.get(name).is_some_and(|atoms| !atoms.patterns.is_empty());
    of(TIME) || of(CLOCK)
}

fn sorted<T: Ord>(found: impl Iterator<Item = T>) -> Vec<T> {
    let mut found: Vec<T> = found.collect();
    found.sort();
    found.dedup();
    found
}

fn moment(text: &str) -> Option<DateTime> {
    let upper = text.trim().to_uppercase();
    if let Ok(at) = upper.parse::<Timestamp>() {
        return Some(Offset::UTC.to_datetime(at));
    }
    upper.strip_suffix('Z')?.parse().ok()
}

fn clock(text: &str) -> Option<Time> {
    let text = text.trim();
    text.strip_suffix('z').unwrap_or(text).parse().ok()
}

impl Limits<'_> {
    fn pool(&self) -> Vec<DateTime> {
        let mut pool = vec![USUAL];
        for limit in &self.moments {
            pool.extend(around(*limit));
        }
        let mut days: Vec<Date> = self.days();
        days.extend(self.moments.iter().map(|at| at.date()));
        for day in days {
            pool.push(day.to_datetime(USUAL.time()));
            for clock in &self.clocks {
                pool.extend(around(day.to_datetime(*clock)));
            }
        }
        pool
    }

    /// Days that differ in what is asked of days, before, between and after the limits.
    fn days(&self) -> Vec<Date> {
        let uses = |name: &str| self.uses.0.contains_key(name);
        let count = match (uses(MONTH) || uses(DAY), uses(WEEKDAY)) {
            (true, true) => 366 * 6,
            (true, false) => 366,
            (false, true) => 7,
            (false, false) => 1,
        };
        let mut starts: Vec<(Date, i32)> = vec![(USUAL.date(), 1)];
        starts.extend(self.moments.first().map(|first| (first.date(), -1)));
        starts.extend(self.moments.iter().map(|limit| (limit.date(), 1)));
        let mut seen = BTreeSet::new();
        let mut days = Vec::new();
        for (start, sign) in starts {
            for number in 0..=count {
                let Ok(day) = start.checked_add(in_days(sign * number)) else { break };
                let mut way = self.way(day.to_datetime(USUAL.time()));
                way.4.clear();
                if seen.insert(way) {
                    days.push(day);
                }
            }
        }
        days
    }

    fn way(&self, at: DateTime) -> Way {
        (
            self.moments.iter().map(|limit| at.cmp(limit)).collect(),
            self.part(MONTH, || at.month().to_string()),
            self.part(DAY, || at.day().to_string()),
            self.part(WEEKDAY, || at.strftime("%A").to_string().to_lowercase()),
            self.clocks.iter().map(|limit| at.time().cmp(limit)).collect(),
        )
    }

    /// A part of a date as conditions see it: nothing that none asks about, nor a value that is none
    /// of those that occur.
    fn part(&self, name: &str, value: impl Fn() -> String) -> Option<String> {
        let atoms = self.uses.0.get(name)?;
        let value = value();
        let told = atoms.texts.contains(&value)
            || !atoms.patterns.is_empty()
            || !atoms.variables.is_empty();
        told.then_some(value)
    }
}

fn in_days(days: i32) -> Span {
    days.days()
}

fn around(at: DateTime) -> impl Iterator<Item = DateTime> {
    let second = 1.second();
    [at.checked_sub(second).ok(), Some(at), at.checked_add(second).ok()].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use strongroom_policy::ast::Statement;
    use strongroom_policy::{Semantics, parse};

    use super::*;

    fn count(condition: &str) -> usize {
        let text = format!("Allow any-user to read keys in tenancy where {condition}");
        let Statement::Allow(allow) = parse(&text).unwrap() else { panic!() };
        let condition = allow.condition.unwrap().value;
        moments(&Uses::of([&condition].into_iter(), Semantics::Oracle)).len()
    }

    #[test]
    fn every_way_to_compare_has_one_moment() {
        assert_eq!(count("request.utc-timestamp before '2026-03-01T00:00:00Z'"), 4);
        assert_eq!(count("request.utc-timestamp.day-of-week = 'Monday'"), 3);
        assert_eq!(count("request.utc-timestamp.day-of-week = /m*/"), 8);
        assert_eq!(count("request.utc-timestamp.month-of-year in ('2', '3')"), 4);
        assert_eq!(count("request.utc-timestamp.time-of-day between '05:00:00' and '17:00:00'"), 6);
        let both = "all {request.utc-timestamp.day-of-week = 'Monday', \
                    request.utc-timestamp.time-of-day between '05:00:00' and '17:00:00'}";
        assert_eq!(count(both), 2 * 5 + 1);
    }
}
