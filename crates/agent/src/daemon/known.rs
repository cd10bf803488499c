//! The rules in force, with what they have made of requests so far.

use std::sync::Arc;

use hyper::Uri;
use quick_cache::sync::Cache;

use super::dialects::{self, Form, Refusal, Wish};
use super::records::What;
use super::{References, Resolved, Rules};

/// Requests that are remembered, and how long they may be.
const KNOWN_MAX: usize = 2048;
const BYTES_MAX: usize = 512;

/// A secret as a request asks for it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) reference: String,
    pub(super) form: Form,
    /// Under which an answer is kept with the content: who asks the same is told the same.
    pub(super) label: String,
    /// What the line of a read says of it.
    pub(super) record: What,
    /// What the reference means, or what is wrong with it.
    pub(super) resolved: Result<Resolved, String>,
}

impl Target {
    pub(super) fn new(reference: String, form: Form, references: &dyn References) -> Self {
        let resolved = references.resolve(&reference);
        let label = format!("{form:?} {reference}");
        let record = What::from(reference.as_str());
        Self { reference, form, label, record, resolved }
    }
}

/// Rules, and what requests mean by them: reading the same one again costs a look into a table.
pub(super) struct InForce {
    pub(super) rules: Rules,
    known: Cache<String, Arc<Target>>,
}

impl InForce {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, known: Cache::new(KNOWN_MAX) }
    }

    /// Reads path and query of a request.
    pub(super) fn read(&self, uri: &Uri) -> Result<Wish, Refusal> {
        let asked = uri.path_and_query().map_or("/", |asked| asked.as_str());
        if let Some(target) = self.known.get(asked) {
            return Ok(Wish::Secret(target));
        }
        let wish = dialects::read(uri.path(), uri.query().unwrap_or_default(), &self.rules)?;
        if let Wish::Secret(target) = &wish
            && target.resolved.is_ok()
            && asked.len() <= BYTES_MAX
        {
            self.known.insert(asked.to_owned(), Arc::clone(target));
        }
        Ok(wish)
    }
}

impl std::fmt::Debug for InForce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InForce").field("rules", &self.rules).finish_non_exhaustive()
    }
}
