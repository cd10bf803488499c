use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use strongroom_client::{Lifetimes, SecurityClass};
use strongroom_model::Random;
use strongroom_testkit::Dice;

use super::replay::Draws;
use super::*;

fn mins(mins: u64) -> Duration {
    Duration::from_mins(mins)
}

fn wanted(class: SecurityClass) -> Wanted {
    Wanted { class, ..Wanted::default() }
}

/// What the cache does by its documentation, told a second time: each value draws its TTL, a tenth
/// more or less, an hour at most, and is asked for again after 75 to 85 % of it, while it is served.
struct Second {
    draws: Draws,
    ttl_nanos: u128,
    /// When a value was asked for, is asked for again, and is over.
    held: HashMap<u32, (u128, u128, u128)>,
    calls: Vec<(u128, u32)>,
    ages: Vec<u128>,
}

impl Second {
    fn new(ttl: Duration) -> Self {
        let (ttl_nanos, draws) = (ttl.as_nanos(), Draws::default());
        Self { draws, ttl_nanos, held: HashMap::new(), calls: Vec::new(), ages: Vec::new() }
    }

    fn draw(&self, below: u64) -> u128 {
        let mut bytes = [0; 8];
        self.draws.fill(&mut bytes);
        u128::from(u64::from_be_bytes(bytes) % below)
    }

    fn call(&mut self, at: u128, pair: u32) {
        let fresh = (self.ttl_nanos * (900 + self.draw(201)) / 1000).min(3_600_000_000_000);
        let again = fresh * (750 + self.draw(100)) / 1000;
        self.calls.push((at, pair));
        self.held.insert(pair, (at, at + again, at + fresh));
    }

    fn read(&mut self, at: u128, pair: u32) {
        match self.held.get(&pair).copied() {
            Some((asked, again, over)) if at < over => {
                self.ages.push(at - asked);
                if at >= again {
                    self.call(at, pair);
                }
            }
            _ => {
                self.ages.push(0);
                self.call(at, pair);
            }
        }
    }

    fn of(trace: &Trace, ttl: Duration) -> Self {
        let mut second = Self::new(ttl);
        for read in &trace.reads {
            second.read(u128::from(read.at_nanos), read.pair);
        }
        second
    }

    /// The most calls in any second, counted from each call on.
    fn peak(&self) -> usize {
        let in_second = |from: u128| {
            self.calls.iter().filter(move |(at, _)| (from..from + 1_000_000_000).contains(at))
        };
        self.calls.iter().map(|(at, _)| in_second(*at).count()).max().unwrap_or(0)
    }
}

/// A table of some reads by some consumers of some secrets, in bursts and with pauses.
fn random_table(dice: &mut Dice) -> String {
    let (consumers, secrets) = (1 + dice.roll(4), 1 + dice.roll(3));
    let longest_pause = [2, 60, 900][dice.roll(3)];
    let mut at_millis = 0;
    let mut table = String::from("time,consumer,secret\n");
    for _ in 0..50 + dice.roll(600) {
        at_millis += dice.roll(longest_pause * 1000);
        let (consumer, secret) = (dice.roll(consumers), dice.roll(secrets));
        let (secs, millis) = (at_millis / 1000, at_millis % 1000);
        writeln!(table, "{secs}.{millis:03},c{consumer},s{secret}").unwrap();
    }
    table
}

#[test]
fn the_replay_does_what_the_documentation_of_the_cache_says() {
    let mut dice = Dice::new(None);
    let seed = dice.seed();
    for round in 0..40 {
        let trace = parse_trace(&random_table(&mut dice)).unwrap();
        for ttl in [Duration::ZERO, Duration::from_secs(5), mins(1), mins(15), mins(60)] {
            let replayed = replay(&trace, Lifetimes::default().with_ttl(ttl), None).unwrap();
            let second = Second::of(&trace, ttl);
            let (calls, ages) = (u64::try_from(second.calls.len()).unwrap(), &second.ages);
            let mean = ages.iter().sum::<u128>() / u128::try_from(ages.len()).unwrap();
            let told = format!("seed {seed}, round {round}, TTL {ttl:?}");
            assert_eq!(replayed.requests, calls, "{told}");
            assert_eq!(replayed.age_max.as_nanos(), *ages.iter().max().unwrap(), "{told}");
            assert_eq!(replayed.age_mean.as_nanos(), mean, "{told}");
            assert_eq!(replayed.peak, second.peak(), "{told}");
            let longest = Lifetimes::default().with_ttl(ttl).longest_use();
            assert!(replayed.age_max <= longest, "{told}");
        }
    }
}

