use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `definedTags`: namespace to key to value.
pub type DefinedTags = BTreeMap<String, BTreeMap<String, serde_json::Value>>;

/// The tags of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tags {
    /// `freeformTags`: key to value.
    #[serde(default)]
    pub freeform: BTreeMap<String, String>,
    /// `definedTags`: namespace to key to value.
    #[serde(default)]
    pub defined: DefinedTags,
}
