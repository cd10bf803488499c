//! A policy as a whole: statements that change nothing in it.

use std::collections::BTreeMap;

use strongroom_policy::Semantics;
use strongroom_policy::ast::{Allow, Statement};
use strongroom_policy::parse;

use super::shadow::{Entry, Idle, denied, shadowed};
use super::stated::Stated;
use crate::lint::catalogue::{DENIED_ALLOW, REDUNDANT_STATEMENT};
use crate::lint::finding::{Edit, Finding};
use crate::tenancy_file::{TenancyFile, WorldFile};

/// Statements that hold together: those of a policy, or all of a tenancy that a file describes.
type Sets<'a, 'b> = BTreeMap<(usize, usize), Vec<(&'b Stated<'a>, Entry)>>;

pub(super) fn check(
    all: &[Stated<'_>],
    own: &[Option<TenancyFile>],
    semantics: Semantics,
) -> Vec<(usize, Finding)> {
    let worlds: Vec<Option<WorldFile>> =
        own.iter().map(|file| file.as_ref().map(|file| without_principals(&file.world))).collect();
    let mut sets: Sets<'_, '_> = BTreeMap::new();
    let mut stand_ins: BTreeMap<(usize, String), String> = BTreeMap::new();
    let looked_at = all.iter().filter(|one| one.file < own.len());
    for stated in looked_at.filter(|one| one.piece.home.is_whole) {
        let Some(allow) = shared(stated, &mut stand_ins) else { continue };
        let of_tenancy = worlds.get(stated.file).is_some_and(Option::is_some);
        let policy = if of_tenancy { 0 } else { stated.piece.home.policy };
        let attach = stated.piece.home.attachment.clone().unwrap_or_default();
        sets.entry((stated.file, policy)).or_default().push((stated, Entry { allow, attach }));
    }
    let mut found = Vec::new();
    for ((file, _), set) in &sets {
        let world = worlds.get(*file).and_then(Option::as_ref);
        let entries: Vec<Entry> = set.iter().map(|(_, entry)| entry.clone()).collect();
        let one = |number: &usize| set.get(*number).map(|(stated, _)| *stated);
        let by = |idle: &Idle| idle.by.iter().filter_map(one).collect::<Vec<_>>();
        for idle in shadowed(&entries, world, semantics) {
            let stated = one(&idle.number);
            found.extend(stated.map(|one| (*file, redundant(one, &by(&idle), idle.is_twice))));
        }
        for idle in denied(&entries, world, semantics) {
            found.extend(one(&idle.number).map(|one| (*file, dead_allow(one, &by(&idle)))));
        }
    }
    found
}

/// Principals are not needed: one of each kind is tried.
fn without_principals(world: &WorldFile) -> WorldFile {
    let mut world = world.clone();
    world.principals.clear();
    world.groups.iter_mut().for_each(|group| group.members.clear());
    world
}

/// The statement, in which one interpolation is one word throughout the file.
fn shared(stated: &Stated<'_>, words: &mut BTreeMap<(usize, String), String>) -> Option<Allow> {
    let allow = stated.allow()?;
    if !stated.piece.has_holes() {
        return Some(allow.clone());
    }
    let text = stated.piece.with_words(|written| {
        let number = words.len();
        let key = (stated.file, written.to_owned());
        words.entry(key).or_insert_with(|| format!("shared{number}word")).clone()
    });
    match parse(&text).ok()? {
        Statement::Allow(allow) => Some(allow),
        _ => None,
    }
}

fn redundant(stated: &Stated<'_>, by: &[&Stated<'_>], is_twice: bool) -> Finding {
    let effect = if stated.allow().is_some_and(|allow| allow.denies) { "denies" } else { "grants" };
    let message = format!("the statement {effect} nothing that others do not");
    let why = match by {
        [one] => format!("{} {effect} all of it", one.piece.place(one.source)),
        _ => format!(
            "{} statements together: without this one every kind of request is decided as with it",
            by.len()
        ),
    };
    let mut finding = stated
        .finding(&REDUNDANT_STATEMENT, &(0..stated.piece.text.len()), &message, &why)
        .labelled("changes nothing");
    for other in by {
        finding = finding.and_at(other.piece.whole(), format!("{effect} it"));
    }
    let is_one_policy = by.iter().all(|one| one.piece.home.policy == stated.piece.home.policy);
    // Of a wider and a narrower one it may be the wider one that should go.
    let removal = stated.piece.home.removal.clone().filter(|_| is_twice && is_one_policy);
    match removal {
        Some(span) => finding.repair("drop it", vec![Edit { span, text: String::new() }]),
        None if is_twice => finding.advise("drop one of the two"),
        None => finding.advise("drop it; or, if less is meant, drop or narrow the wider one"),
    }
}

fn dead_allow(stated: &Stated<'_>, by: &[&Stated<'_>]) -> Finding {
    let why = "what denies wins over what allows, and nothing is left of the statement but for the tenancy's administrators";
    let mut finding = stated
        .finding(
            &DENIED_ALLOW,
            &(0..stated.piece.text.len()),
            "all that the statement allows is denied",
            why,
        )
        .labelled("allows nothing");
    for other in by {
        finding = finding.and_at(other.piece.whole(), "denies it");
    }
    finding.advise("drop it, or narrow the deny")
}
