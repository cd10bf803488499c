//! Permissions in the words of statements.

use strongroom_model::{Permission, PermissionSet};
use strongroom_policy::{ResourceType, Verb, permissions_of};

/// Says what grants just these permissions: verbs on resource-types, and for what is less than a verb
/// grants the permissions themselves.
pub(crate) fn words(permissions: PermissionSet) -> Vec<String> {
    let mut rest = permissions;
    let mut words = Vec::new();
    for resource_type in ResourceType::ALL {
        let whole = permissions_of(*resource_type, Verb::Manage);
        let part = common(rest, whole);
        let exact =
            Verb::ALL.into_iter().find(|verb| permissions_of(*resource_type, *verb) == part);
        if let Some(verb) = exact.filter(|_| !part.is_empty()) {
            words.push(format!("{} {}", verb.name(), resource_type.name()));
            rest = without(rest, whole);
        }
    }
    for resource_type in ResourceType::ALL.iter().skip(FAMILIES) {
        let part = common(rest, permissions_of(*resource_type, Verb::Manage));
        let enough = |verb: &Verb| common(part, permissions_of(*resource_type, *verb)) == part;
        if let Some(verb) = Verb::ALL.into_iter().find(enough).filter(|_| !part.is_empty()) {
            let names: Vec<&str> = part.iter().map(Permission::name).collect();
            let (names, verb) = (names.join(", "), verb.name());
            words.push(format!("{names} (of {verb} {})", resource_type.name()));
            rest = without(rest, part);
        }
    }
    words
}

/// `all-resources` and the families come first.
const FAMILIES: usize = 3;

fn common(a: PermissionSet, b: PermissionSet) -> PermissionSet {
    a.iter().filter(|permission| b.contains(*permission)).collect()
}

fn without(a: PermissionSet, b: PermissionSet) -> PermissionSet {
    a.iter().filter(|permission| !b.contains(*permission)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_said_as_verbs_where_they_are_whole() {
        let read = permissions_of(ResourceType::SecretFamily, Verb::Read);
        assert_eq!(words(read), ["read secret-family"]);
        let keys = permissions_of(ResourceType::Keys, Verb::Use);
        assert_eq!(words(read | keys), ["read secret-family", "use keys"]);
        let one = PermissionSet::of(&[Permission::SecretBundleRead]);
        assert_eq!(words(one), ["SECRET_BUNDLE_READ (of read secret-bundles)"]);
        assert_eq!(words(PermissionSet::all()), ["manage all-resources"]);
        assert_eq!(words(PermissionSet::EMPTY), Vec::<String>::new());
        let two = one | permissions_of(ResourceType::Secrets, Verb::Inspect);
        assert_eq!(words(two), ["inspect secrets", "SECRET_BUNDLE_READ (of read secret-bundles)"]);
    }

    #[test]
    fn families_stand_first() {
        let families = ResourceType::ALL.iter().take(FAMILIES).map(|one| one.name());
        assert_eq!(families.collect::<Vec<_>>(), ["all-resources", "secret-family", "key-family"]);
    }
}
