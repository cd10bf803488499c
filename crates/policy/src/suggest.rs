//! The smallest statement that would grant what is missing.

use strongroom_model::Permission;

use crate::facts::{Asked, Fact};
use crate::resource_type::{ResourceType, Verb, permissions_of};

/// What a grant can be narrowed to, the narrowest first.
const NARROWING: [&str; 10] = [
    "target.secret.name",
    "target.key.id",
    "target.vault.id",
    "target.user.name",
    "target.group.name",
    "target.dynamicgroup.name",
    "target.policy.name",
    "target.tag-namespace.name",
    "target.secret.id",
    "target.group.id",
];

/// Families and `all-resources`, which grant more than one thing needs.
const FAMILIES: [ResourceType; 3] =
    [ResourceType::AllResources, ResourceType::SecretFamily, ResourceType::KeyFamily];

/// Returns the statement with the least verb and the narrowest condition that grants what is asked
/// to `subject` in `place`, both as statements have them: `group readers`, `compartment prod`.
///
/// `who` is a condition on the principal, for a subject that is broader than it. Nothing grants a
/// permission that no verb of any resource-type holds.
#[must_use]
pub fn suggest(asked: &Asked<'_>, subject: &str, who: &[String], place: &str) -> Option<String> {
    let (verb, resource_type) = least(asked.permission)?;
    let (verb, resource_type) = (verb.name(), resource_type.name());
    let conditions: Vec<String> = who.iter().cloned().chain(narrowed(asked)).collect();
    let condition = match conditions.as_slice() {
        [] => String::new(),
        [one] => format!(" where {one}"),
        several => format!(" where all {{{}}}", several.join(", ")),
    };
    Some(format!("Allow {subject} to {verb} {resource_type} in {place}{condition}"))
}

fn least(permission: Permission) -> Option<(Verb, ResourceType)> {
    let single = || ResourceType::ALL.iter().filter(|one| !FAMILIES.contains(one));
    let grants = |verb: Verb| {
        let granting = single().find(|one| permissions_of(**one, verb).contains(permission));
        granting.map(|resource_type| (verb, *resource_type))
    };
    Verb::ALL.into_iter().find_map(grants)
}

fn narrowed(asked: &Asked<'_>) -> Option<String> {
    NARROWING.iter().find_map(|name| {
        let held = asked.target.iter().find(|(held, _)| held == name);
        match held {
            Some((_, Fact::One(value))) if !value.contains('\'') => {
                Some(format!("{name} = '{value}'"))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use strongroom_model::Ocid;

    use super::*;
    use crate::parse;

    #[test]
    fn every_permission_has_a_statement_that_parses() {
        let path: [Ocid; 1] = ["ocid1.tenancy.oc1..a".parse().unwrap()];
        for permission in Permission::ALL {
            let asked = Asked::at(*permission, &path);
            let who = ["request.principal.id = 'ocid1.instance.oc1.iad.a'".to_owned()];
            let statement = suggest(&asked, "any-user", &who, "tenancy").unwrap();
            assert!(parse(&statement).is_ok(), "{statement}");
        }
    }

    #[test]
    fn the_key_of_a_secret_is_used_and_nothing_more() {
        let path: [Ocid; 1] = ["ocid1.tenancy.oc1..a".parse().unwrap()];
        let target = [
            ("target.vault.id".into(), Fact::One("ocid1.vault.oc1.iad.v".to_owned())),
            ("target.key.id".into(), Fact::One("ocid1.key.oc1.iad.k".to_owned())),
        ];
        let asked = Asked { target: &target, ..Asked::at(Permission::KeyDecrypt, &path) };
        let statement = suggest(&asked, "group app", &[], "compartment Keys");
        let expected = "Allow group app to use keys in compartment Keys where target.key.id = 'ocid1.key.oc1.iad.k'";
        assert_eq!(statement.as_deref(), Some(expected));
    }
}
