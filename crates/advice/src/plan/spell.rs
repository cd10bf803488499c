use std::time::Duration;

/// Shows a duration in its two largest units, to the second, such as `46 min 30 s`.
#[must_use]
pub fn spell(duration: Duration) -> String {
    let secs = duration.as_secs() + u64::from(duration.subsec_millis() >= 500);
    let parts = [(secs / 86_400, "d"), (secs / 3600 % 24, "h"), (secs / 60 % 60, "min")];
    let parts = parts.into_iter().chain([(secs % 60, "s")]);
    let parts: Vec<(u64, &str)> = parts.skip_while(|(many, _)| *many == 0).take(2).collect();
    let told = parts.into_iter().filter(|(many, _)| *many > 0);
    let told: Vec<String> = told.map(|(many, unit)| format!("{many} {unit}")).collect();
    if told.is_empty() { "0 s".to_owned() } else { told.join(" ") }
}

/// Shows a number with a comma between each three digits.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in (0..digits.len()).rev().zip(digits.chars()) {
        shown.push(digit);
        if at > 0 && at % 3 == 0 {
            shown.push(',');
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_and_numbers_commas() {
        let told: Vec<String> = [0, 1, 60, 2790, 3600, 3661, 86_400, 90_061, 2_592_000]
            .map(Duration::from_secs)
            .map(spell)
            .into();
        let expected =
            ["0 s", "1 s", "1 min", "46 min 30 s", "1 h", "1 h 1 min", "1 d", "1 d 1 h", "30 d"];
        assert_eq!(told, expected);
        assert_eq!(spell(Duration::from_millis(1499)), "1 s");
        assert_eq!(spell(Duration::from_millis(59_500)), "1 min");
        assert_eq!(
            [0, 999, 1000, 720_000, 1_234_567].map(grouped).join(" "),
            "0 999 1,000 720,000 1,234,567"
        );
    }
}
