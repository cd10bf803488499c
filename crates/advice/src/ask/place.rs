use strongroom_model::Ocid;
use strongroom_policy::{Directory, similar};

use super::AskError;
use crate::world::World;

/// Finds a compartment: `tenancy`, its key in the file, its OCID, the names that lead to it from the
/// tenancy (`a:b:c`), or its own name if no other compartment has it.
pub(super) fn place(world: &World, field: &'static str, text: &str) -> Result<Vec<Ocid>, AskError> {
    let tenancy = world.tenancy().clone();
    if text.eq_ignore_ascii_case("tenancy") {
        return at(world, &tenancy);
    }
    if let Ok(id) = text.parse::<Ocid>() {
        let missing = || AskError::new(field, format!("no compartment has the OCID `{text}`"));
        return world.key_of(&id).map_or_else(|| Err(missing()), |_key| at(world, &id));
    }
    if let Ok(path) = world.path(text) {
        return Ok(path.to_vec());
    }
    let names: Vec<&str> = text.split(':').map(str::trim).collect();
    if let Some(id) = world.compartment_at(&tenancy, &names) {
        return at(world, &id);
    }
    let all = || world.file.compartments.values();
    let called: Vec<&Ocid> = all()
        .filter(|one| one.parent.is_some() && one.name.eq_ignore_ascii_case(text))
        .map(|one| &one.id)
        .collect();
    match called.as_slice() {
        [id] => at(world, id),
        [] => {
            let names: Vec<String> = all().map(|one| world.path_name(&one.id)).collect();
            let near = all().map(|one| one.name.as_str()).chain(names.iter().map(String::as_str));
            let message = format!("there is no compartment `{text}`");
            let similar = similar(text, near).map(str::to_owned);
            Err(AskError { similar, ..AskError::new(field, message) })
        }
        several => {
            let paths: Vec<String> = several.iter().map(|id| world.path_name(id)).collect();
            let message = format!("several compartments are called `{text}`: {}", paths.join(", "));
            Err(AskError::new(field, message))
        }
    }
}

fn at(world: &World, id: &Ocid) -> Result<Vec<Ocid>, AskError> {
    let key = world.key_of(id);
    let key = key.ok_or_else(|| AskError::new("", format!("the file has no compartment {id}")))?;
    Ok(world.path(key)?.to_vec())
}