/// The best TTL of a class, by trying all and asking of each whether there is a better one.
fn brute_force(trace: &Trace, wanted: &Wanted) -> u64 {
    let tried: Vec<u64> = match wanted.class {
        SecurityClass::High => (5..=15).map(|mins| mins * 60).collect(),
        SecurityClass::Standard => (30..=60).step_by(5).map(|mins| mins * 60).collect(),
        SecurityClass::Development => vec![0],
    };
    let rotation = wanted.rotation.map_or(u64::MAX, |rotation| rotation.as_secs());
    let tried = tried.into_iter().filter(|ttl| (ttl * 11 / 10).min(3600) < rotation);
    let price = |requests: u128| {
        let span = u128::from(trace.reads.last().unwrap().at_nanos);
        let month = (requests * 2_592_000_000_000_000 + span / 2) / span;
        let billed = month.saturating_sub(u128::from(wanted.prices.free_requests));
        (billed * 30_000 + 5_000) / 10_000
    };
    let priced = tried.map(|ttl| {
        let second = Second::of(trace, Duration::from_secs(ttl));
        (price(u128::try_from(second.calls.len()).unwrap()), ttl)
    });
    priced.min().unwrap().1
}

#[test]
fn what_is_recommended_is_what_brute_force_finds() {
    let mut dice = Dice::new(None);
    let seed = dice.seed();
    let mut found = std::collections::BTreeSet::new();
    for round in 0..60 {
        let trace = parse_trace(&random_table(&mut dice)).unwrap();
        let class = [SecurityClass::High, SecurityClass::Standard][dice.roll(2)];
        let mut wanted = wanted(class);
        wanted.prices.free_requests = [0, 500, 5_000, 10_000][dice.roll(4)];
        wanted.rotation = [None, Some(mins(45)), Some(Duration::from_hours(24))][dice.roll(3)];
        let plan = plan(&trace, &wanted).unwrap();
        let best = brute_force(&trace, &wanted);
        assert_eq!(plan.recommended_ttl_secs, best, "seed {seed}, round {round}, {wanted:?}");
        found.insert(best);
    }
    assert!(found.len() > 3, "seed {seed}: {found:?}");
}

#[test]
fn the_example_of_the_mission_has_a_request_for_each_hour() {
    let trace = Trace::even(1000, 1).unwrap();
    assert_eq!(trace.about.per_month(plain(&trace, Duration::ZERO)), 720_000);
    assert_eq!(trace.about.per_month(plain(&trace, mins(60))), 720);
    let replayed = replay(&trace, Lifetimes::default().with_ttl(mins(60)), None).unwrap();
    // A value is asked for again after 75 % of 54 minutes at the earliest, 85 % of an hour at the latest.
    assert!((847..=1067).contains(&trace.about.per_month(replayed.requests)), "{replayed:?}");
}

#[test]
fn classes_keep_to_the_mission_and_a_budget_buys_fresher_values() {
    let trace = Trace::even(60, 2).unwrap();
    let of = |class, budget: &str| {
        let mut wanted = wanted(class);
        wanted.budget = Amount::parse(budget).unwrap();
        wanted.prices.free_requests = 0;
        plan(&trace, &wanted).unwrap().recommended_ttl_secs / 60
    };
    assert_eq!(of(SecurityClass::Development, "0"), 0);
    assert_eq!((of(SecurityClass::Standard, "0"), of(SecurityClass::High, "0")), (60, 15));
    assert_eq!((of(SecurityClass::Standard, "0.02"), of(SecurityClass::High, "0.07")), (30, 5));
    let some = of(SecurityClass::Standard, "0.008");
    assert!((31..60).contains(&some), "{some}");
}

