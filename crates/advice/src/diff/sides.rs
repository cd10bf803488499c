//! The two sets of policies that are compared, each in its tenancy.

use strongroom_model::Ocid;
use strongroom_policy::ast::{Allow, Condition, Statement};
use strongroom_policy::{PolicySet, Semantics, parse};

use super::DiffError;
use super::assumed::Assumed;
use super::atoms::Uses;
use super::invented::invented;
use crate::check::check_lines;
use crate::tenancy_file::{PolicyEntry, TenancyFile, WorldFile};
use crate::world::World;

/// A file that is compared.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// What it is called in messages.
    pub name: &'a str,
    /// What it holds: a tenancy and its policies, or one statement a line.
    pub text: &'a str,
}

/// One of the two.
pub(super) struct Side {
    pub(super) world: World,
    pub(super) set: PolicySet,
    /// The statements of the set, as they were written, in its order.
    pub(super) statements: Vec<Stated>,
}

pub(super) struct Stated {
    pub(super) allow: Allow,
    /// What it does when it reaches a request: the same for statements that do the same.
    pub(super) effect: String,
}

/// Both, and what was assumed to tell them apart.
pub(super) struct Sides {
    pub(super) both: [Side; 2],
    pub(super) assumed: Assumed,
    /// Whether both are of one tenancy in one state.
    pub(super) have_one_world: bool,
    pub(super) uses: Uses,
    pub(super) notes: Vec<String>,
    /// Whether no file says that policies are not in it.
    pub(super) are_whole: bool,
}

enum Input {
    Tenancy(Box<TenancyFile>),
    Statements(Vec<(String, Statement)>),
}

impl Input {
    fn read(given: &Given<'_>) -> Result<Self, DiffError> {
        if given.text.trim_start().starts_with('{') {
            let file = TenancyFile::read(given.text);
            let file = file.map_err(|error| DiffError::new(given, error.to_string()))?;
            return Ok(Self::Tenancy(Box::new(file)));
        }
        if let Some(refused) = check_lines(given.text).refused.first() {
            let message =
                format!("{}:{}: {}", refused.line, refused.column, refused.error.advice());
            return Err(DiffError::new(given, message));
        }
        let lines = given.text.lines().map(str::trim).filter(|line| !line.is_empty());
        let read = |line: &str| Some((line.to_owned(), parse(line).ok()?));
        Ok(Self::Statements(lines.filter_map(read).collect()))
    }

    fn world(&self) -> Option<&WorldFile> {
        match self {
            Self::Tenancy(file) => Some(&file.world),
            Self::Statements(_) => None,
        }
    }

    /// Says that policies are not in a file.
    fn left_out(&self, given: &Given<'_>) -> Option<String> {
        let Self::Tenancy(file) = self else { return None };
        let left_out = file.left_out()?;
        Some(format!("{} is not whole: it has no {left_out}", given.name))
    }

    fn allows(&self) -> impl Iterator<Item = &Allow> {
        let statements: &[(String, Statement)] = match self {
            Self::Tenancy(_) => &[],
            Self::Statements(statements) => statements,
        };
        statements.iter().filter_map(|(_, statement)| match statement {
            Statement::Allow(allow) => Some(allow),
            _ => None,
        })
    }

    fn policies(&self, name: &str, world: &WorldFile) -> Vec<PolicyEntry> {
        match self {
            Self::Tenancy(file) => file.policies.clone(),
            Self::Statements(statements) => {
                let root = world.compartments.iter().find(|(_, one)| one.id == world.tenancy_id);
                vec![PolicyEntry {
                    name: Some(name.to_owned()),
                    attach: root.map(|(key, _)| key.clone()).unwrap_or_default(),
                    statements: statements.iter().map(|(text, _)| text.clone()).collect(),
                }]
            }
        }
    }
}

