use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The tags of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tags {
    /// `freeformTags`: key to value.
    #[serde(default)]
    pub freeform: BTreeMap<String, String>,
    /// `definedTags`: namespace to key to value.
    #[serde(default)]
    pub defined: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}
