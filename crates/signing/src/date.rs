use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use strongroom_model::Timestamp;

/// Renders an instant as HTTP does (RFC 9110 §5.6.7, IMF-fixdate).
#[must_use]
pub fn imf_date(at: Timestamp) -> String {
    // Fails only for years that the format cannot hold, which no clock shows.
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

/// Reads an IMF-fixdate: exactly the form that [`imf_date`] renders.
#[must_use]
pub fn parse_imf_date(text: &str) -> Option<Timestamp> {
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    (imf_date(at) == text).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_only() {
        let text = "Mon, 23 Nov 2026 21:15:21 GMT";
        let at: Timestamp = "2026-11-23T21:15:21Z".parse().unwrap();
        assert_eq!((parse_imf_date(text), imf_date(at).as_str()), (Some(at), text));
        for other in [
            "Tue, 23 Nov 2026 21:15:21 GMT",
            "Mon, 23 Nov 2026 21:15:21 +0000",
            "23 Nov 2026 21:15:21 GMT",
            "2026-11-23T21:15:21Z",
            "",
            "Monday, 23-Nov-26 21:15:21 GMT",
        ] {
            assert_eq!(parse_imf_date(other), None, "{other}");
        }
    }
}
