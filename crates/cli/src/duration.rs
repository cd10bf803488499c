/// Reads a duration such as `30d` and returns its seconds.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let rule = || "must be a whole number and one of s, m, h, d, such as 30d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(rule)?;
    let unit_secs = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(rule()),
    };
    let number: u64 = number.parse().map_err(|_error| rule())?;
    number.checked_mul(unit_secs).ok_or_else(rule)
}

/// Reads a duration that is not zero.
pub(crate) fn positive(text: &str) -> Result<u64, String> {
    seconds(text).and_then(|secs| match secs {
        0 => Err("must be one second at least".to_owned()),
        secs => Ok(secs),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        assert_eq!(seconds("30d"), Ok(30 * 86_400));
        assert_eq!(seconds("86400s"), Ok(86_400));
        assert_eq!((positive("1s"), positive("0h").is_err()), (Ok(1), true));
        for text in ["", "d", "30", "-1d", "1.5h", "1w", "99999999999999999999d", "1dä"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
