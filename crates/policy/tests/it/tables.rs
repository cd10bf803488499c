//! Oracle's tables, as data, against ours.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use strongroom_model::{Operation, Permission};
use strongroom_policy::{
    ResourceType, Semantics, Target, Verb, denied_by, permissions_of, required,
};

/// Asked for by operations, granted by no row of Oracle's tables; granted here with these rows.
const GAPS: [(&str, Verb, &str); 3] = [
    ("compartments", Verb::Inspect, "COMPARTMENT_READ"),
    ("tag-defaults", Verb::Manage, "TAG_DEFAULT_MANAGE"),
    ("audit-events", Verb::Manage, "AUDIT_CONFIGURATION"),
];

/// What this server adds to Oracle's tables.
const OWN: [(&str, Verb, &str); 10] = [
    ("denials", Verb::Read, "DENIAL_READ"),
    ("secret-consumers", Verb::Inspect, "SECRET_CONSUMER_INSPECT"),
    ("secret-consumers", Verb::Use, "SECRET_CONSUMER_REPORT"),
    ("workloads", Verb::Inspect, "WORKLOAD_INSPECT"),
    ("workloads", Verb::Read, "WORKLOAD_READ"),
    ("workloads", Verb::Use, "WORKLOAD_UPDATE"),
    ("workloads", Verb::Manage, "WORKLOAD_CREATE"),
    ("workloads", Verb::Manage, "WORKLOAD_DELETE"),
    ("workloads", Verb::Manage, "WORKLOAD_MOVE"),
    ("workloads", Verb::Manage, "WORKLOAD_ISSUE"),
];

/// Resource-types that Oracle's tables lack.
const OWN_TYPES: [&str; 3] = ["secret-consumers", "denials", "workloads"];

/// Where this server's own operations ask for what.
const OWN_OPERATIONS: [(&str, &str); 16] = [
    ("GetDenial", "DENIAL_READ"),
    ("ReportSecretVersion", "SECRET_CONSUMER_REPORT"),
    ("ListSecretConsumers", "SECRET_CONSUMER_INSPECT"),
    ("GetSecretRetirement", "SECRET_READ"),
    ("UpdateSecretRetirement", "SECRET_UPDATE"),
    ("WatchSecrets", "SECRET_READ"),
    ("CreateWorkload", "WORKLOAD_CREATE"),
    ("GetWorkload", "WORKLOAD_READ"),
    ("ListWorkloads", "WORKLOAD_INSPECT"),
    ("UpdateWorkload", "WORKLOAD_UPDATE"),
    ("ChangeWorkloadCompartment", "WORKLOAD_MOVE"),
    ("DeleteWorkload", "WORKLOAD_DELETE"),
    ("IssueWorkloadCertificate", "WORKLOAD_ISSUE"),
    ("RotateTokenSigner", "TENANCY_UPDATE"),
    ("UpdateReadOnly", "TENANCY_UPDATE"),
    ("RotateRootKey", "TENANCY_UPDATE"),
];

/// Operations that no policy decides: a certificate or a token is what is shown.
const BY_PROOF: [&str; 4] = [
    "ExchangeCertificate",
    "GenerateUserSecurityToken",
    "RefreshUserSecurityToken",
    "RenewWorkloadCertificate",
];

/// `key-family` stands in older pages only, without a table.
const KEY_FAMILY: [&str; 3] = ["vaults", "keys", "key-delegate"];

/// Oracle's tables, read and added up without the code under test.
pub(crate) struct Tables {
    json: Value,
}

impl Tables {
    pub(crate) fn read() -> Self {
        Self { json: serde_json::from_str(include_str!("../corpus/permissions.json")).unwrap() }
    }

    fn members(&self, resource_type: &str) -> Vec<String> {
        match resource_type {
            "all-resources" => {
                let listed = self.json["resource_types"].as_object().unwrap().keys().cloned();
                listed.chain(OWN_TYPES.map(str::to_owned)).collect()
            }
            "key-family" => KEY_FAMILY.map(str::to_owned).to_vec(),
            family if self.json["families"].get(family).is_some() => {
                strings(&self.json["families"][family])
            }
            single => vec![single.to_owned()],
        }
    }

