use std::cell::OnceCell;
use std::ops::Range;

use super::super::source::SourceFile;
use super::invocation::{Invocation, invocations};
use super::kind::{Kind, is_test};
use super::outline::{Outline, outline};
use super::prose::{Fence, fences};
use super::scan::Subjects;
use super::scripts::{Script, scripts};
use super::terraform::{Block, blocks};

/// A file with what the rules ask of it, each made when it is first asked for.
pub(super) struct Text<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) kind: Kind,
    pub(super) subjects: Subjects,
    /// Whether it is there for tests.
    pub(super) is_test: bool,
    scripts: OnceCell<Vec<Script>>,
    invocations: OnceCell<Vec<Invocation>>,
    outline: OnceCell<Option<Outline>>,
    blocks: OnceCell<Vec<Block>>,
    fences: OnceCell<Vec<Fence>>,
}

impl<'a> Text<'a> {
    pub(super) fn new(file: &'a SourceFile, subjects: Subjects) -> Self {
        Self {
            file,
            kind: Kind::of(&file.path, &file.text),
            subjects,
            is_test: is_test(&file.path),
            scripts: OnceCell::new(),
            invocations: OnceCell::new(),
            outline: OnceCell::new(),
            blocks: OnceCell::new(),
            fences: OnceCell::new(),
        }
    }

    /// Returns a part of the text.
    pub(super) fn at(&self, span: Range<usize>) -> &'a str {
        self.file.text.get(span).unwrap_or("")
    }

    /// Returns the line where a byte is, and where in the file it begins.
    pub(super) fn line_of(&self, offset: usize) -> (&'a str, usize) {
        let number = self.file.position(offset).line;
        (self.file.line(number), self.file.line_range(number).start)
    }

    /// Returns the shell that stands in the file.
    pub(super) fn scripts(&self) -> &[Script] {
        self.scripts.get_or_init(|| if self.is_large() { Vec::new() } else { scripts(self) })
    }

    /// Returns the calls of OCI's command line, wherever they stand.
    pub(super) fn invocations(&self) -> &[Invocation] {
        self.invocations.get_or_init(|| invocations(self))
    }

    /// Returns functions, calls and assignments, of a language that is read.
    pub(super) fn outline(&self) -> Option<&Outline> {
        let read = || if self.is_generated() { None } else { outline(self.kind, &self.file.text) };
        self.outline.get_or_init(read).as_ref()
    }

    fn is_large(&self) -> bool {
        const LARGEST: usize = 512 * 1024;
        self.file.text.len() > LARGEST
    }

    /// Whether a program wrote the file: it, or its lines, are longer than people write. A tree takes
    /// some thirty times the memory of its file.
    fn is_generated(&self) -> bool {
        const LONGEST_MEAN: usize = 250;
        self.is_large() || self.file.text.len() / self.file.line_count().max(1) > LONGEST_MEAN
    }

    /// Returns the outline if it is asked for: a tree takes longer than all else.
    pub(super) fn outline_if(&self, is_asked_for: bool) -> Option<&Outline> {
        if is_asked_for { self.outline() } else { None }
    }

    /// Returns Terraform's blocks.
    pub(super) fn blocks(&self) -> &[Block] {
        self.blocks.get_or_init(|| blocks(self.kind, &self.file.text))
    }

    /// Returns the fenced parts of prose.
    pub(super) fn fences(&self) -> &[Fence] {
        self.fences.get_or_init(|| fences(self.kind, self.file))
    }

    /// Whether the file is what builds and deploys elsewhere: its output is kept and read by many.
    pub(super) fn is_pipeline(&self) -> bool {
        let path = self.file.path.as_str();
        let name = path.rsplit('/').next().unwrap_or(path);
        path.contains(".github/workflows/")
            || path.contains(".circleci/")
            || path.contains(".buildkite/")
            || matches!(name, ".gitlab-ci.yml" | "azure-pipelines.yml" | "Jenkinsfile")
            || matches!(name, "bitbucket-pipelines.yml" | "build_spec.yaml" | "build_spec.yml")
            || self.kind == Kind::Yaml && self.looks_like_workflow()
    }

    fn looks_like_workflow(&self) -> bool {
        let lines = || self.file.text.lines();
        lines().any(|line| line.trim_end() == "jobs:")
            && lines().any(|line| line.contains("runs-on:"))
    }

    /// Whether a byte stands in a comment.
    pub(super) fn is_comment(&self, offset: usize) -> bool {
        let (line, start) = self.line_of(offset);
        let before = line.get(..offset - start).unwrap_or("");
        self.kind.comment().iter().any(|sign| begins_comment(before, sign))
    }
}

/// Whether a sign that is not in quotes begins a comment, with a blank before or first in the line.
fn begins_comment(before: &str, sign: &str) -> bool {
    before.match_indices(sign).any(|(at, _)| {
        let head = before.get(..at).unwrap_or("");
        let is_free = head.is_empty() || head.ends_with([' ', '\t', ';']);
        let is_first_only = sign == "* ";
        let is_quoted = |quote: char| head.matches(quote).count() % 2 == 1;
        is_free
            && !is_quoted('"')
            && !is_quoted('\'')
            && !is_quoted('`')
            && (!is_first_only || head.trim().is_empty())
    })
}
