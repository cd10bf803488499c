//! Resources that matching rules take in, and others.

use std::collections::BTreeSet;

use strongroom_model::{Ocid, PrincipalKind, ResourcePrincipal};
use strongroom_policy::{Rule, RuleVariable};

use super::callers::{Caller, Free, of_both};
use super::kinds::Kinds;
use super::shapes::Shape;
use super::sides::Sides;

/// How many shapes of resources are looked at.
const SHAPES_MAX: usize = 1500;

/// Types to take one from that occurs nowhere.
const TYPES: [&str; 5] = ["fnfunc", "apigateway", "cluster", "loadbalancer", "datascience"];

/// Returns resources in no dynamic group, in each that occurs, and in each two of them where that can
/// matter. Which dynamic groups they are in is for the rules to say.
pub(super) fn resources(sides: &Sides, kinds: &Kinds) -> Vec<Caller> {
    let maker = Maker { sides, kinds, types: types(sides, kinds), places: places(sides) };
    let shapes = maker.shapes();
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for resource in shapes.iter().flat_map(|shape| maker.filled(shape)) {
        if seen.insert(format!("{resource:?}")) {
            all.push(maker.caller(&resource));
        }
    }
    all
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

impl Maker<'_> {
    fn shapes(&self) -> Vec<Shape> {
        let relevant = self.kinds.groups();
        let mut alone = Vec::new();
        for side in &self.sides.both {
            let groups = side.world.file.dynamic_groups.iter().zip(&side.world.rules);
            let occurring = groups.filter(|(group, _)| relevant.contains(&group.id));
            alone.extend(occurring.flat_map(|(_, rule)| Shape::of(rule)));
        }
        let mut shapes = vec![Shape::default()];
        shapes.extend(alone.iter().cloned());
        if self.kinds.groups_add {
            for (number, one) in alone.iter().enumerate() {
                shapes.extend(alone.iter().skip(number + 1).filter_map(|other| one.with(other)));
            }
        }
        let texts = self.sides.uses.texts("request.principal.id");
        let ids =
            texts.filter(|text| text.starts_with("ocid1.") && !text.starts_with("ocid1.user."));
        for id in ids {
            let with = Shape { id: Some(id.to_owned()), ..Shape::default() };
            shapes.push(with);
        }
        shapes.truncate(SHAPES_MAX);
        shapes
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
