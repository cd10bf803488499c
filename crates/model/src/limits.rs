/// How much a tenancy may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Vaults of type DEFAULT.
    pub vaults: usize,
    /// Vaults of type `VIRTUAL_PRIVATE`.
    pub private_vaults: usize,
    /// Key versions of a protection mode in a vault of type DEFAULT; asymmetric ones count double.
    pub key_versions: usize,
    /// Key versions in a vault of type `VIRTUAL_PRIVATE`; asymmetric ones count double.
    pub private_key_versions: usize,
    /// Versions of a secret that are not pending deletion.
    pub active_secret_versions: u64,
    /// Versions of a secret that are pending deletion.
    pub pending_secret_versions: u64,
    /// Users.
    pub users: usize,
    /// Groups of users.
    pub groups: usize,
    /// Dynamic groups.
    pub dynamic_groups: usize,
    /// Policies.
    pub policies: usize,
    /// Statements of a policy.
    pub statements: usize,
    /// Compartments.
    pub compartments: usize,
    /// Workloads.
    pub workloads: usize,
}

impl Limits {
    /// What this server is built for.
    pub const WIDE: Self = Self {
        vaults: 1_000,
        private_vaults: 1_000,
        key_versions: 20_000,
        private_key_versions: 20_000,
        active_secret_versions: 1_000,
        pending_secret_versions: 1_000,
        users: 20_000,
        groups: 2_500,
        dynamic_groups: 1_000,
        policies: 2_500,
        statements: 500,
        compartments: 10_000,
        workloads: 100_000,
    };

    /// What Oracle grants a tenancy until it asks for more.
    ///
    /// Source: OCI documentation, "Service Limits", Vault.
    pub const ORACLE: Self = Self {
        vaults: 10,
        private_vaults: 0,
        key_versions: 100,
        private_key_versions: 3_000,
        active_secret_versions: 30,
        pending_secret_versions: 30,
        users: 2_000,
        groups: 250,
        dynamic_groups: 50,
        policies: 100,
        statements: 50,
        compartments: 1_000,
        workloads: 10_000,
    };
}
