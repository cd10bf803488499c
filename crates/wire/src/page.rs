use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Refusal;
use crate::query::Query;

/// Rows of a page when `limit` is absent. Oracle states none; this is the product's.
pub const PAGE_LIMIT_DEFAULT: u64 = 100;

/// Largest `limit`. Oracle states none; this is the product's.
pub const PAGE_LIMIT_MAX: u64 = 1000;

/// Where the next page of a list starts: after a key, so that rows inserted or removed meanwhile
/// neither repeat nor hide others. Bound to the list it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(String);

impl PageToken {
    /// Makes the token for the rows after `key` of the list that `scope` describes (operation,
    /// filters, order).
    #[must_use]
    pub fn after(scope: &str, key: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(format!("{scope}\n{key}")))
    }

    /// Returns the token as the value of `opc-next-page`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a list request says of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// Most rows of the page.
    pub limit: usize,
    /// Key of the last row of the page before.
    pub after: Option<String>,
}

impl Paging {
    /// Reads `limit` and `page`.
    ///
    /// # Errors
    /// A [`Refusal`] if `limit` is outside 1 to [`PAGE_LIMIT_MAX`], or `page` is no token of the
    /// list that `scope` describes.
    pub fn read(query: &Query, scope: &str) -> Result<Self, Refusal> {
        let limit = query.number("limit", 1, PAGE_LIMIT_MAX)?.unwrap_or(PAGE_LIMIT_DEFAULT);
        let after = query.get("page").map(|page| key_of(page, scope)).transpose()?;
        Ok(Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), after })
    }
}

fn key_of(page: &str, scope: &str) -> Result<String, Refusal> {
    let foreign = || Refusal::invalid("page", "is no opc-next-page value of this list");
    let bytes = URL_SAFE_NO_PAD.decode(page).map_err(|_position| foreign())?;
    let text = String::from_utf8(bytes).map_err(|_position| foreign())?;
    let (found, key) = text.split_once('\n').ok_or_else(foreign)?;
    if found == scope { Ok(key.to_owned()) } else { Err(foreign()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_its_list() {
        let token = PageToken::after("ListSecrets c NAME ASC", "db\u{0}x");
        let query = Query::parse(&format!("limit=2&page={}", token.as_str())).unwrap();
        let paging = Paging::read(&query, "ListSecrets c NAME ASC").unwrap();
        assert_eq!((paging.limit, paging.after.as_deref()), (2, Some("db\u{0}x")));
        assert!(Paging::read(&query, "ListSecrets d NAME ASC").is_err());
        for page in ["x", "%00", "YQ", "!"] {
            let query = Query::parse(&format!("page={page}"));
            assert!(query.is_err() || Paging::read(&query.unwrap(), "s").is_err());
        }
    }
}
