//! Finds in policies and matching rules what should not be there.

mod clauses;
mod extract;
mod inventory;
mod piece;
mod reach;
mod repair;
mod rules;
mod shadow;
mod stated;
mod tables;
mod truth;
mod whole;

use strongroom_policy::{Rule, Semantics, parse, parse_rule};

pub use self::extract::holds_policies;
use self::inventory::Inventory;
use self::piece::{Kind, Piece};
pub use self::reach::{Seen, SeenSecret};
use self::rules::{
    budget, companions, conditions, denials, escalation, everybody, matching, scope, spelling,
    syntax, tenancies, values,
};
use self::stated::Stated;
use super::finding::Finding;
use super::source::SourceFile;
use crate::tenancy_file::TenancyFile;

/// With what policies are looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicyContext<'a> {
    /// How they are read.
    pub semantics: Semantics,
    /// The tenancy that they are for; a file that describes one is looked at with its own.
    pub tenancy: Option<&'a TenancyFile>,
    /// What was seen of the tenancy that a file describes, beside its policies.
    pub seen: Option<&'a Seen>,
}

/// What a tenancy is called where a finding refers to its statements.
const TENANCY: &str = "the tenancy";

/// What was found in policies.
#[derive(Debug, Default)]
pub struct PolicyFindings {
    /// How many statements and matching rules were looked at.
    pub count: usize,
    /// What was found in each file, in the order of the file.
    pub findings: Vec<Vec<Finding>>,
}

/// Looks at the policies of files, each by itself and beside the others.
#[must_use]
pub fn lint_policies(files: &[&SourceFile], context: PolicyContext<'_>) -> PolicyFindings {
    let beside = context.tenancy.and_then(|tenancy| tenancy.written().ok());
    let beside = beside.map(|text| SourceFile::new(TENANCY, text));
    let looked_at = files.len();
    // What the tenancy holds already counts, and is not looked at itself.
    let files: Vec<&SourceFile> = files.iter().copied().chain(&beside).collect();
    let pieces: Vec<Vec<Piece>> = files.iter().map(|file| extract::pieces(file)).collect();
    let own: Vec<Option<TenancyFile>> =
        files.iter().take(looked_at).map(|file| described(file)).collect();
    let mut found: Vec<(usize, Finding)> = Vec::new();
    let mut all: Vec<Stated<'_>> = Vec::new();
    let mut read_rules: Vec<(usize, &Piece, Rule)> = Vec::new();
    for (file, (source, pieces)) in files.iter().zip(&pieces).enumerate() {
        for piece in pieces {
            let refused = match piece.kind {
                Kind::Statement => parse(&piece.text)
                    .map(|statement| all.push(Stated { file, source, piece, statement })),
                Kind::Rule => {
                    parse_rule(&piece.text).map(|rule| read_rules.push((file, piece, rule)))
                }
            };
            if let Err(error) = refused
                && !syntax::is_open(piece, &error)
            {
                found.push((file, syntax::refused(piece, &error)));
            }
        }
    }
    found.extend(Around { own: &own, context }.found(&all, &read_rules));
    found.sort_by_key(|(_, finding)| finding.span.start);
    let mut findings: Vec<Vec<Finding>> = own.iter().map(|_| Vec::new()).collect();
    for (file, finding) in found {
        if let Some(list) = findings.get_mut(file) {
            list.push(finding);
        }
    }
    PolicyFindings { count: pieces.iter().take(looked_at).map(Vec::len).sum(), findings }
}

/// The tenancy that a file describes, if it does.
fn described(file: &SourceFile) -> Option<TenancyFile> {
    let is_json = file.text.trim_start().starts_with('{') && file.text.contains("\"world\"");
    is_json.then(|| TenancyFile::read(&file.text).ok()).flatten()
}

struct Around<'a> {
    own: &'a [Option<TenancyFile>],
    context: PolicyContext<'a>,
}

impl<'a> Around<'a> {
    fn tenancy(&self, file: usize) -> Option<&'a TenancyFile> {
        self.own.get(file).and_then(Option::as_ref).or(self.context.tenancy)
    }

    fn found(&self, all: &[Stated<'_>], rules: &[(usize, &Piece, Rule)]) -> Vec<(usize, Finding)> {
        let inventories: Vec<Option<Inventory<'_>>> =
            (0..self.own.len()).map(|file| self.tenancy(file).and_then(Inventory::of)).collect();
        let inventory = |file: usize| inventories.get(file).and_then(Option::as_ref);
        let mut found = Vec::new();
        for stated in all.iter().filter(|one| one.file < self.own.len()) {
            let here = self.one(stated, all, inventory(stated.file));
            found.extend(here.into_iter().map(|finding| (stated.file, finding)));
        }
        for (file, piece, rule) in rules {
            let here = matching::check(piece, rule, inventory(*file));
            found.extend(here.into_iter().map(|finding| (*file, finding)));
        }
        found.extend(budget::check(all));
        found.extend(whole::check(all, self.own, self.context.semantics));
        found.extend(self.reach(all));
        found
    }

    /// What the statements of described tenancies reach.
    fn reach(&self, all: &[Stated<'_>]) -> Vec<(usize, Finding)> {
        let mut found = Vec::new();
        for (number, own) in self.own.iter().enumerate() {
            let Some(file) = own else { continue };
            let first = all.partition_point(|stated| stated.file < number);
            let last = all.partition_point(|stated| stated.file <= number);
            let theirs = all.get(first..last).unwrap_or_default();
            let here = reach::check(theirs, file, self.context.seen, self.context.semantics);
            found.extend(here.into_iter().map(|finding| (number, finding)));
        }
        found
    }

    fn one(
        &self,
        stated: &Stated<'_>,
        all: &[Stated<'_>],
        inventory: Option<&Inventory<'_>>,
    ) -> Vec<Finding> {
        let semantics = self.context.semantics;
        let mut found = syntax::without_id(stated);
        found.extend(everybody::check(stated));
        found.extend(scope::check(stated, inventory));
        found.extend(escalation::check(stated, all));
        found.extend(conditions::check(stated, semantics));
        found.extend(values::check(stated));
        found.extend(denials::check(stated));
        found.extend(companions::check(stated, all, semantics));
        found.extend(rules::inventory::check(stated, all, inventory));
        found.extend(tenancies::check(stated, all));
        found.extend(spelling::check(stated));
        found
    }
}

#[cfg(test)]
mod tests;
