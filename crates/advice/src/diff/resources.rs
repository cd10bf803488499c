//! Resources that matching rules take in, and others.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_model::{Ocid, PrincipalKind, ResourcePrincipal};
use strongroom_policy::{Rule, RuleVariable};

use super::callers::{Caller, Free, of_both};
use super::kinds::Kinds;
use super::shapes::{Shape, Ways};
use super::sides::Sides;

/// How many shapes of resources are looked at.
const SHAPES_MAX: usize = 1500;

/// Types to take one from that occurs nowhere.
const TYPES: [&str; 5] = ["fnfunc", "apigateway", "cluster", "loadbalancer", "datascience"];

/// Returns resources in no dynamic group, in each that occurs, with each identifier that conditions ask
/// for, and in each two dynamic groups where that can matter; and how many were left out. Which dynamic
/// groups they are in is for the rules to say.
pub(super) fn resources(sides: &Sides, kinds: &Kinds) -> (Vec<Caller>, usize) {
    let maker = Maker { sides, kinds, types: types(sides, kinds), places: places(sides) };
    let (shapes, left_out) = maker.shapes();
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for resource in shapes.iter().flat_map(|shape| maker.filled(shape)) {
        if seen.insert(format!("{resource:?}")) {
            all.push(maker.caller(&resource));
        }
    }
    (all, left_out)
}

struct Maker<'a> {
    sides: &'a Sides,
    kinds: &'a Kinds,
    types: Vec<String>,
    places: Vec<Ocid>,
}

/// An instance, what is of a type that occurs nowhere, and the types that occur.
fn types(sides: &Sides, kinds: &Kinds) -> Vec<String> {
    let mut named: BTreeSet<String> = kinds.types.clone();
    for side in &sides.both {
        for rule in &side.world.rules {
            gather(rule, &mut named);
        }
    }
    let usual = TYPES.into_iter().find(|name| !named.contains(*name)).unwrap_or("another");
    let mut types = vec!["instance".to_owned(), usual.to_owned()];
    let others =
        kinds.types.iter().filter(|name| !["instance", "user", "service"].contains(&name.as_str()));
    types.extend(others.cloned());
    types
}

fn gather(rule: &Rule, named: &mut BTreeSet<String>) {
    match rule {
        Rule::All(rules) | Rule::Any(rules) => {
            for rule in rules {
                gather(&rule.value, named);
            }
        }
        Rule::Compare { variable: RuleVariable::ResourceType, value, .. } => {
            named.insert(value.to_lowercase());
        }
        Rule::Compare { .. } | Rule::HasTag(_) => {}
    }
}

/// A compartment that nothing is said of, and those that conditions on principals tell apart.
fn places(sides: &Sides) -> Vec<Ocid> {
    let file = sides.both.iter().map(|side| &side.world.file);
    let mut tenancies = file.clone().map(|file| &file.tenancy_id);
    let new = sides.assumed.compartments.first().map(|one| &one.id);
    let mut places: Vec<Ocid> = new.or_else(|| tenancies.next()).cloned().into_iter().collect();
    if sides.uses.mention("request.principal.compartment.") {
        let texts = sides.uses.texts("request.principal.compartment.id");
        places.extend(texts.filter_map(|text| text.parse().ok()));
        let all = file.flat_map(|file| file.compartments.values());
        places.extend(all.filter(|one| !one.tags.is_empty()).map(|one| one.id.clone()));
    }
    places.sort();
    places.dedup();
    places
}

/// Shapes to look at, as many as there is room for.
struct Shapes {
    all: Vec<Shape>,
    left_out: usize,
}

impl Shapes {
    fn take(&mut self, shape: Shape) {
        if self.all.len() < SHAPES_MAX {
            self.all.push(shape);
        } else {
            self.left_out += 1;
        }
    }

    fn take_both(&mut self, one: &Shape, other: &Shape) {
        if self.all.len() < SHAPES_MAX {
            self.all.extend(one.with(other));
        } else {
            self.left_out += 1;
        }
    }
}