    /// What a verb grants on a resource-type or family, by name.
    pub(crate) fn granted(&self, resource_type: &str, verb: Verb) -> BTreeSet<String> {
        let mut granted = BTreeSet::new();
        for member in self.members(resource_type) {
            for level in Verb::ALL.into_iter().filter(|level| *level <= verb) {
                if let Some(row) = self.json["resource_types"].get(&member) {
                    granted.extend(strings(&row[level.name()]));
                }
                let more = |gap: &&(&str, Verb, &str)| gap.0 == member && gap.1 == level;
                let more = GAPS.iter().chain(&OWN).filter(more);
                granted.extend(more.map(|(_, _, name)| (*name).to_owned()));
            }
        }
        granted
    }

    /// What an operation needs, by name.
    pub(crate) fn needed(&self, operation: &str) -> Vec<String> {
        if BY_PROOF.contains(&operation) {
            return Vec::new();
        }
        match OWN_OPERATIONS.iter().find(|(name, _)| *name == operation) {
            Some((_, permission)) => vec![(*permission).to_owned()],
            None => strings(&self.json["operations"][operation]),
        }
    }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_verb_grants_on_every_resource_type_what_oracle_lists() {
    let tables = Tables::read();
    for resource_type in ResourceType::ALL {
        for verb in Verb::ALL {
            let granted = permissions_of(*resource_type, verb);
            let ours: BTreeSet<String> = Permission::ALL
                .iter()
                .filter(|permission| granted.contains(**permission))
                .map(|permission| permission.name().to_owned())
                .collect();
            let context = format!("{} {}", verb.name(), resource_type.name());
            assert_eq!(ours, tables.granted(resource_type.name(), verb), "{context}");
        }
    }
}

#[test]
fn to_deny_a_verb_leaves_what_the_verbs_below_it_grant() {
    let tables = Tables::read();
    for resource_type in ResourceType::ALL {
        let name = resource_type.name();
        let mut left = BTreeSet::new();
        for verb in Verb::ALL {
            let denied = denied_by(*resource_type, verb).iter();
            let ours: BTreeSet<String> = denied.map(|one| one.name().to_owned()).collect();
            let whole = tables.granted(name, Verb::Manage);
            let expected: BTreeSet<String> = whole.difference(&left).cloned().collect();
            assert_eq!(ours, expected, "{} {name}", verb.name());
            left = tables.granted(name, verb);
        }
    }
}

#[test]
fn every_resource_type_of_oracles_tables_is_known() {
    let tables = Tables::read();
    for name in tables.members("all-resources") {
        let found = ResourceType::named(&name.to_uppercase()).map(ResourceType::name);
        assert_eq!(found, Some(name.as_str()));
    }
    assert_eq!(ResourceType::ALL.len(), tables.members("all-resources").len() + 3);
}

#[test]
fn spellings_seen_in_the_wild_are_known_and_others_are_not() {
    for (spelling, name) in [
        ("vault", Some("vaults")),
        ("key-delegates", Some("key-delegate")),
        ("vault-family", Some("key-family")),
        ("tag-namespace", Some("tag-namespaces")),
        ("secret", None),
        ("key", None),
        ("instances", None),
    ] {
        assert_eq!(ResourceType::named(spelling).map(ResourceType::name), name, "{spelling}");
    }
}

/// Oracle lists no permission for `MoveCompartment` but asks for `manage all-resources`: what moves
/// along is asked for.
const MANAGE_ALL: [&str; 7] = [
    "COMPARTMENT_UPDATE",
    "VAULT_MOVE",
    "KEY_MOVE",
    "SECRET_MOVE",
    "POLICY_UPDATE",
    "TAG_NAMESPACE_MOVE",
    "WORKLOAD_MOVE",
];

#[test]
fn every_operation_needs_what_oracle_lists() {
    let tables = Tables::read();
    for operation in Operation::ALL {
        let needs = required(*operation, Semantics::Oracle).iter();
        let ours: BTreeSet<&str> = needs.map(|need| need.permission.name()).collect();
        let listed = tables.needed(operation.name());
        if *operation == Operation::MoveCompartment {
            assert_eq!((ours, listed.len()), (BTreeSet::from(MANAGE_ALL), 0));
            continue;
        }
        assert_eq!(ours.is_empty(), BY_PROOF.contains(&operation.name()), "{operation:?}");
        assert_eq!(ours, listed.iter().map(String::as_str).collect(), "{operation:?}");
    }
}

#[test]
fn strict_semantics_add_the_key_to_reading_a_bundle_and_nothing_else() {
    for operation in Operation::ALL {
        let oracle = required(*operation, Semantics::Oracle);
        let strict = required(*operation, Semantics::Strict);
        let added = strict.strip_prefix(oracle).unwrap();
        let reads =
            matches!(operation, Operation::GetSecretBundle | Operation::GetSecretBundleByName);
        let added: Vec<_> = added.iter().map(|need| (need.permission, need.on)).collect();
        let expected = if reads { vec![(Permission::KeyDecrypt, Target::Key)] } else { vec![] };
        assert_eq!(added, expected, "{operation:?}");
    }
    assert_eq!(Semantics::default(), Semantics::Strict);
}

#[test]
fn permissions_on_what_is_not_the_target_are_checked_on_that() {
    let mut elsewhere: BTreeMap<&str, Vec<(&str, Target)>> = BTreeMap::new();
    for operation in Operation::ALL {
        for need in required(*operation, Semantics::Oracle) {
            if need.on != Target::Compartment {
                let entry = elsewhere.entry(operation.name()).or_default();
                entry.push((need.permission.name(), need.on));
            }
        }
    }
    let expected = BTreeMap::from([
        ("ChangeKeyCompartment", vec![("KEY_MOVE", Target::Destination)]),
        (
            "ChangeSecretCompartment",
            vec![("SECRET_MOVE", Target::Destination), ("SECRET_UPDATE", Target::Destination)],
        ),
        ("ChangeWorkloadCompartment", vec![("WORKLOAD_MOVE", Target::Destination)]),
        ("RotateTokenSigner", vec![("TENANCY_UPDATE", Target::Tenancy)]),
        ("UpdateReadOnly", vec![("TENANCY_UPDATE", Target::Tenancy)]),
        ("RotateRootKey", vec![("TENANCY_UPDATE", Target::Tenancy)]),
        ("ChangeVaultCompartment", vec![("VAULT_MOVE", Target::Destination)]),
        ("GetUserGroupMembership", vec![("GROUP_INSPECT", Target::Group)]),
        ("AddUserToGroup", vec![("GROUP_UPDATE", Target::Group)]),
        ("RemoveUserFromGroup", vec![("GROUP_UPDATE", Target::Group)]),
        ("CreateKey", vec![("VAULT_CREATE_KEY", Target::Vault)]),
        ("ImportKey", vec![("VAULT_IMPORT_KEY", Target::Vault)]),
        (
            "CreateSecret",
            vec![
                ("VAULT_CREATE_SECRET", Target::Vault),
                ("KEY_ENCRYPT", Target::Key),
                ("KEY_DECRYPT", Target::Key),
            ],
        ),
        (
            "MoveCompartment",
            MANAGE_ALL.map(|permission| (permission, Target::SharedParent)).to_vec(),
        ),
        ("GetTenancy", vec![("TENANCY_INSPECT", Target::Tenancy)]),
        ("ListRegions", vec![("TENANCY_INSPECT", Target::Tenancy)]),
        ("ListRegionSubscriptions", vec![("TENANCY_INSPECT", Target::Tenancy)]),
        ("WatchSecrets", vec![("SECRET_READ", Target::Items)]),
    ]);
    assert_eq!(elsewhere, expected);
}
