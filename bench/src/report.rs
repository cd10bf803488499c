use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::Outcome;
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
        let count = served.latencies.count() as f64;
        Self {
            rate: count / served.secs,
            cpu_us: cpu_secs * 1e6 / count.max(1.0),
            p50_us: served.latencies.quantile_us(0.5),
            p99_us: served.latencies.quantile_us(0.99),
        }
    }
}

/// Median, smallest and largest; of an even number the median is the mean of the middle two.
pub(crate) fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
    let last = values.len().saturating_sub(1);
    (f64::midpoint(at(last / 2), at(last.div_ceil(2))), at(0), at(last))
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
    let (median, low, high) = spread(ratios(ours, theirs));
    println!("| {name} | **{median:.2}** ({low:.2}–{high:.2}) | | | |");
}

fn ratios(ours: &[Figures], theirs: &[Figures]) -> impl Iterator<Item = f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| ours.rate / theirs.rate)
}

/// Every round as a line of JSON, for those who compare runs.
#[derive(Debug)]
pub(crate) struct Journal(Option<File>);

impl Journal {
    pub(crate) fn create(path: Option<&Path>) -> Outcome<Self> {
        Ok(Self(path.map(File::create).transpose()?))
    }

    /// Writes a line: `what` and the figures of one round.
    pub(crate) fn round(&mut self, mut what: Value, figures: &Figures) -> Outcome<()> {
        if let Some(what) = what.as_object_mut() {
            what.insert("per_second".to_owned(), figures.rate.into());
            what.insert("cpu_us".to_owned(), figures.cpu_us.into());
            what.insert("p50_us".to_owned(), figures.p50_us.into());
            what.insert("p99_us".to_owned(), figures.p99_us.into());
        }
        self.line(&what)
    }

    pub(crate) fn line(&mut self, what: &Value) -> Outcome<()> {
        match &mut self.0 {
            None => Ok(()),
            Some(file) => Ok(writeln!(file, "{what}")?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;

    fn at(rate: f64) -> Figures {
        Figures { rate, cpu_us: 0.0, p50_us: 0.0, p99_us: 0.0 }
    }

    fn close(left: (f64, f64, f64), right: (f64, f64, f64)) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        near(left.0, right.0) && near(left.1, right.1) && near(left.2, right.2)
    }

    #[test]
    fn medians() {
        assert!(close(spread([9.0, 1.0, 4.0].into_iter()), (4.0, 1.0, 9.0)));
        assert!(close(spread([9.0, 1.0, 4.0, 2.0].into_iter()), (3.0, 1.0, 9.0)));
        assert!(close(spread([5.0].into_iter()), (5.0, 5.0, 5.0)));
        assert!(close(spread(std::iter::empty()), (0.0, 0.0, 0.0)));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let (ours, theirs) = ([at(50.0), at(80.0), at(10.0)], [at(100.0), at(100.0), at(100.0)]);
        assert!(close(spread(ratios(&ours, &theirs)), (0.5, 0.1, 0.8)));
        // The machine halves its speed between rounds; the ratio does not notice.
        let (ours, theirs) = ([at(80.0), at(40.0)], [at(100.0), at(50.0)]);
        assert!(close(spread(ratios(&ours, &theirs)), (0.8, 0.8, 0.8)));
    }

    #[test]
    fn figures_of_a_round() {
        let mut latencies = Histogram::default();
        (0..1000).for_each(|_| latencies.add(64_000));
        let figures = Figures::of(&Served { secs: 2.0, latencies, refused: 0 }, 0.03);
        assert!(close((figures.rate, figures.cpu_us, figures.p99_us), (500.0, 30.0, 64.0)));
    }
}