impl Maker<'_> {
    /// The shapes to look at, and how many were left out. Two dynamic groups are looked at together
    /// where one of them is denied or asked for, as with [`super::users`].
    fn shapes(&self) -> (Vec<Shape>, usize) {
        let (alone, mut left_out) = self.alone();
        let ids = self.ids();
        let mut shapes = Shapes { all: vec![Shape::default()], left_out: 0 };
        ids.iter().cloned().for_each(|shape| shapes.take(shape));
        alone.keys().cloned().for_each(|shape| shapes.take(shape));
        let with_id = alone.keys().flat_map(|one| ids.iter().filter_map(|id| one.with(id)));
        with_id.for_each(|shape| shapes.take(shape));
        if self.kinds.groups_add {
            for (number, (one, matters)) in alone.iter().enumerate() {
                let others = alone.iter().skip(number + 1).filter(|(_, own)| *matters || **own);
                others.for_each(|(other, _)| shapes.take_both(one, other));
            }
        }
        left_out = left_out.saturating_add(shapes.left_out);
        (shapes.all, left_out)
    }

    /// What matches the rule of each dynamic group that occurs, and whether that one can matter beside
    /// another; and how many ways to match them were left out.
    fn alone(&self) -> (BTreeMap<Shape, bool>, usize) {
        let relevant = self.kinds.groups();
        let mut alone = BTreeMap::new();
        let mut left_out = 0_usize;
        for side in &self.sides.both {
            let groups = side.world.file.dynamic_groups.iter().zip(&side.world.rules);
            for (group, rule) in groups.filter(|(group, _)| relevant.contains(&group.id)) {
                let matters = self.kinds.matters_beside(&group.id);
                let ways = Ways::of(rule);
                left_out = left_out.saturating_add(ways.left_out);
                for shape in ways.shapes {
                    *alone.entry(shape).or_insert(false) |= matters;
                }
            }
        }
        (alone, left_out)
    }

    fn ids(&self) -> Vec<Shape> {
        let texts = self.sides.uses.texts("request.principal.id");
        let ids =
            texts.filter(|text| text.starts_with("ocid1.") && !text.starts_with("ocid1.user."));
        ids.map(|id| Shape { id: Some(id.to_owned()), ..Shape::default() }).collect()
    }

    fn filled<'b>(&'b self, shape: &'b Shape) -> impl Iterator<Item = ResourcePrincipal> + 'b {
        let types: &[String] = if shape.resource_type.is_some() {
            self.types.get(..1).unwrap_or_default()
        } else {
            &self.types
        };
        let places: &[Ocid] = if shape.compartment.is_some() {
            self.places.get(..1).unwrap_or_default()
        } else {
            &self.places
        };
        let pairs =
            types.iter().flat_map(move |kind| places.iter().map(move |place| (kind, place)));
        let made = pairs.filter_map(|(kind, place)| shape.made(kind, place));
        made.filter(|resource| self.is_within(&resource.compartment_id))
    }

    fn is_within(&self, compartment: &Ocid) -> bool {
        self.sides.both.iter().any(|side| side.world.key_of(compartment).is_some())
    }

    fn caller(&self, resource: &ResourcePrincipal) -> Caller {
        let kind = PrincipalKind::Resource(resource.clone());
        let principals = of_both(self.sides, &kind, |number| {
            let side = self.sides.both.get(number);
            side.map(|side| side.world.dynamic_groups_of(resource)).unwrap_or_default()
        });
        let mut ids: Vec<&Ocid> =
            principals.iter().flatten().flat_map(|one| &one.group_ids).collect();
        ids.sort();
        ids.dedup();
        let relevant = self.kinds.groups();
        let own = ids.into_iter().filter(|id| relevant.contains(id));
        let names: Vec<String> = own.map(|id| self.sides.group_name(id)).collect();
        let mut label = match names.as_slice() {
            [] => "any resource".to_owned(),
            [one] => format!("dynamic group {one}"),
            several => format!("dynamic groups {}", several.join(" and ")),
        };
        if self.kinds.types.contains(&resource.resource_type.to_lowercase()) {
            label = format!("{label} ({})", resource.resource_type);
        }
        Caller { label, principals, free: Free::Resource }
    }
}
