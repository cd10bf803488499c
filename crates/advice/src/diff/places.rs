//! Compartments, one of each kind that statements tell apart.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_model::Ocid;

use super::sides::{Side, Sides};

/// A compartment, on both sides.
pub(super) struct Place {
    pub(super) id: Ocid,
    /// Itself and what is above it, on each side; nothing where it is not there.
    pub(super) paths: [Vec<Ocid>; 2],
}

/// Conditions that tell compartments apart which are in the same ones.
const TELLING: [&str; 2] = ["target.compartment.", "target.resource.compartment."];

/// Returns one compartment of each kind, those nearest to the tenancy first.
pub(super) fn places(sides: &Sides) -> Vec<Place> {
    let ids: BTreeSet<&Ocid> = sides.both.iter().flat_map(ids_of).collect();
    let tells = TELLING.iter().any(|start| sides.uses.mention(start));
    let locations: BTreeSet<&Ocid> = sides
        .both
        .iter()
        .flat_map(|side| side.set.all_parts().filter_map(|parts| parts.location))
        .collect();
    let mut all: Vec<Place> = ids
        .into_iter()
        .map(|id| Place { id: id.clone(), paths: [0, 1].map(|number| path(sides, number, id)) })
        .collect();
    all.sort_by_key(|place| {
        let depth = place.paths.iter().map(Vec::len).max();
        (sides.assumed.has(&place.id), depth, place.id.clone())
    });
    let mut kinds = BTreeMap::new();
    for place in all {
        let within = |path: &Vec<Ocid>| -> Vec<Ocid> {
            path.iter().filter(|id| locations.contains(id)).cloned().collect()
        };
        let [old, new] = &place.paths;
        let there = (old.is_empty(), new.is_empty());
        let own = tells.then(|| place.id.clone());
        let order = kinds.len();
        kinds.entry((within(old), within(new), there, own)).or_insert((order, place));
    }
    let mut places: Vec<(usize, Place)> = kinds.into_values().collect();
    places.sort_by_key(|(order, _)| *order);
    places.into_iter().map(|(_, place)| place).collect()
}

fn ids_of(side: &Side) -> impl Iterator<Item = &Ocid> {
    side.world.file.compartments.values().map(|one| &one.id)
}

fn path(sides: &Sides, number: usize, id: &Ocid) -> Vec<Ocid> {
    let path = sides.both.get(number).and_then(|side| {
        let key = side.world.key_of(id)?;
        side.world.path(key).ok()
    });
    path.map(<[Ocid]>::to_vec).unwrap_or_default()
}
