use super::error::PlanError;
use super::trace::{Gathered, Trace, TraceKind};
use strongroom_model::Timestamp;

const FIELDS: [&str; 3] = ["time", "consumer", "secret"];
/// About 317 years: no count of seconds is above.
const SECONDS_MAX: i128 = 10_000_000_000;

/// Reads a table `time,consumer,secret`, with or without these headings.
pub(super) fn parse(text: &str) -> Result<Trace, PlanError> {
    let mut gathered = Gathered::default();
    let mut is_dated = None;
    for (number, line) in (1..).zip(text.lines()) {
        let place = || format!("line {number}");
        let line = line.trim();
        if line.is_empty() || (number == 1 && is_heading(line)) {
            continue;
        }
        let [time, consumer, secret] = fields(line, place())?;
        let (at, dated) = instant(time).ok_or_else(|| PlanError::Record {
            place: place(),
            field: "time",
            rule: "must be as in RFC 3339, such as 2026-11-24T10:00:00Z, or seconds from the start"
                .to_owned(),
        })?;
        if *is_dated.get_or_insert(dated) != dated {
            let rule = "must be of one kind in the whole table: dates, or seconds".to_owned();
            return Err(PlanError::Record { place: place(), field: "time", rule });
        }
        gathered.add(at, consumer, secret)?;
    }
    gathered.trace(TraceKind::Table)
}

fn is_heading(line: &str) -> bool {
    let mut cells = line.split(',').map(str::trim);
    FIELDS.iter().all(|field| cells.next().is_some_and(|cell| cell.eq_ignore_ascii_case(field)))
}

fn fields(line: &str, place: String) -> Result<[&str; 3], PlanError> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [time, consumer, secret] = cells.as_slice() else {
        let told = format!("{place}: {} fields, must be 3: time,consumer,secret", cells.len());
        return Err(PlanError::Trace(told));
    };
    match FIELDS.iter().zip([time, consumer, secret]).find(|(_field, cell)| cell.is_empty()) {
        Some((field, _empty)) => {
            Err(PlanError::Record { place, field, rule: "must not be empty".to_owned() })
        }
        None => Ok([time, consumer, secret]),
    }
}

/// Reads an instant in nanoseconds, and whether it is a date.
fn instant(text: &str) -> Option<(i128, bool)> {
    match text.parse::<Timestamp>() {
        Ok(at) => Some((at.as_nanosecond(), true)),
        Err(_no_date) => Some((seconds(text)?, false)),
    }
}

fn seconds(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || whole.is_empty() || fraction.len() > 9 {
        return None;
    }
    let whole: i128 = whole.parse().ok().filter(|whole| *whole <= SECONDS_MAX)?;
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some(whole * 1_000_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::super::trace::Read;
    use super::*;

    #[test]
    fn a_table_is_read_with_and_without_headings_and_in_any_order() {
        let dates = "time,consumer,secret\n2026-11-24T10:00:02Z,b,s\n\n\
                     2026-11-24T10:00:00.5Z,a,s\n2026-11-24T10:00:02Z, a , t\n";
        let trace = parse(dates).unwrap();
        let of = |at_nanos, pair| Read { at_nanos, pair };
        assert_eq!(trace.reads, [of(0, 1), of(1_500_000_000, 0), of(1_500_000_000, 2)]);
        assert_eq!((trace.about.consumers, trace.about.secrets, trace.pairs), (2, 2, 3));
        let secs = parse("2,b,s\n0.5,a,s\n2.0,a,t").unwrap();
        assert_eq!(secs.reads, trace.reads);
        assert_eq!(secs.about.reads_per_month, 5_184_000);
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_field() {
        let told = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(told("0,a,s\n1,a"), "line 2: 2 fields, must be 3: time,consumer,secret");
        assert_eq!(told("0,a,s\n1,,s"), "line 2, field `consumer`: must not be empty");
        assert_eq!(told("0,a,s\n1,a, "), "line 2, field `secret`: must not be empty");
        for time in ["soon", "-1", "1.0000000001", "99999999999", "2026-13-01T00:00:00Z", ".5"] {
            let told = told(&format!("0,a,s\n{time},a,s"));
            assert!(told.starts_with("line 2, field `time`: must be as in RFC 3339"), "{told}");
        }
        let mixed = told("0,a,s\n2026-11-24T10:00:02Z,a,s");
        assert!(mixed.starts_with("line 2, field `time`: must be of one kind"), "{mixed}");
        assert!(told("").starts_with("it has 0 reads of secrets"));
        assert!(told("0,a,s").starts_with("it has 1 reads"));
        assert!(told("0,a,s\n0.9,a,s").starts_with("its reads span less than a second"));
    }
}
