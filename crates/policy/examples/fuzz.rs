//! Bends statements and matching rules for so many seconds: nothing panics, errors point into the
//! text, what is read is printed so that it is read back, and what compiles is decided.
//!
//! usage: `fuzz_policy SECONDS [SEED]`

#![expect(clippy::print_stdout, reason = "a program that tells what it did")]
#![expect(clippy::disallowed_types, reason = "it runs for a time")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use strongroom_model::{Ocid, Permission, Principal, PrincipalKind, ResourcePrincipal};
use strongroom_policy::ast::{Allow, Statement};
use strongroom_policy::{
    Asked, CompartmentFacts, Directory, Fact, FactName, ParseError, PolicySet, Question, Request,
    Semantics, Source, decide, explain, parse, parse_rule, suggest,
};
use strongroom_testkit::Dice;

const STATEMENTS: [&str; 3] = [
    include_str!("../tests/corpus/valid-public.txt"),
    include_str!("../tests/corpus/invalid-reasons-public.tsv"),
    include_str!("../tests/corpus/invalid-derived-reasons-public.tsv"),
];
const RULES: [&str; 2] = [
    include_str!("../tests/corpus/matching-rules-public.txt"),
    include_str!("../tests/corpus/matching-rules-invalid-public.txt"),
];

/// What is put between the characters of others.
const PIECES: [&str; 40] = [
    "'",
    "\"",
    "/",
    "\\",
    "{",
    "}",
    "(",
    ")",
    ",",
    ":",
    "=",
    "!",
    "!=",
    ".",
    "*",
    " ",
    "\t",
    "\n",
    "\r",
    "\0",
    "\u{200d}",
    "\u{a0}",
    "ä",
    "秘",
    "🔑",
    "\u{301}",
    " where ",
    " all {",
    " any {",
    " not ",
    " in ",
    " to ",
    " of ",
    "id ",
    "ocid1.",
    "request.",
    "target.",
    " between ",
    " and ",
    "2026-02-30T25:61Z",
];

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Texts out of other texts.
struct Writer(Dice);

impl Writer {
    /// Bends a text in up to four places: cuts, doubles, moves, replaces or mixes with another.
    fn bend(&mut self, text: &str, other: &str) -> String {
        let mut bent: Vec<char> = text.chars().collect();
        for _ in 0..self.0.roll(5) {
            let (at, length) = (self.0.roll(bent.len() + 1), self.0.roll(12));
            let end = (at + length).min(bent.len());
            match self.0.roll(7) {
                0 => drop(bent.drain(at..end)),
                1 => bent.truncate(at),
                2 => {
                    let part: Vec<char> = bent.iter().copied().skip(at).take(length).collect();
                    let to = self.0.roll(bent.len() + 1);
                    bent.splice(to..to, part);
                }
                3 => {
                    let from = self.0.roll(other.len() + 1);
                    bent.splice(at..end, other.chars().skip(from).take(length * 4));
                }
                4 => {
                    bent.truncate(at);
                    bent.extend(other.chars().skip(at));
                }
                _ => drop(bent.splice(at..end.min(at + length % 2), self.0.pick(&PIECES).chars())),
            }
        }
        bent.into_iter().collect()
    }

    /// A run of words of others.
    fn words(&mut self, seeds: &[&str]) -> String {
        let count = 3 + self.0.roll(20);
        let word = |writer: &mut Self| {
            let words: Vec<&str> = writer.0.pick(seeds).split(' ').collect();
            writer.0.pick(&words).to_owned()
        };
        (0..count).map(|_| word(self)).collect::<Vec<_>>().join(" ")
    }

