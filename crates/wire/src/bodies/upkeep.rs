use serde::Serialize;

/// Whether the installation takes changes.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadOnlyBody {
    /// Whether it takes none.
    pub is_read_only: bool,
}

/// How far the rotation of the root key is.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RootKeyBody {
    /// Whether everything is sealed under the new key, and the old one is forgotten.
    pub is_done: bool,
}
