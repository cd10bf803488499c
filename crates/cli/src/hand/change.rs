//! What a change did: a diff of a secret's metadata. Content is never asked for.

use std::collections::BTreeMap;

use serde_json::Value;
use strongroom_client::{Secret, SecretVersionSummary};

use super::output::{refused, write, write_json};
use super::session::Session;
use crate::failure::{Failure, printable};

const TO_BE_DELETED: &str = ", to be deleted at ";

/// What is known of a secret beside its content, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    name: String,
    fields: BTreeMap<String, String>,
}

impl Metadata {
    /// Reads a secret and its versions' stages.
    pub(super) async fn read(session: &Session<'_>, secret_id: &str) -> Result<Self, Failure> {
        let what = format!("read secret `{secret_id}`");
        let secret = session.client.secret(secret_id).await;
        let secret = secret.map_err(|error| refused(&error, &what))?;
        let versions = session.client.secret_versions(secret_id).await;
        let versions = versions.map_err(|error| refused(&error, &what))?;
        Ok(Self::of(secret, &versions))
    }

    fn of(secret: Secret, versions: &[SecretVersionSummary]) -> Self {
        let mut fields: BTreeMap<String, String> =
            secret.rest.into_iter().map(|(name, value)| (name, shown(&value))).collect();
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        fields.insert("lifecycleState".to_owned(), secret.lifecycle_state);
        fields.insert("lifecycleDetails".to_owned(), text(secret.lifecycle_details));
        fields.insert("rotationStatus".to_owned(), text(secret.rotation_status));
        fields.insert("timeOfDeletion".to_owned(), text(secret.time_of_deletion));
        let current = secret.current_version_number.map(|number| number.to_string());
        fields.insert("currentVersionNumber".to_owned(), text(current));
        for version in versions {
            let name = format!("version {}", version.version_number);
            let mut stages = version.stages.join(",");
            if let Some(at) = &version.time_of_deletion {
                stages.push_str(TO_BE_DELETED);
                stages.push_str(at);
            }
            fields.insert(name, stages);
        }
        Self { name: secret.secret_name, fields }
    }

    /// Returns a field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str).filter(|value| *value != "-")
    }

    /// Returns the number of the version in a stage; of several, as DEPRECATED has, the newest that is
    /// not to be deleted, as the service does when it is asked for content.
    pub(super) fn version_at(&self, stage: &str) -> Option<u64> {
        let held = |(name, stages): (&String, &String)| {
            let number: u64 = name.strip_prefix("version ")?.parse().ok()?;
            let stays = !stages.contains(TO_BE_DELETED);
            stages.split(',').any(|held| held == stage).then_some((stays, number))
        };
        self.fields.iter().filter_map(held).max().map(|(_, number)| number)
    }

    /// Returns when a version is to be deleted.
    pub(super) fn deletion_of(&self, number: u64) -> Option<String> {
        let held = self.field(&format!("version {number}"))?;
        held.split_once(TO_BE_DELETED).map(|(_, at)| at.to_owned())
    }

    /// Returns the secret's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Prints what is different now.
    pub(super) fn tell(&self, after: &Self, json: bool) -> Result<(), Failure> {
        if !json {
            let text = printable(&after.name) + "\n" + &self.changes(after);
            return write(text.as_bytes());
        }
        let changed = self.changed(after).into_iter().map(|(name, before, after)| {
            (name, serde_json::json!({ "before": before, "after": after }))
        });
        let changed: serde_json::Map<String, Value> = changed.collect();
        write_json(&serde_json::json!({ "secretName": after.name, "changed": changed }))
    }

    /// Returns a line for everything that is different now.
    pub(super) fn changes(&self, after: &Self) -> String {
        let line = |(name, before, after): (String, String, String)| {
            printable(&format!("  {name}: {before} -> {after}")) + "\n"
        };
        self.changed(after).into_iter().map(line).collect()
    }

    /// Returns name, old and new value of everything that is different.
    fn changed(&self, after: &Self) -> Vec<(String, String, String)> {
        let names: std::collections::BTreeSet<&String> =
            self.fields.keys().chain(after.fields.keys()).collect();
        let value = |of: &Self, name: &String| {
            of.fields.get(name).cloned().unwrap_or_else(|| "-".to_owned())
        };
        names
            .into_iter()
            .map(|name| (name.clone(), value(self, name), value(after, name)))
            .filter(|(_, before, after)| before != after)
            .collect()
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_versions_in_a_stage_the_newest_that_stays_is_taken() {
        let at = "2026-12-24T00:00:00Z";
        let versions = [
            (1, "DEPRECATED", None),
            (2, "DEPRECATED", None),
            (9, "DEPRECATED", None),
            (10, "DEPRECATED", None),
            (11, "DEPRECATED", Some(at)),
            (12, "PREVIOUS", Some(at)),
            (13, "CURRENT,LATEST", None),
        ];
        let field = |(number, stages, deletion): (u64, &str, Option<&str>)| {
            let deletion = deletion.map(|at| format!("{TO_BE_DELETED}{at}")).unwrap_or_default();
            (format!("version {number}"), format!("{stages}{deletion}"))
        };
        let fields = versions.into_iter().map(field).collect();
        let metadata = Metadata { name: "s".to_owned(), fields };
        for (stage, expected) in [
            ("DEPRECATED", Some(10)),
            ("PREVIOUS", Some(12)),
            ("LATEST", Some(13)),
            ("PENDING", None),
        ] {
            assert_eq!(metadata.version_at(stage), expected, "{stage}");
        }
        assert_eq!(metadata.deletion_of(11).as_deref(), Some(at));
    }
}