    fn text(&mut self, seeds: &[&str]) -> String {
        let other = self.0.pick(seeds);
        match self.0.roll(8) {
            0 => self.words(seeds),
            1 => {
                let words = self.words(seeds);
                self.bend(&words, other)
            }
            _ => {
                let text = self.0.pick(seeds);
                self.bend(text, other)
            }
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    read: u64,
    refused: u64,
    compiled: u64,
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let secs: u64 = arguments.next().ok_or("usage: fuzz_policy SECONDS [SEED]")?.parse()?;
    let dice = Dice::new(arguments.next().map(|seed| seed.parse()).transpose()?);
    println!("seed {}", dice.seed());
    let mut writer = Writer(dice);
    let first = |line: &'static str| line.split('\t').next().unwrap_or_default();
    let statements: Vec<&str> =
        STATEMENTS.iter().flat_map(|file| file.lines()).map(first).collect();
    let rules: Vec<&str> = RULES.iter().flat_map(|file| file.lines()).collect();
    let world = World::new()?;
    let (mut of_statements, mut of_rules) = (Counts::default(), Counts::default());
    let until = Instant::now() + Duration::from_secs(secs);
    while Instant::now() < until {
        for _ in 0..1_000 {
            let text = writer.text(&statements);
            statement(&text, &world, &mut of_statements)
                .map_err(|why| format!("{text:?}: {why}"))?;
            let text = writer.text(&rules);
            rule(&text, &world, &mut of_rules).map_err(|why| format!("{text:?}: {why}"))?;
        }
    }
    println!("statements: {of_statements:?}, rules: {of_rules:?}");
    Ok(())
}

fn statement(text: &str, world: &World, counts: &mut Counts) -> Outcome {
    let read = match parse(text) {
        Ok(read) => read,
        Err(error) => {
            counts.refused += 1;
            return refused(text, &error);
        }
    };
    counts.read += 1;
    let printed = read.to_string();
    // A name may need quotes that make a statement of full length too long.
    if printed.len() > 4_000 {
        return Ok(());
    }
    let again = parse(&printed).map_err(|error| error.render(&printed))?.to_string();
    if again != printed {
        return Err(format!("printed as {printed:?}, then as {again:?}").into());
    }
    if let Statement::Allow(allow) = &read {
        places(text, allow)?;
        counts.compiled += u64::from(world.decide(text)?);
    }
    Ok(())
}

fn rule(text: &str, world: &World, counts: &mut Counts) -> Outcome {
    let read = match parse_rule(text) {
        Ok(read) => read,
        Err(error) => {
            counts.refused += 1;
            return refused(text, &error);
        }
    };
    counts.read += 1;
    let printed = read.to_string();
    let again = parse_rule(&printed).map_err(|error| error.render(&printed))?;
    if again.to_string() != printed {
        return Err(format!("printed as {printed:?}, then as {again}").into());
    }
    let (first, second) = (read.matches(&world.machine), again.matches(&world.machine));
    counts.compiled += u64::from(first.is_ok());
    if first.is_ok() != second.is_ok() {
        return Err(format!("printed as {printed:?}, which matches otherwise").into());
    }
    match first {
        Err(Some(span)) => inside(text, &span),
        _ => Ok(()),
    }
}

fn refused(text: &str, error: &ParseError) -> Outcome {
    inside(text, &error.span)?;
    let rendered = error.render(text);
    if !rendered.contains('^') || rendered.lines().count() > 4 {
        return Err(format!("shown as {rendered}").into());
    }
    Ok(())
}

fn places(text: &str, allow: &Allow) -> Outcome {
    let condition = allow.condition.iter().map(|condition| &condition.span);
    let spans = [&allow.subject.span, &allow.action.span, &allow.location.span];
    spans.into_iter().chain(condition).try_for_each(|span| inside(text, span))
}

fn inside(text: &str, span: &Range<usize>) -> Outcome {
    match text.get(span.clone()) {
        Some(_) => Ok(()),
        None => Err(format!("{span:?} is not a part of it").into()),
    }
}

/// A tenancy in which every name means something.
struct World {
    tenancy: Ocid,
    compartment: Ocid,
    group: Ocid,
    user: Principal,
    machine: ResourcePrincipal,
}

impl World {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let tenancy: Ocid = "ocid1.tenancy.oc1..t".parse()?;
        let group: Ocid = "ocid1.group.oc1..g".parse()?;
        let compartment: Ocid = "ocid1.compartment.oc1..c".parse()?;
        let name = "ann".to_owned();
        let user = Principal {
            tenancy_id: tenancy.clone(),
            kind: PrincipalKind::User { id: "ocid1.user.oc1..u".parse()?, name },
            group_ids: vec![group.clone()],
        };
        let machine = ResourcePrincipal {
            id: "ocid1.instance.oc1..i".parse()?,
            resource_type: "instance".to_owned(),
            compartment_id: compartment.clone(),
            tags: BTreeMap::from([("Ops.Env".to_owned(), "prod".to_owned())]),
            attributes: BTreeMap::new(),
        };
        Ok(Self { tenancy, compartment, group, user, machine })
    }

    /// Asks for some permissions, with the statement alone: what decides, explains and suggests must
    /// say the same. Tells whether the statement compiled.
    fn decide(&self, text: &str) -> Result<bool, Box<dyn std::error::Error>> {
        let source = Source {
            policy_id: "ocid1.policy.oc1..p".parse()?,
            policy_name: "p".to_owned(),
            attached_to: self.tenancy.clone(),
            statements: vec![text.to_owned()],
            resolved: Vec::new(),
        };
        let set = match PolicySet::compile(&[source], self, Semantics::Strict) {
            Ok(set) => set,
            Err(error) => return inside(text, &error.span).map(|()| false),
        };
        let fact = |name, text: &str| (FactName::Borrowed(name), Fact::One(text.to_owned()));
        let target = [fact("target.secret.name", "db"), fact("target.key.id", "ocid1.key.oc1..k")];
        let path = [self.compartment.clone(), self.tenancy.clone()];
        let needs: Vec<Asked<'_>> = Permission::ALL
            .iter()
            .step_by(9)
            .map(|one| Asked { permission: *one, path: &path, target: &target, tags: &[] })
            .collect();
        let time = Some("2026-02-28T12:00:00Z".parse()?);
        let request = Request { operation: "GetSecret", region: Some("IAD"), time, facts: &[] };
        let question = Question { principal: &self.user, request, needs: &needs };
        let decision = decide(&set, &question);
        let explained = explain(&set, &question);
        let said = explained.iter().map(|reason| (reason.permission, reason.verdict));
        if !decision.reasons().eq(said) {
            return Err("explained otherwise than decided".into());
        }
        for suggested in suggest(&set, &question, &|_group| None) {
            parse(&suggested).map_err(|error| error.render(&suggested))?;
        }
        Ok(true)
    }
}

impl Directory for World {
    fn tenancy(&self) -> &Ocid {
        &self.tenancy
    }

    /// Without administrators, to whom nothing is denied.
    fn group_named(&self, _domain: Option<&str>, name: &str) -> Option<Ocid> {
        (name != "Administrators").then(|| self.group.clone())
    }

    fn dynamic_group_named(&self, _domain: Option<&str>, _name: &str) -> Option<Ocid> {
        Some(self.group.clone())
    }

    fn compartment_at(&self, _from: &Ocid, _path: &[&str]) -> Option<Ocid> {
        Some(self.compartment.clone())
    }

    fn compartment_name(&self, _id: &Ocid) -> Option<String> {
        None
    }

    fn is_within(&self, _id: &Ocid, _ancestor: &Ocid) -> bool {
        true
    }

    fn compartments(&self) -> BTreeMap<Ocid, CompartmentFacts> {
        BTreeMap::new()
    }

    fn group_tags(&self) -> BTreeMap<Ocid, Vec<(String, String)>> {
        BTreeMap::new()
    }

    fn takes_denials(&self) -> bool {
        true
    }
}
