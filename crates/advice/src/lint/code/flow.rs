//! Follows secrets: from the call that reads one to the names that hold it, within a function and through
//! one call of another of the same file.

use std::collections::{BTreeMap, BTreeSet};

use super::names::snake;
use super::outline::{Call, Mention, Outline, is_within, last};

/// Calls of the kits that read a secret.
const RETRIEVALS: &[&str] = &[
    "get_secret_bundle",
    "get_secret_bundle_by_name",
    "getSecretBundle",
    "getSecretBundleByName",
    "GetSecretBundle",
    "GetSecretBundleByName",
];

/// Names of functions that return a secret, in words.
const READERS: &[&str] = &[
    "get_secret",
    "get_secret_value",
    "get_secret_content",
    "get_secret_string",
    "read_secret",
    "read_secret_value",
    "fetch_secret",
    "fetch_secret_value",
    "load_secret",
    "retrieve_secret",
    "get_vault_secret",
    "get_secret_from_vault",
    "get_db_password",
    "get_text_secret",
    "get_binary_secret",
];

/// Parts of a bundle that are not secret.
const OPEN_PARTS: &[&str] = &[
    "id",
    "secret_id",
    "version_number",
    "time_created",
    "time_of_deletion",
    "time_of_expiry",
    "version_name",
    "stages",
    "metadata",
    "status",
    "headers",
    "opc_request_id",
    "request_id",
    "lifecycle_state",
    "secret_name",
    "name",
    "etag",
    "e_tag",
    "status_code",
    "content_type",
    "request",
    "length",
    "len",
    "size",
    "raw_response",
    "type",
];

/// Calls whose result is as secret as what they take, or what they are called of.
const PASSING: &[&str] = &[
    "format",
    "str",
    "string",
    "repr",
    "bytes",
    "decode",
    "encode",
    "to_string",
    "value_of",
    "stringify",
    "sprintf",
    "sprint",
    "sprintln",
    "b64decode",
    "b64encode",
    "decode_string",
    "decode_base64",
    "encode_to_string",
    "join",
    "strip",
    "trim",
    "trim_space",
    "concat",
    "dumps",
    "loads",
    "parse",
    "from_utf8",
    "from_utf8_lossy",
    "unwrap",
    "expect",
    "clone",
    "as_str",
    "as_bytes",
    "to_owned",
    "into",
    "from",
    "get_content",
    "get_secret_bundle",
    "get_secret_bundle_content",
    "atob",
    "btoa",
    "unwrap_or_default",
    "append",
    "bytearray",
    "debug_string",
    "to_json",
    "replace",
    "data",
    "content",
    "into_inner",
    "ok",
    "await",
    "get_bytes",
    "errorf",
    "f",
    "from_str",
    "base64decode",
    "fold",
    "splitlines",
    "print_to_string",
    "body",
    "any",
    "secret_bundle_content",
    "secret_bundle",
];

