//! A statement that was read, and where it stands.

use std::ops::Range;

use strongroom_model::{Group, Permission, PermissionSet};
use strongroom_policy::ast::{
    Action, Allow, Condition, GroupName, Location, QualifiedName, ResourceName, Spanned, Statement,
    Subject,
};
use strongroom_policy::{denied_by, permissions_of};

use super::piece::Piece;
use crate::lint::catalogue::Rule;
use crate::lint::finding::Finding;
use crate::lint::source::SourceFile;

/// A statement in a file.
#[derive(Debug)]
pub(super) struct Stated<'a> {
    /// Number of the file among those that are looked at.
    pub(super) file: usize,
    pub(super) source: &'a SourceFile,
    pub(super) piece: &'a Piece,
    pub(super) statement: Statement,
}

impl Stated<'_> {
    pub(super) const fn allow(&self) -> Option<&Allow> {
        match &self.statement {
            Statement::Allow(allow) => Some(allow),
            _ => None,
        }
    }

    /// The statement, if it grants something in this tenancy.
    pub(super) fn grant(&self) -> Option<&Allow> {
        self.allow().filter(|allow| !allow.denies)
    }

    pub(super) const fn condition(&self) -> Option<&Spanned<Condition>> {
        match &self.statement {
            Statement::Allow(allow) => allow.condition.as_ref(),
            Statement::Admit(admit) => admit.condition.as_ref(),
            Statement::Endorse(endorse) => endorse.condition.as_ref(),
            Statement::Define(_) => None,
        }
    }

    pub(super) const fn action(&self) -> Option<&Spanned<Action>> {
        match &self.statement {
            Statement::Allow(allow) => Some(&allow.action),
            Statement::Admit(admit) => Some(&admit.action),
            Statement::Endorse(endorse) => Some(&endorse.action),
            Statement::Define(_) => None,
        }
    }

    /// Makes a finding about a part of the statement.
    pub(super) fn finding(
        &self,
        rule: &'static Rule,
        span: &Range<usize>,
        message: &str,
        why: &str,
    ) -> Finding {
        found(self.piece, rule, span, message, why)
    }

    /// The same, with the statement that is right and its change.
    pub(super) fn repaired(&self, finding: Finding, new: &str) -> Finding {
        let edit = self.piece.rewritten(new);
        let text = self.piece.shown(new);
        match edit {
            Some(edit) => finding.repair(text, vec![edit]),
            None => finding.advise(text),
        }
    }

    pub(super) fn advised(&self, finding: Finding, text: &str) -> Finding {
        finding.advise(self.piece.shown(text))
    }

    /// The text of a part.
    pub(super) fn text(&self, span: &Range<usize>) -> &str {
        self.piece.text.get(span.clone()).unwrap_or("")
    }

    /// The statement with other text in place of a part.
    pub(super) fn with(&self, span: &Range<usize>, text: &str) -> String {
        let mut new = self.piece.text.clone();
        if new.is_char_boundary(span.start) && new.is_char_boundary(span.end) {
            new.replace_range(span.clone(), text);
        }
        new
    }
}

/// Makes a finding about a part of a piece; interpolations are shown as they are written.
pub(super) fn found(
    piece: &Piece,
    rule: &'static Rule,
    span: &Range<usize>,
    message: &str,
    why: &str,
) -> Finding {
    Finding::new(rule, piece.in_file(span), piece.shown(message), piece.shown(why))
}

/// Returns what an action grants, or denies, on this server's resources.
pub(super) fn permissions(action: &Action, denies: bool) -> PermissionSet {
    match action {
        Action::Verb(verb, ResourceName::Known(known)) if denies => denied_by(*known, *verb),
        Action::Verb(verb, ResourceName::Known(known)) => permissions_of(*known, *verb),
        Action::Verb(_, ResourceName::Other(_)) | Action::Associate(_) => PermissionSet::EMPTY,
        Action::Permissions(names, _) => {
            names.iter().filter_map(|name| Permission::named(&name.value)).collect()
        }
    }
}

pub(super) fn grants(allow: &Allow, permission: Permission) -> bool {
    !allow.denies && permissions(&allow.action.value, false).contains(permission)
}

/// Tells whether a subject is the tenancy's administrators, and nobody else.
pub(super) fn are_administrators(subject: &Subject) -> bool {
    let is = |group: &Spanned<GroupName>| match &group.value {
        GroupName::Named(QualifiedName { domain, name }) => {
            let is_default = domain.as_ref().is_none_or(|one| one.eq_ignore_ascii_case("Default"));
            is_default && name.eq_ignore_ascii_case(Group::ADMINISTRATORS)
        }
        GroupName::Id(_) => false,
    };
    matches!(subject, Subject::Groups(groups) if groups.iter().all(is))
}

/// The names of who a statement is for, each by itself, in lower case.
pub(super) fn who(subject: &Subject) -> Vec<String> {
    let each = |kind: &str, names: Vec<String>| {
        names.into_iter().map(|name| format!("{kind} {name}").to_lowercase()).collect()
    };
    let groups = |groups: &[Spanned<GroupName>]| {
        let plain = |group: &Spanned<GroupName>| {
            group.value.to_string().replace("Default/", "").replace("'Default'/", "")
        };
        groups.iter().map(plain).collect::<Vec<_>>()
    };
    let texts = |names: &[Spanned<String>]| names.iter().map(|name| name.value.clone()).collect();
    match subject {
        Subject::AnyUser => vec!["any-user".to_owned()],
        Subject::AnyGroup => vec!["any-group".to_owned()],
        Subject::Groups(names) => each("group", groups(names)),
        Subject::DynamicGroups(names) => each("dynamic-group", groups(names)),
        Subject::Services(names) => each("service", texts(names)),
        Subject::Resources(names) => each("resource", texts(names)),
    }
}

/// Tells whether one of the statements' subjects takes in `name`, as [`who`] writes it.
pub(super) fn includes(subject: &Subject, name: &str) -> bool {
    match subject {
        Subject::AnyUser => true,
        Subject::AnyGroup => !name.starts_with("service ") && name != "any-user",
        _ => who(subject).iter().any(|own| own == name),
    }
}

pub(super) fn is_tenancy(allow: &Allow) -> bool {
    allow.location.value == Location::Tenancy
}
