//! Reads programs: the functions, calls and assignments of five languages in one form.

mod names;
mod walk;

use std::ops::Range;

use tree_sitter::{Language, Parser};

use super::kind::Kind;

/// What a program does, as far as rules ask.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// In the order in which they begin; the first is the file itself.
    pub(super) functions: Vec<Function>,
    /// In the order in which they begin.
    pub(super) calls: Vec<Call>,
    pub(super) assigns: Vec<Assign>,
    /// Expressions that functions return.
    pub(super) returns: Vec<Return>,
    /// In the order in which they begin.
    pub(super) mentions: Vec<Mention>,
    pub(super) loops: Vec<Loop>,
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) parameters: Vec<String>,
    pub(super) span: Range<usize>,
    /// What stands before its body: decorators, annotations, parameters with their types.
    pub(super) head: Range<usize>,
}

/// A call. Its index is its number.
#[derive(Debug)]
pub(super) struct Call {
    /// What is called, such as `client.get_secret_bundle`.
    pub(super) callee: String,
    pub(super) span: Range<usize>,
    pub(super) arguments: Vec<Range<usize>>,
    pub(super) function: usize,
    /// The loops around it, of its function.
    pub(super) loops: Vec<usize>,
    /// The call in whose arguments it stands.
    pub(super) parent: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Assign {
    pub(super) names: Vec<String>,
    pub(super) value: Range<usize>,
    pub(super) function: usize,
}

#[derive(Debug)]
pub(super) struct Return {
    pub(super) value: Range<usize>,
    pub(super) function: usize,
}

/// A name, with what it is the name of: `response.data.content`, `f().data`.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) path: String,
    pub(super) span: Range<usize>,
    pub(super) function: usize,
    /// The call in whose arguments it stands.
    pub(super) call: Option<usize>,
    /// The methods that are called of it, and the parts that are taken of what they return.
    pub(super) methods: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Loop {
    pub(super) names: Vec<String>,
}

impl Call {
    /// Returns the last part of what is called.
    pub(super) fn name(&self) -> &str {
        last(&self.callee)
    }
}

impl Mention {
    /// Returns the first part.
    pub(super) fn root(&self) -> &str {
        let end = self.path.find(['.', '(', '[']).unwrap_or(self.path.len());
        self.path.get(..end).unwrap_or("")
    }

    /// Returns the last part.
    pub(super) fn last(&self) -> &str {
        last(&self.path)
    }
}

/// Returns the last part of a path.
pub(super) fn last(path: &str) -> &str {
    path.rsplit(['.', ':']).next().unwrap_or(path).trim_end_matches("()").trim_end_matches("[]")
}

/// Whether a part of a text stands within another.
pub(super) fn is_within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

impl Outline {
    /// Returns the mentions within a part of the text.
    pub(super) fn mentions_in(&self, span: &Range<usize>) -> impl Iterator<Item = &Mention> {
        let from = self.mentions.partition_point(|mention| mention.span.start < span.start);
        let after = self.mentions.iter().skip(from);
        after
            .take_while(|mention| mention.span.start < span.end)
            .filter(|mention| mention.span.end <= span.end)
    }

    /// Returns the calls within a part of the text.
    pub(super) fn calls_in(&self, span: &Range<usize>) -> impl Iterator<Item = (usize, &Call)> {
        let from = self.calls.partition_point(|call| call.span.start < span.start);
        let after = self.calls.iter().enumerate().skip(from);
        let end = span.end;
        after
            .take_while(move |(_, call)| call.span.start < end)
            .filter(move |(_, call)| call.span.end <= end)
    }

    /// Returns the calls around a mention, the nearest first.
    pub(super) fn around(&self, mention: &Mention) -> Vec<&Call> {
        let mut around = Vec::new();
        let mut number = mention.call;
        while let Some(call) = number.and_then(|number| self.calls.get(number)) {
            around.push(call);
            number = call.parent;
        }
        around
    }
}

/// Reads a program, if its language is known.
pub(super) fn outline(kind: Kind, text: &str) -> Option<Outline> {
    let language: Language = match kind {
        Kind::Python => tree_sitter_python::LANGUAGE.into(),
        Kind::JavaScript => tree_sitter_typescript::LANGUAGE_TSX.into(),
        Kind::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
        Kind::Go => tree_sitter_go::LANGUAGE.into(),
        Kind::Java => tree_sitter_java::LANGUAGE.into(),
        Kind::Rust => tree_sitter_rust::LANGUAGE.into(),
        _ => return None,
    };
    let mut parser = Parser::new();
    parser.set_language(&language).ok()?;
    let tree = parser.parse(text, None)?;
    Some(walk::walk(tree.root_node(), text))
}

#[cfg(test)]
mod tests;
