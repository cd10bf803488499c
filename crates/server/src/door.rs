use strongroom_model::Ocid;

/// Where a request came in: the vault's own authority, or the one of everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Door {
    Main,
    Vault(Ocid),
    /// The vault's authority in another region.
    Replica(Ocid),
}

impl Door {
    /// The vault whose authority this is.
    pub(crate) const fn vault(&self) -> Option<&Ocid> {
        match self {
            Self::Main => None,
            Self::Vault(id) | Self::Replica(id) => Some(id),
        }
    }
}