#[test]
fn a_ttl_that_is_not_below_the_rotation_is_refused_with_one_that_is() {
    let trace = Trace::even(10, 1).unwrap();
    let refused = |ttl: Option<u64>, rotation, class| {
        let (ttl, rotation) = (ttl.map(mins), Some(mins(rotation)));
        let refused = plan(&trace, &Wanted { ttl, rotation, ..wanted(class) });
        match refused.unwrap_err() {
            PlanError::TtlExceedsRotation { ttl, class, instead, .. } => (ttl, class, instead),
            other => panic!("{other}"),
        }
    };
    let standard = SecurityClass::Standard;
    let (high, none) = (SecurityClass::High, SecurityClass::Development);
    assert_eq!(refused(Some(60), 60, standard), (mins(60), standard, mins(54)));
    assert_eq!(refused(Some(36 * 60), 24 * 60, standard), (mins(36 * 60), standard, mins(60)));
    assert_eq!(refused(None, 20, standard), (mins(30), high, mins(15)));
    assert_eq!(refused(Some(15), 10, high), (mins(15), high, mins(9)));
    assert_eq!(refused(None, 1, standard), (mins(30), none, mins(0)));
    for (rotation, class) in [(60, standard), (20, standard), (10, high), (1, standard)] {
        let (_, class, ttl) = refused(Some(24 * 60), rotation, class);
        let (ttl, rotation) = (Some(ttl), Some(mins(rotation)));
        plan(&trace, &Wanted { ttl, rotation, ..wanted(class) }).unwrap();
    }
    let hours = Wanted { ttl: Some(mins(61)), ..wanted(standard) };
    assert!(matches!(plan(&trace, &hours), Err(PlanError::TtlTooLong { .. })));
    let below = Wanted { rotation: Some(mins(61)), ..wanted(standard) };
    assert!(plan(&trace, &below).unwrap().rows.iter().all(|row| row.is_below_rotation));
    let mut some = Wanted { rotation: Some(mins(40)), ..wanted(standard) };
    some.prices.free_requests = 0;
    let plan = plan(&trace, &some).unwrap();
    assert_eq!(plan.rows.iter().filter(|row| !row.is_below_rotation).count(), 5);
    assert_eq!(plan.recommended_ttl_secs, 35 * 60);
}

#[test]
fn a_limit_tells_what_it_refuses_and_what_caches_spare() {
    // Twenty at once, every ten seconds for two hours.
    let turns =
        (0..720).flat_map(|turn| (0..20).map(move |who| format!("{},{who},s\n", turn * 10)));
    let trace = parse_trace(&turns.collect::<String>()).unwrap();
    let plan = plan(&trace, &Wanted { limit: Some(15), ..Wanted::default() }).unwrap();
    let (none, cached) = (plan.row(0).unwrap(), plan.row(1800).unwrap());
    assert_eq!((none.peak_per_second, cached.peak_per_second), (20, 20));
    let refused = [none, cached].map(|row| row.throttled_per_month);
    assert_eq!(refused, [720 * 5, 5].map(|times| Some(plan.trace.per_month(times))));
    assert!(cached.peak_per_second_warm <= 5, "{cached:?}");
    let many = Wanted { limit: Some(100), ..Wanted::default() };
    let plan = super::plan(&trace, &many).unwrap();
    assert!(plan.rows.iter().all(|row| row.throttled_per_month == Some(0)));
}

#[test]
fn a_plan_can_be_repeated_and_drawn() {
    let trace = Trace::even(60, 3).unwrap();
    let asked = Wanted { ttl: Some(Duration::from_secs(90)), ..Wanted::default() };
    let (one, other) = (plan(&trace, &asked).unwrap(), plan(&trace, &asked).unwrap());
    assert_eq!(one.rows, other.rows);
    let svg = chart(&one);
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<circle").count(), one.rows.len() * 3);
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
    assert_eq!(one.rows.iter().filter(|row| one.is_shown(row)).count(), 9);
    let json = serde_json::to_value(&one).unwrap();
    assert_eq!(json["rows"][0]["ttlSecs"], 0);
    assert_eq!(json["trace"]["kind"], "even");
}
