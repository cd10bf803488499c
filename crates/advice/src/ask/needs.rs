use strongroom_model::{Ocid, Permission};
use strongroom_policy::{Need, Semantics, Target, needs_by_name, operation_names};

use super::place::place;
use super::{Ask, AskError};
use crate::world::World;

/// What a request needs, and where each permission is checked.
pub(super) struct Needs {
    /// Name of the operation; none if a permission was asked for by itself.
    pub(super) operation: Option<&'static str>,
    pub(super) all: Vec<PlacedNeed>,
}

pub(super) struct PlacedNeed {
    pub(super) permission: Permission,
    pub(super) on: Target,
    /// The compartment, then its ancestors.
    pub(super) path: Vec<Ocid>,
}

impl Needs {
    pub(super) fn read(world: &World, ask: &Ask, semantics: Semantics) -> Result<Self, AskError> {
        let (operation, needs) = named(&ask.what, semantics)?;
        let on = |target: Target| needs.iter().any(|need| need.on == target);
        let moves = on(Target::Destination) || on(Target::SharedParent);
        let unused = [
            ("key-in", ask.key_in.is_some() && !on(Target::Key), "key"),
            ("vault-in", ask.vault_in.is_some() && !on(Target::Vault), "vault"),
            ("to", ask.to.is_some() && !moves, "destination"),
        ];
        if let Some((field, _, what)) = unused.iter().find(|(_, unused, _)| *unused) {
            let message = format!("`{}` checks nothing on another {what}", ask.what);
            return Err(AskError::new(field, message));
        }
        let at = Places::read(world, ask, moves)?;
        let all = needs.iter().map(|need| PlacedNeed {
            permission: need.permission,
            on: need.on,
            path: at.path(need.on),
        });
        Ok(Self { operation, all: all.collect() })
    }
}

fn named(what: &str, semantics: Semantics) -> Result<(Option<&'static str>, Vec<Need>), AskError> {
    let operation = operation_names()
        .find(|known| *known == what)
        .or_else(|| operation_names().find(|known| known.eq_ignore_ascii_case(what)));
    if let Some((operation, needs)) =
        operation.and_then(|name| Some((name, needs_by_name(name, semantics)?)))
    {
        return Ok((Some(operation), needs));
    }
    if let Some(permission) = Permission::named(what) {
        return Ok((None, vec![Need { permission, on: Target::Compartment }]));
    }
    let permissions = Permission::ALL.iter().map(|permission| permission.name());
    let message = format!("`{what}` is neither an operation nor a permission");
    Err(AskError::new("do", message).near(what, operation_names().chain(permissions)))
}

struct Places {
    target: Vec<Ocid>,
    key: Vec<Ocid>,
    vault: Vec<Ocid>,
    destination: Vec<Ocid>,
    tenancy: Vec<Ocid>,
}

impl Places {
    fn read(world: &World, ask: &Ask, moves: bool) -> Result<Self, AskError> {
        let target = place(world, "on", &ask.target)?;
        let or_target = |field: &'static str, given: &Option<String>| match given {
            Some(text) => place(world, field, text),
            None => Ok(target.clone()),
        };
        if moves && ask.to.is_none() {
            let message = format!("`{}` moves the target: say where to", ask.what);
            return Err(AskError::new("to", message));
        }
        Ok(Self {
            key: or_target("key-in", &ask.key_in)?,
            vault: or_target("vault-in", &ask.vault_in)?,
            destination: or_target("to", &ask.to)?,
            tenancy: place(world, "on", "tenancy")?,
            target,
        })
    }

    fn path(&self, on: Target) -> Vec<Ocid> {
        match on {
            Target::Compartment | Target::Group | Target::Items => self.target.clone(),
            Target::Vault => self.vault.clone(),
            Target::Key => self.key.clone(),
            Target::Destination => self.destination.clone(),
            Target::Tenancy => self.tenancy.clone(),
            Target::SharedParent => shared_parent(&self.target, &self.destination).to_vec(),
        }
    }
}

/// Returns the path of the lowest compartment above both what is moved and where it is moved.
pub(crate) fn shared_parent<'a>(target: &'a [Ocid], destination: &[Ocid]) -> &'a [Ocid] {
    let above = target.get(1..).unwrap_or_default();
    let shared = above.iter().position(|id| destination.contains(id)).unwrap_or(above.len());
    above.get(shared..).unwrap_or_default()
}
