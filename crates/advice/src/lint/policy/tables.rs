//! Words that rules know beyond those of the language.

use strongroom_policy::ResourceType as R;

/// Variables of a target: what it is, what is known of it, and the resource-types whose requests carry
/// it; none if all can.
///
/// Source: OCI policy reference, "General Variables for All Requests", "Details for the Vault
/// Service", "Details for IAM".
pub(super) const TARGETS: [(&str, &[&str], &[R]); 11] = [
    ("compartment", &["id", "name"], &[]),
    (
        "vault",
        &["id"],
        &[
            R::Vaults,
            R::Keys,
            R::Secrets,
            R::SecretFamily,
            R::KeyFamily,
            R::SecretVersions,
            R::SecretBundles,
        ],
    ),
    ("key", &["id"], &[R::Keys, R::KeyDelegate, R::KeyFamily]),
    (
        "secret",
        &["name", "id", "ocid"],
        &[
            R::Secrets,
            R::SecretFamily,
            R::SecretVersions,
            R::SecretBundles,
            R::SecretReplication,
            R::SecretConsumers,
        ],
    ),
    ("group", &["id", "name", "member"], &[R::Groups, R::Users]),
    ("user", &["id", "name"], &[R::Users, R::Groups]),
    ("dynamicgroup", &["id", "name"], &[R::DynamicGroups]),
    ("policy", &["id", "name", "autoupdate", "type"], &[R::Policies]),
    ("credential", &["type"], &[R::Users]),
    ("domain", &["id", "name"], &[]),
    ("tag-namespace", &["id", "name"], &[R::TagNamespaces, R::TagDefaults]),
];

/// Variables of a request.
pub(super) const REQUESTS: [&str; 20] = [
    "request.operation",
    "request.permission",
    "request.region",
    "request.ad",
    "request.user.id",
    "request.user.name",
    "request.user.mfatotpverified",
    "request.groups.id",
    "request.principal.id",
    "request.principal.type",
    "request.principal.compartment.id",
    "request.principal.namespace",
    "request.principal.service_account",
    "request.principal.cluster_id",
    "request.networksource.name",
    "request.utc-timestamp",
    "request.utc-timestamp.month-of-year",
    "request.utc-timestamp.day-of-month",
    "request.utc-timestamp.day-of-week",
    "request.utc-timestamp.time-of-day",
];

/// Variables that every request carries.
pub(super) const ALWAYS: [&str; 11] = [
    "request.operation",
    "request.permission",
    "request.region",
    "request.principal.id",
    "request.principal.type",
    "request.utc-timestamp",
    "request.utc-timestamp.month-of-year",
    "request.utc-timestamp.day-of-month",
    "request.utc-timestamp.day-of-week",
    "request.utc-timestamp.time-of-day",
    "target.compartment.id",
];

/// Variables that hold several values at once.
pub(super) const SETS: [&str; 2] = ["request.groups.id", "target.policy.type"];

/// What a target's variables begin with where no table can know the rest: tags.
pub(super) const TAGS: [&str; 4] = [
    "target.resource.tag.",
    "target.resource.compartment.tag.",
    "request.principal.group.tag.",
    "request.principal.compartment.tag.",
];

/// Names by which groups of everybody go.
pub(super) const EVERYBODY: [&str; 12] = [
    "developers",
    "developer",
    "devs",
    "users",
    "everyone",
    "everybody",
    "employees",
    "staff",
    "engineers",
    "engineering",
    "domain_users",
    "interns",
];

/// Types of resources that make requests, as matching rules name them.
pub(super) const PRINCIPAL_TYPES: [&str; 14] = [
    "instance",
    "fnfunc",
    "fnapp",
    "apigateway",
    "cluster",
    "autonomousdatabase",
    "serviceconnector",
    "workload",
    "dataflowrun",
    "datasciencenotebooksession",
    "datasciencejobrun",
    "devopsdeploypipeline",
    "devopsbuildpipeline",
    "computecontainerinstance",
];

/// Tells whether a variable holds the name of a target.
pub(super) fn is_name(variable: &str) -> bool {
    let mut parts = variable.split('.');
    let root = parts.next().unwrap_or("");
    let last = parts.next_back().unwrap_or("");
    root.eq_ignore_ascii_case("target") && last.eq_ignore_ascii_case("name")
}
