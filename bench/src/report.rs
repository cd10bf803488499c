use crate::load::Served;

/// Figures of one round.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) rate: f64,
    pub(crate) cpu_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Figures {
    pub(crate) fn of(served: &Served, cpu_secs: f64) -> Self {
        let at = |part: f64| {
            let index = (served.latencies.len() as f64 * part) as usize;
            served.latencies.get(index).copied().map_or(0.0, f64::from)
        };
        Self {
            rate: served.requests as f64 / served.secs,
            cpu_us: cpu_secs * 1e6 / served.requests.max(1) as f64,
            p50_us: at(0.5),
            p99_us: at(0.99),
        }
    }
}

/// Median, smallest and largest.
pub(crate) fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
    (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

/// Prints a server's rounds as a row of the table.
pub(crate) fn row(name: &str, rounds: &[Figures]) {
    let (rate, low, high) = spread(rounds.iter().map(|f| f.rate));
    let (cpu, ..) = spread(rounds.iter().map(|f| f.cpu_us));
    let (p50, ..) = spread(rounds.iter().map(|f| f.p50_us));
    let (p99, ..) = spread(rounds.iter().map(|f| f.p99_us));
    println!("| {name} | {rate:.0} ({low:.0}–{high:.0}) | {cpu:.1} | {p50:.0} | {p99:.0} |");
}

/// Prints the ratio of two servers, taken pair by pair in each round.
pub(crate) fn ratio(name: &str, ours: &[Figures], theirs: &[Figures]) {
    let pairs = ours.iter().zip(theirs);
    let (median, low, high) = spread(pairs.map(|(ours, theirs)| ours.rate / theirs.rate));
    println!("| {name} | **{median:.2}** ({low:.2}–{high:.2}) | | | |");
}
