use crate::report::{Figures, spread};

const FIGURES: [fn(&Figures) -> f64; 4] = [|f| f.rate, |f| f.cpu_us, |f| f.p50_us, |f| f.p99_us];

/// Prints the head of a table of figures.
pub(super) fn head(title: &str) {
    println!("\n{title}:\n");
    println!("| agent | requests/s (min–max) | CPU µs/request | p50 µs | p99 µs |");
    println!("| --- | --- | --- | --- | --- |");
}

/// Prints the ratios of two agents' figures, taken pair by pair in each round.
pub(super) fn ratios(title: &str, ours: &[Figures], theirs: &[Figures]) {
    let cells = FIGURES.map(|figure| {
        let pairs = ours.iter().zip(theirs);
        cell(pairs.map(|(ours, theirs)| figure(ours) / figure(theirs)))
    });
    println!("| {title} | {} |", cells.join(" | "));
}

/// Renders a median with the smallest and the largest.
pub(super) fn cell(values: impl Iterator<Item = f64>) -> String {
    let (median, low, high) = spread(values);
    format!("**{median:.2}** ({low:.2}–{high:.2})")
}

/// Renders a median with the smallest and the largest, of whole numbers.
pub(super) fn whole(values: impl Iterator<Item = f64>) -> String {
    let (median, low, high) = spread(values);
    format!("{median:.0} ({low:.0}–{high:.0})")
}
