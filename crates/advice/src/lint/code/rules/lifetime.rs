//! C16: secrets that are kept longer than they last.

use std::ops::Range;

use super::super::super::catalogue::TTL_EXCEEDS_ROTATION;
use super::super::super::finding::Finding;
use super::super::kind::Kind;
use super::super::pattern::Pattern;
use super::super::scan::Subject;
use super::super::text::Text;

/// A duration that a setting of the name gives: name, unit in the name, value.
static TTL: Pattern = Pattern::new(
    r#"(?im)(?:^|[^\w-])["']?((?:[\w-]*[_-])?ttl(?:[_-](secs?|seconds|s|minutes|mins?|hours?|days?|ms))?)["']?\s*(?::\s*\w+\s*=|:=|[:=])\s*["']?((?:[0-9][0-9_ *]*[0-9]|[0-9])\s*[smhd]?\b|PT?[0-9][0-9A-Z]*|time(?:delta)?\.?\(?[^\n,)]*)"#,
);

static ROTATION: Pattern = Pattern::new(
    r#"(?im)(?:^|[^\w-])["']?((?:[\w-]*[_-])?rotat(?:ion|e)(?:[_-]?(?:interval|period|window|every|after))(?:[_-](secs?|seconds|s|minutes|mins?|hours?|days?))?|rotationInterval)["']?\s*(?::\s*\w+\s*=|:=|[:=])\s*["']?((?:[0-9][0-9_ *]*[0-9]|[0-9])\s*[smhd]?\b|PT?[0-9][0-9A-Z]*|timedelta\([^\n)]*)"#,
);

/// What tells that the rotation is of a secret of OCI.
static OF_VAULT: Pattern =
    Pattern::new(r"(?i)(\boci\b|ocid1\.|oraclecloud|secret_?bundle|strongroom|secret://)");

/// Names of how long a secret is kept, whatever else the file is about.
static OF_SECRET: Pattern = Pattern::new(r"(?i)(secret|cache)");

static PLAIN: Pattern =
    Pattern::new(r"(?i)^ttl([_-](secs?|seconds|s|minutes|mins?|hours?|days?))?$");

struct Setting {
    name: String,
    /// Whether it is written as OCI writes intervals.
    is_iso: bool,
    span: Range<usize>,
    shown: String,
    seconds: u64,
}

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    let has_both = text.subjects.has(Subject::Rotation) && text.subjects.has(Subject::Lifetime);
    if !has_both || text.is_test || text.kind == Kind::Markdown {
        return;
    }
    let rotations = settings(text, &ROTATION, unit_of_rotation);
    let Some(shortest) = rotations.iter().min_by_key(|setting| setting.seconds) else { return };
    let speaks_of_vault = OF_VAULT.is_in(&text.file.text) || shortest.is_iso;
    for kept in settings(text, &TTL, |_| "s") {
        let is_ours = OF_SECRET.is_in(&kept.name) || speaks_of_vault && PLAIN.is_in(&kept.name);
        if kept.seconds < shortest.seconds || !is_ours {
            continue;
        }
        found.push(
            Finding::new(
                &TTL_EXCEEDS_ROTATION,
                kept.span.clone(),
                format!("a secret is kept for {}, and rotated every {}", kept.shown, shortest.shown),
                format!("a value that was replaced could go on being used for up to {}", kept.shown),
            )
            .and_at(shortest.span.clone(), "rotated that often")
            .advise(format!("less than {}: 5 to 15 minutes where secrets rotate daily, 30 to 60 where they rotate monthly", shortest.shown)),
        );
    }
}

/// The most days that an interval is taken to have: ten years.
const DAYS_MAX: u64 = 3650;

/// The unit of an interval that names none: days, but of what is multiplied, or too long for that.
fn unit_of_rotation(value: &str) -> &'static str {
    let is_in_days = !value.contains('*') && product(value).is_some_and(|days| days <= DAYS_MAX);
    if is_in_days { "d" } else { "s" }
}

