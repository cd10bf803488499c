use std::time::Duration;

use strongroom_advice::{Plan, PlanRow, grouped, spell};

use super::told::ttl;

/// Widths of the two bars.
const REQUESTS: usize = 30;
const AGES: usize = 16;
const FULL: char = '█';
const FREE: char = '┊';

/// Draws requests and ages over the TTL, a line for each.
pub(super) fn plot(plan: &Plan) -> Vec<String> {
    let rows: Vec<&PlanRow> = plan.rows.iter().filter(|row| plan.is_shown(row)).collect();
    let most = |of: fn(&PlanRow) -> u64| rows.iter().map(|row| of(row)).max().unwrap_or(0);
    let scale = Scale {
        requests: most(|row| row.requests_per_month),
        free: plan.prices.free_requests,
        age_secs: most(|row| row.old_value_max_secs),
    };
    let width = |of: fn(&PlanRow) -> String| {
        rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0)
    };
    let labels = width(|row| ttl(row.ttl_secs));
    let numbers = width(|row| grouped(row.requests_per_month));
    let mut lines = vec![format!(
        "{:labels$}  {:<filled$}  {}",
        "",
        "requests a month (logarithmic)",
        "an old value is used for at most",
        filled = REQUESTS + 1 + numbers,
    )];
    lines.extend(rows.into_iter().map(|row| {
        let (label, requests) = (ttl(row.ttl_secs), grouped(row.requests_per_month));
        let (bar, age) = (scale.of_requests(row), scale.of_age(row));
        let spelled = spell(Duration::from_secs(row.old_value_max_secs));
        format!("{label:labels$}  {bar} {requests:>numbers$}  {age} {spelled}")
    }));
    lines.extend(scale.free_column().map(|column| {
        let free = grouped(scale.free);
        format!("{:labels$}  {:column$}{FREE} up to {free} are free", "", "")
    }));
    lines
}

struct Scale {
    requests: u64,
    free: u64,
    age_secs: u64,
}

impl Scale {
    /// Returns the bar, with the mark where requests begin to cost something.
    fn of_requests(&self, row: &PlanRow) -> String {
        let filled = self.column(row.requests_per_month);
        let mark = self.free_column();
        let cell = |column: usize| match column {
            _ if Some(column) == mark => FREE,
            _ if column < filled => FULL,
            _ => ' ',
        };
        (0..REQUESTS).map(cell).collect()
    }

    fn free_column(&self) -> Option<usize> {
        Some(self.column(self.free)).filter(|_| self.free > 0 && self.free < self.requests)
    }

    /// Returns how far a number reaches, by its logarithm; what is not nothing is seen.
    fn column(&self, number: u64) -> usize {
        if number == 0 {
            return 0;
        }
        part(log(number), log(self.requests), REQUESTS).max(1)
    }

    fn of_age(&self, row: &PlanRow) -> String {
        let filled = part(row.old_value_max_secs, self.age_secs, AGES);
        let filled = if row.old_value_max_secs > 0 { filled.max(1) } else { 0 };
        let bar: String = std::iter::repeat_n(FULL, filled).collect();
        format!("{bar:AGES$}")
    }
}

/// Returns the share of a width, rounded.
fn part(number: u64, most: u64, width: usize) -> usize {
    let width = u64::try_from(width).unwrap_or(u64::MAX);
    let (number, most) = (number.min(most), most.max(1));
    usize::try_from((number.saturating_mul(width) + most / 2) / most).unwrap_or(0)
}

/// Returns the logarithm to base 2 in 1024ths, straight between powers: a bar shows no finer.
fn log(number: u64) -> u64 {
    let number = number.max(1);
    let power = number.ilog2();
    let above = number - (1 << power);
    u64::from(power) * 1024 + u64::try_from((u128::from(above) * 1024) >> power).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use strongroom_advice::{Trace, Wanted, plan};

    use super::*;

    #[test]
    fn logarithms_are_near_and_parts_are_rounded() {
        // Between powers of 2 the exact ones are 1623, 3402, 9720 and 19925.
        let near = [0, 1, 2, 3, 10, 720, 1 << 20, 720_000].map(log);
        assert_eq!(near, [0, 0, 1024, 1536, 3328, 9632, 20 * 1024, 19_838]);
        assert_eq!([part(0, 9, 30), part(9, 9, 30), part(1, 4, 10)], [0, 30, 3]);
        assert_eq!(part(5, 0, 30), 0);
    }

    #[test]
    fn bars_fall_and_rise_and_what_is_free_is_marked() {
        let trace = Trace::even(60, 1).unwrap();
        let plan = plan(&trace, &Wanted::default()).unwrap();
        let lines = plot(&plan);
        let rows = lines.get(1..lines.len() - 1).unwrap();
        let bars = |line: &String, from: usize, width: usize| {
            line.chars().skip(from).take(width).filter(|c| *c == FULL).count()
        };
        let requests: Vec<usize> = rows.iter().map(|row| bars(row, 10, REQUESTS)).collect();
        assert_eq!(requests.first(), Some(&(REQUESTS - 1)), "{lines:#?}");
        assert!(requests.is_sorted_by(|one, next| one >= next), "{lines:#?}");
        let ages: Vec<usize> = rows.iter().map(|row| bars(row, 10 + REQUESTS, 40)).collect();
        assert!(ages.is_sorted() && ages.last() == Some(&AGES), "{lines:#?}");
        let column = |line: &String| line.chars().position(|c| c == FREE).unwrap();
        assert!(lines.iter().skip(1).all(|line| column(line) == column(&lines[1])), "{lines:#?}");
        assert!(lines.last().unwrap().contains("up to 10,000 are free"));
    }
}