impl Sides {
    pub(super) fn read(
        old: &Given<'_>,
        new: &Given<'_>,
        semantics: Semantics,
    ) -> Result<Self, DiffError> {
        let (of_old, of_new) = (Input::read(old)?, Input::read(new)?);
        let shared = of_old.world().or(of_new.world()).cloned();
        let shared = shared.or_else(|| invented(of_old.allows().chain(of_new.allows())));
        let shared = shared.ok_or_else(|| DiffError::new(old, "it names nothing"))?;
        let worlds = [&of_old, &of_new].map(|input| input.world().unwrap_or(&shared).clone());
        let [first, second] = &worlds;
        if first.tenancy_id != second.tenancy_id {
            let (first, second) = (&first.tenancy_id, &second.tenancy_id);
            let message = format!("it is of tenancy {second}, `{}` of {first}", old.name);
            return Err(DiffError::new(new, message));
        }
        let have_one_world = first == second;
        let reader = Reader { inputs: [(old, &of_old), (new, &of_new)], semantics };
        let (plain, _) = reader.sides(&worlds)?;
        let assumed = Assumed::of(&plain, semantics);
        let worlds = worlds.map(|world| assumed.added_to(world));
        let (both, mut notes) = reader.sides(&worlds)?;
        let left_out = [(old, &of_old), (new, &of_new)].map(|(given, input)| input.left_out(given));
        let are_whole = left_out.iter().all(Option::is_none);
        notes.extend(left_out.into_iter().flatten());
        let uses = Uses::of(both.iter().flat_map(Side::conditions), semantics).shared();
        Ok(Self { both, assumed, have_one_world, uses, notes, are_whole })
    }
}

impl Sides {
    pub(super) fn group_name(&self, id: &Ocid) -> String {
        let names = self.both.iter().map(|side| side.world.group_name(id));
        let known = |name: &String| name != id.as_str();
        names.into_iter().find(known).unwrap_or_else(|| id.to_string())
    }

    /// A compartment as statements of the tenancy name it.
    pub(super) fn place_name(&self, id: &Ocid) -> String {
        let there = |side: &&Side| side.world.key_of(id).is_some();
        let side = self.both.iter().find(there);
        side.map_or_else(|| id.to_string(), |side| side.world.place_name(id))
    }
}

struct Reader<'a> {
    inputs: [(&'a Given<'a>, &'a Input); 2],
    semantics: Semantics,
}

impl Reader<'_> {
    fn sides(&self, worlds: &[WorldFile; 2]) -> Result<([Side; 2], Vec<String>), DiffError> {
        let mut notes = Vec::new();
        let [old, new] = &self.inputs;
        let [of_old, of_new] = worlds;
        let both = [self.side(*old, of_old, &mut notes)?, self.side(*new, of_new, &mut notes)?];
        Ok((both, notes))
    }

    fn side(
        &self,
        (given, input): (&Given<'_>, &Input),
        world: &WorldFile,
        notes: &mut Vec<String>,
    ) -> Result<Side, DiffError> {
        let wrong = |message: String| DiffError::new(given, message);
        let policies = input.policies(given.name, world);
        let world = World::new(world.clone()).map_err(|error| wrong(error.to_string()))?;
        let sources = world.sources(&policies).map_err(|error| wrong(error.to_string()))?;
        let (held, refused) = world.held(sources, self.semantics);
        if let (Input::Statements(_), Some(error)) = (input, refused.first()) {
            return Err(wrong(format!("statement {}: {}", error.number, error.cause)));
        }
        let told = refused.iter().map(|error| format!("not in force in {}: {error}", given.name));
        notes.extend(told);
        let set = PolicySet::compile(&held, &world, self.semantics);
        let set = set.map_err(|error| wrong(error.to_string()))?;
        let statements = set.all_parts().filter_map(|parts| {
            let Ok(Statement::Allow(allow)) = parse(&parts.reference.text) else { return None };
            let condition = allow.condition.as_ref().map(|one| one.value.to_string());
            let effect = format!("{} {:?} {condition:?}", parts.denies, parts.permissions);
            Some(Stated { allow, effect })
        });
        Ok(Side { statements: statements.collect(), world, set })
    }
}

impl Side {
    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.statements.iter().filter_map(|one| Some(&one.allow.condition.as_ref()?.value))
    }

    pub(super) fn condition(&self, index: usize) -> Option<&Condition> {
        Some(&self.statements.get(index)?.allow.condition.as_ref()?.value)
    }

    pub(super) fn denies(&self) -> bool {
        self.statements.iter().any(|one| one.allow.denies)
    }
}
