use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize, Serializer};

use super::error::PlanError;

/// Millionths of the currency, and how many digits that is.
const MICROS: u128 = 1_000_000;
const DECIMALS: usize = 6;

/// An amount of money, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(u64);

impl Amount {
    /// Reads a decimal number; absent if it is negative, or has more than six decimals.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || fraction.len() > DECIMALS
            || !is_number(whole)
            || !is_number(fraction)
        {
            return None;
        }
        format!("{whole}{fraction:0<DECIMALS$}").parse().ok().map(Self)
    }

    /// Returns an amount less another, nothing at least.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// With two decimals; what is not nothing is not shown as nothing.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.0.saturating_add(5_000) / 10_000;
        let (least, cents) = if cents == 0 && self.0 > 0 { ("<", 1) } else { ("", cents) };
        f.pad(&format!("{least}${}.{:02}", cents / 100, cents % 100))
    }
}

/// As a number, to the millionth.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = u128::from(self.0);
        let text = format!("{}.{:06}", micros / MICROS, micros % MICROS);
        let number: serde_json::Number = text.parse().map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

/// What requests cost, who says so, and since when that is known. In US dollars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prices {
    /// Price of so many requests.
    pub price: Amount,
    /// How many requests have that price.
    pub requests: u64,
    /// Requests of a month that cost nothing.
    pub free_requests: u64,
    /// Who says so.
    pub source: String,
    /// When it was said, as in ISO 8601.
    pub date: String,
}

impl Default for Prices {
    /// Returns the mission's prices.
    fn default() -> Self {
        Self {
            price: Amount(30_000),
            requests: 10_000,
            free_requests: 10_000,
            source: "the mission, docs/mission.md M3; not Oracle's price list".to_owned(),
            date: "2026-11-24".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PricesFile {
    price: serde_json::Number,
    requests: u64,
    free_requests: u64,
    source: String,
    date: String,
}

impl Prices {
    /// Reads prices from TOML, or from JSON, which begins with a brace.
    ///
    /// # Errors
    /// [`PlanError::Prices`] and [`PlanError::Price`].
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let file: PricesFile = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| PlanError::Prices(error.to_string()))?
        } else {
            toml::from_str(text).map_err(|error| PlanError::Prices(error.message().to_owned()))?
        };
        let wrong = |field, rule| Err(PlanError::Price { field, rule });
        let Some(price) = Amount::parse(&file.price.to_string()) else {
            return wrong("price", "must not be negative and have six decimals at most");
        };
        if file.requests == 0 {
            return wrong("requests", "must be 1 at least: the price is that of so many requests");
        }
        if file.source.trim().is_empty() {
            return wrong("source", "must say where the prices come from");
        }
        if file.date.parse::<Date>().is_err() {
            return wrong("date", "must be a date such as 2026-11-24");
        }
        let PricesFile { requests, free_requests, source, date, .. } = file;
        Ok(Self { price, requests, free_requests, source, date })
    }

    /// Returns what so many requests of a month cost, after those that cost nothing.
    #[must_use]
    pub fn of(&self, requests: u64) -> Amount {
        self.of_each(requests.saturating_sub(self.free_requests))
    }

    /// Returns what so many requests cost if none is free.
    #[must_use]
    pub fn of_each(&self, requests: u64) -> Amount {
        let per = u128::from(self.requests.max(1));
        let micros = (u128::from(requests) * u128::from(self.price.0) + per / 2) / per;
        Amount(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mission_says_what_its_requests_cost() {
        let prices = Prices::default();
        assert_eq!(prices.of_each(720_000).to_string(), "$2.16");
        assert_eq!(prices.of(720_000).to_string(), "$2.13");
        assert_eq!((prices.of(720), prices.of(10_000)), (Amount(0), Amount(0)));
        assert_eq!(prices.of(10_001), Amount(3));
        assert_eq!(prices.of(10_001).to_string(), "<$0.01");
        assert_eq!(serde_json::to_string(&prices.of(720_000)).unwrap(), "2.13");
    }

    #[test]
    fn amounts_are_exact() {
        assert_eq!(Amount::parse("0.03"), Some(Amount(30_000)));
        assert_eq!(Amount::parse("12"), Some(Amount(12_000_000)));
        assert_eq!(Amount::parse("0.000001"), Some(Amount(1)));
        for text in ["", ".5", "-1", "1e-7", "0.0000001", "1.2.3", "99999999999999999999"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }

    #[test]
    fn prices_are_read_from_toml_and_json() {
        let toml = "price = 0.05\nrequests = 10000\nfree_requests = 0\nsource = \"list\"\n\
                    date = \"2026-10-01\"";
        let json = r#"{"price": 0.05, "requests": 10000, "free_requests": 0, "source": "list",
            "date": "2026-10-01"}"#;
        let prices = Prices::parse(toml).unwrap();
        assert_eq!(prices, Prices::parse(json).unwrap());
        assert_eq!(prices.of(720_000).to_string(), "$3.60");
    }

    #[test]
    fn what_is_wrong_with_prices_is_named() {
        let with = |was: &str, is: &str| {
            let toml = "price = 0.05\nrequests = 10000\nfree_requests = 0\nsource = \"list\"\n\
                        date = \"2026-10-01\"";
            Prices::parse(&toml.replace(was, is)).unwrap_err().to_string()
        };
        assert!(with("price = 0.05", "price = -1").starts_with("field `price`: must not be"));
        assert!(
            with("requests = 10000", "requests = 0").starts_with("field `requests`: must be 1")
        );
        assert!(with("\"list\"", "\" \"").starts_with("field `source`: must say"));
        assert!(with("2026-10-01", "soon").starts_with("field `date`: must be a date"));
        assert!(with("source = \"list\"", "").contains("missing field `source`"));
        assert!(with("date", "day").contains("unknown field `day`"));
    }
}