fn settings(text: &Text<'_>, pattern: &Pattern, unit_of: fn(&str) -> &'static str) -> Vec<Setting> {
    let mut settings = Vec::new();
    for groups in pattern.groups(&text.file.text) {
        let [_, Some(name), in_name, Some(value)] = groups.as_slice() else { continue };
        if text.is_comment(name.start) {
            continue;
        }
        let unit = in_name.clone().map(|span| text.at(span));
        let unit = unit.unwrap_or_else(|| unit_of(text.at(value.clone())));
        if let Some(seconds) = seconds(text.at(value.clone()), unit).filter(|seconds| *seconds > 0)
        {
            settings.push(Setting {
                name: text.at(name.clone()).to_owned(),
                is_iso: text.at(value.clone()).starts_with('P'),
                span: name.start..value.end,
                shown: shown(seconds),
                seconds,
            });
        }
    }
    settings
}

/// Reads a duration: `36h`, `P1D`, `24 * 60 * 60`, `timedelta(hours=36)`.
fn seconds(text: &str, unit: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches(['"', '\'']);
    if let Some(rest) = text.strip_prefix('P') {
        return iso(rest);
    }
    if let Some((_, inside)) = text.split_once("timedelta(") {
        let (unit, number) = inside.trim_end_matches(')').split_once('=')?;
        return scaled(product(number)?, unit.trim());
    }
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let suffix = text.get(number.len()..).unwrap_or("");
    scaled(product(number)?, if suffix.is_empty() { unit } else { suffix })
}

fn product(text: &str) -> Option<u64> {
    let mut whole = 1_u64;
    for factor in text.split('*') {
        whole = whole.checked_mul(factor.trim().replace('_', "").parse().ok()?)?;
    }
    Some(whole)
}

fn scaled(number: u64, unit: &str) -> Option<u64> {
    let factor = match unit.to_ascii_lowercase().as_str() {
        "ms" => return Some(number / 1000),
        "s" | "sec" | "secs" | "seconds" => 1,
        "m" | "min" | "mins" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "weeks" => 604_800,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Reads what follows `P` in an ISO 8601 duration.
fn iso(text: &str) -> Option<u64> {
    let (mut total, mut number, mut is_time) = (0_u64, String::new(), false);
    for letter in text.chars() {
        match letter {
            'T' => is_time = true,
            '0'..='9' => number.push(letter),
            _ => {
                let unit = match (letter, is_time) {
                    ('M', false) => return None,
                    ('D' | 'W' | 'H' | 'M' | 'S', _) => letter.to_string(),
                    _ => return None,
                };
                total = total.checked_add(scaled(
                    number.parse().ok()?,
                    if unit == "W" { "w" } else { &unit },
                )?)?;
                number.clear();
            }
        }
    }
    Some(total)
}

fn shown(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        _ if seconds.is_multiple_of(86_400) && seconds > 86_400 => {
            format!("{} days", seconds / 86_400)
        }
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_form() {
        for (text, unit, expected) in [
            ("36h", "s", Some(129_600)),
            ("P1D", "s", Some(86_400)),
            ("PT12H30M", "s", Some(45_000)),
            ("24 * 60 * 60", "s", Some(86_400)),
            ("timedelta(hours=36)", "s", Some(129_600)),
            ("3_600", "s", Some(3600)),
            ("30", "days", Some(2_592_000)),
            ("P1M", "s", None),
            ("soon", "s", None),
        ] {
            assert_eq!(seconds(text, unit), expected, "{text}");
        }
        for (text, unit) in
            [("1", "d"), ("3_650", "d"), ("3651", "s"), ("86400", "s"), ("24 * 60 * 60", "s")]
        {
            assert_eq!(unit_of_rotation(text), unit, "{text}");
        }
        assert_eq!([45, 900, 129_600, 172_800].map(shown), ["45 s", "15 min", "36 h", "2 days"]);
    }
}
