use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::ApiKey;

/// How long before its end a token is renewed at the latest, in seconds. Source: Oracle's SDKs,
/// which renew one minute (Python) to five minutes (Go) ahead.
const AHEAD_SECS: i64 = 300;

/// Credentials with a token in them.
#[derive(Debug)]
pub(crate) struct Bearer {
    pub(crate) key: Arc<ApiKey>,
    /// When to get others, in seconds since 1970.
    pub(crate) renew_at: i64,
    /// Until when they hold.
    pub(crate) expires_at: i64,
}

#[derive(Deserialize)]
struct Times {
    exp: i64,
    iat: Option<i64>,
}

/// Returns when a token is to be renewed and when it expires. Short ones are renewed when half of
/// their time has passed.
pub(super) fn lasts(token: &str) -> Option<(i64, i64)> {
    let Times { exp, iat } = serde_json::from_value(claims(token)?).ok()?;
    let life = exp.saturating_sub(iat.unwrap_or_else(|| exp.saturating_sub(AHEAD_SECS)));
    Some((exp.saturating_sub(AHEAD_SECS.min(life / 2)), exp))
}

/// Returns the tenancy that a key id names, or that the token in it does; nothing if there is none.
pub(crate) fn tenancy_of(key_id: &str) -> String {
    let Some(token) = key_id.strip_prefix("ST$") else {
        return key_id.split('/').next().unwrap_or_default().to_owned();
    };
    claims(token)
        .and_then(|claims| {
            let named = ["tenant", "opc-tenant", "res_tenant"].map(|name| claims.get(name));
            named.into_iter().flatten().find_map(|value| value.as_str().map(str::to_owned))
        })
        .unwrap_or_default()
}

fn claims(token: &str) -> Option<serde_json::Value> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.AA", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn tokens_are_renewed_ahead_of_their_end() {
        assert_eq!(lasts(&token(r#"{"exp":3200,"iat":2000}"#)), Some((2900, 3200)));
        assert_eq!(lasts(&token(r#"{"exp":2060,"iat":2000}"#)), Some((2030, 2060)));
        assert_eq!(lasts(&token(r#"{"exp":2060}"#)), Some((1910, 2060)));
        for wrong in ["", "a", "a.b.c", "e30.e30.AA", &token(r#"{"exp":"x"}"#)] {
            assert_eq!(lasts(wrong), None, "{wrong}");
        }
    }
}
