//! Statements that nobody wrote yet: their parts, no wider than what is asked for.

use strongroom_model::{Ocid, Permission};

use crate::ast::{Condition, GroupName, Location, QualifiedName, Spanned, Value};
use crate::facts::{Asked, Fact};
use crate::resource_type::{ResourceType, Verb, permissions_of};
use crate::set::PolicySet;

/// What a permission is on, as variables name it, by how the permission's name begins.
const NOUNS: [(&str, &str); 8] = [
    ("SECRET_", "secret"),
    ("KEY_", "key"),
    ("VAULT_", "vault"),
    ("USER_", "user"),
    ("GROUP_", "group"),
    ("DYNAMIC_GROUP_", "dynamicgroup"),
    ("POLICY_", "policy"),
    ("TAG_NAMESPACE_", "tag-namespace"),
];

/// Families and `all-resources`, which grant more than one thing needs.
const FAMILIES: [ResourceType; 3] =
    [ResourceType::AllResources, ResourceType::SecretFamily, ResourceType::KeyFamily];

/// Returns the least verb, and the resource-type, that grant a permission.
#[must_use]
pub fn least(permission: Permission) -> Option<(Verb, ResourceType)> {
    let single = || ResourceType::ALL.iter().filter(|one| !FAMILIES.contains(one));
    Verb::ALL.into_iter().find_map(|verb| {
        let granting = |one: &&ResourceType| permissions_of(**one, verb).contains(permission);
        single().find(granting).map(|resource_type| (verb, *resource_type))
    })
}

/// Returns a compartment, by the names that lead to it from the tenancy if all are known. The path
/// is the compartment and its ancestors.
#[must_use]
pub fn location(set: &PolicySet, path: &[Ocid]) -> Location {
    let below = path.iter().take_while(|place| set.tenancy.as_ref() != Some(*place));
    let names = below.map(|place| {
        let name = set.around.compartments.get(place).map(|facts| facts.name.clone());
        name.filter(|name| can_be_quoted(name))
    });
    match (path.first(), names.collect::<Option<Vec<String>>>()) {
        (_, Some(names)) if names.is_empty() => Location::Tenancy,
        (_, Some(names)) => Location::Path(names.into_iter().rev().collect()),
        (place, None) => Location::Id(place.map(Ocid::to_string).unwrap_or_default()),
    }
}

/// Returns how statements call a group: by its name, unless quotes would not keep it.
#[must_use]
pub fn called(
    group: &Ocid,
    group_name: &dyn Fn(&Ocid) -> Option<QualifiedName>,
) -> Spanned<GroupName> {
    let means_itself = |QualifiedName { domain, name }: &QualifiedName| {
        domain.iter().chain([name]).all(|part| can_be_quoted(part))
    };
    let name = group_name(group).filter(means_itself);
    written(name.map_or_else(|| GroupName::Id(group.to_string()), GroupName::Named))
}

/// Returns the variable and the value that name the target: its name, else its identifier, else the
/// vault it is in.
#[must_use]
pub fn target(asked: &Asked<'_>) -> Option<(String, String)> {
    let begins = |(start, _): &&(&str, &str)| asked.permission.name().starts_with(start);
    let noun = NOUNS.iter().find(begins).map(|(_, noun)| *noun);
    let own = noun.iter().flat_map(|noun| ["name", "id"].map(|end| format!("target.{noun}.{end}")));
    let mut variables = own.chain(["target.vault.id".to_owned()]);
    variables.find_map(|variable| {
        let known = asked.target.iter().find(|(name, _)| *name == variable);
        match known.map(|(_, fact)| fact) {
            Some(Fact::One(text)) if can_be_quoted(text) => Some((variable, text.clone())),
            _ => None,
        }
    })
}

/// Tells whether a text in quotes means itself: a star can stand for anything.
#[must_use]
pub fn can_be_quoted(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(['\'', '*'])
}

/// Returns the clause that a variable has a value.
#[must_use]
pub fn is(variable: &str, text: &str) -> Spanned<Condition> {
    let (variable, value) = (written(variable.to_owned()), written(Value::Text(text.to_owned())));
    written(Condition::Compare { variable, differs: false, value })
}

/// Returns a part of a statement that nobody has read.
#[must_use]
pub const fn written<T>(value: T) -> Spanned<T> {
    Spanned { value, span: 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_has_a_statement_that_grants_it() {
        for permission in Permission::ALL {
            let (verb, resource_type) = least(*permission).unwrap();
            assert!(permissions_of(resource_type, verb).contains(*permission));
        }
    }
}