/// Follows secrets through a program.
pub(super) struct Flow<'a> {
    pub(super) outline: &'a Outline,
    /// Names that hold a secret, with the byte from which they do, for each function.
    held: BTreeMap<(usize, String), usize>,
    /// The names of functions that return one.
    returning: BTreeSet<&'a str>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(outline: &'a Outline) -> Self {
        let mut flow = Self { outline, held: BTreeMap::new(), returning: BTreeSet::new() };
        if !outline.calls.iter().any(|call| flow.yields_secret(call)) {
            return flow;
        }
        // Once for what functions return, once for those that call them.
        for _round in 0..3 {
            flow.assign();
            flow.note_returns();
        }
        flow
    }

    /// Whether any secret is read at all.
    pub(super) fn reads_secrets(&self) -> bool {
        self.outline.calls.iter().any(is_retrieval)
    }

    fn assign(&mut self) {
        for assign in &self.outline.assigns {
            let value = &assign.value;
            let is_secret = self
                .outline
                .mentions_in(value)
                .any(|mention| self.is_secret_in(mention, Some(value)))
                || self.outline.calls_in(value).any(|(_, call)| {
                    self.yields_secret(call) && self.passes_within(call.parent, value)
                });
            if !is_secret {
                continue;
            }
            // Go's error, and what is not the first of several, holds none.
            if let Some(name) = assign.names.first() {
                let key = (assign.function, name.clone());
                self.held.entry(key).or_insert(value.start);
            }
        }
    }

    fn note_returns(&mut self) {
        for returned in &self.outline.returns {
            let is_secret = self
                .outline
                .mentions_in(&returned.value)
                .any(|mention| self.is_secret_in(mention, Some(&returned.value)))
                || self.outline.calls_in(&returned.value).any(|(_, call)| {
                    self.yields_secret(call) && self.passes_within(call.parent, &returned.value)
                });
            let function = self.outline.functions.get(returned.function);
            let name = function.map_or("", |function| function.name.as_str());
            if is_secret && !name.is_empty() {
                self.returning.insert(name);
            }
        }
    }

    /// Whether a call's result is or holds a secret.
    pub(super) fn yields_secret(&self, call: &Call) -> bool {
        let name = call.name();
        is_retrieval(call)
            || READERS.contains(&snake(name).trim_start_matches('_'))
            || self.returning.contains(name)
    }

    /// Whether a mention is of a secret. `value` is the expression that is asked about: calls within it
    /// around the mention may turn it into something else.
    pub(super) fn is_secret_in(
        &self,
        mention: &Mention,
        value: Option<&std::ops::Range<usize>>,
    ) -> bool {
        if !self.holds_secret(mention) || !mention.methods.iter().all(|method| passes(method)) {
            return false;
        }
        value.is_none_or(|value| self.passes_within(mention.call, value))
    }

    /// Whether a name holds a secret, and the part of it that is mentioned is secret.
    pub(super) fn holds_secret(&self, mention: &Mention) -> bool {
        let is_secret = if mention.path.contains("()") {
            self.comes_of_secret_call(mention)
        } else {
            self.is_held(mention)
        };
        let is_open = |part: &str| {
            let words = snake(last(part));
            OPEN_PARTS.contains(&words.trim_start_matches("get_"))
        };
        is_secret && !mention.path.split('.').skip(1).any(is_open)
    }

    /// Whether a name was given a secret before, in its function or in the file.
    fn is_held(&self, mention: &Mention) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let root = (mention.function, mention.root().to_owned());
        let whole = (mention.function, mention.path.clone());
        let from = self.held.get(&root).or_else(|| self.held.get(&whole));
        from.is_some_and(|from| *from < mention.span.start)
            || mention.function != 0 && is_held_by_file(self, mention)
    }

    /// Whether a path such as `f(x).data` begins with a call that yields a secret.
    fn comes_of_secret_call(&self, mention: &Mention) -> bool {
        let head = mention.path.rsplit_once("()").map_or("", |(head, _)| head);
        self.outline
            .calls_in(&mention.span)
            .any(|(_, call)| self.yields_secret(call) && head.ends_with(call.name()))
    }

    /// Whether all calls around something, within an expression, pass on what they take.
    fn passes_within(&self, call: Option<usize>, value: &std::ops::Range<usize>) -> bool {
        let mut number = call;
        while let Some(call) = number.and_then(|number| self.outline.calls.get(number)) {
            if !is_within(&call.span, value) {
                return true;
            }
            if !passes(call.name()) {
                return false;
            }
            number = call.parent;
        }
        true
    }
}

fn is_held_by_file(flow: &Flow<'_>, mention: &Mention) -> bool {
    let key = (0, mention.root().to_owned());
    let is_own = flow
        .outline
        .functions
        .get(mention.function)
        .is_some_and(|function| function.parameters.iter().any(|name| name == mention.root()));
    !is_own && flow.held.contains_key(&key)
}

/// Whether a call reads a secret through a kit. Java's answers have a method of the same name that takes
/// nothing.
pub(super) fn is_retrieval(call: &Call) -> bool {
    RETRIEVALS.contains(&call.name()) && !call.arguments.is_empty()
}

/// Whether a call's result is as secret as what it takes.
pub(super) fn passes(name: &str) -> bool {
    PASSING.contains(&snake(name).as_str())
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::super::outline::outline;
    use super::*;

    /// Returns the secrets among the arguments of `sink`.
    fn sunk(kind: Kind, text: &str) -> Vec<String> {
        let outline = outline(kind, text).unwrap();
        let flow = Flow::new(&outline);
        let in_sink =
            |mention: &&Mention| outline.around(mention).iter().any(|call| call.name() == "sink");
        let mentions = outline.mentions.iter().filter(in_sink);
        mentions.filter(|one| flow.holds_secret(one)).map(|one| one.path.clone()).collect()
    }

    #[test]
    fn secrets_are_followed_within_a_function_and_through_a_call() {
        let text = "def read(c):\n  r = c.get_secret_bundle(i)\n  return b64decode(r.data.secret_bundle_content.content)\n\ndef f(c):\n  v = read(c).decode()\n  n = len(v)\n  sink(v, n, c)\n";
        assert_eq!(sunk(Kind::Python, text), ["v"]);
        let text =
            "r, err := c.GetSecretBundle(ctx, q)\nsink(r.SecretBundle, err, r.VersionNumber)\n";
        assert_eq!(sunk(Kind::Go, text), ["r.SecretBundle"]);
        let text = "const r = await c.getSecretBundle(q); const x = r.secretBundle; sink(`${x}`, r.opcRequestId)";
        assert_eq!(sunk(Kind::TypeScript, text), ["x"]);
        let text = "class A { void f() { R r = c.getSecretBundle(q); String s = new String(decode(r.getSecretBundle())); sink(s); } }";
        assert_eq!(sunk(Kind::Java, text), ["s"]);
    }
}
