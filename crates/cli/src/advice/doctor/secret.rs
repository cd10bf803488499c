use strongroom_advice::doctor::{
    Fault, Finding, Listing, Outcome, judge_secret_state, judge_vault_state,
};
use strongroom_client::{
    ClientError, Secret, SecretBundle, SecretSummary, SecretVersionSummary, Selector,
};
use strongroom_model::{Clock, SystemClock, Timestamp};

use super::examination::{Examination, Told, told};
use crate::hand::pointer::select;
use crate::hand::reference::Place;

impl Examination<'_> {
    /// What the caller may know of the secret.
    pub(super) async fn secret(&mut self) -> Outcome {
        let listed = self.seen.listed.as_ref().map(|secret| secret.id.clone());
        if let (None, Some(id), Some(client)) = (&self.seen.secret, listed, &self.client) {
            match client.secret(&id).await {
                Ok(secret) => self.seen.secret = Some(secret),
                Err(error) => match told(&error) {
                    Told::Broken(finding) => return Outcome::Found(finding),
                    Told::Refused(refusal) => {
                        if let Some(finding) = self.judged(&refusal) {
                            return Outcome::Found(finding);
                        }
                    }
                },
            }
        }
        match &self.seen.secret {
            None => {
                Outcome::Open("its description is not shown: it is absent, or hidden".to_owned())
            }
            Some(secret) => {
                let version = secret.current_version_number;
                let version = version.map(|number| format!(", version {number} is current"));
                let version = version.unwrap_or_default();
                let replica = source_of(secret).map(|region| format!(", a replica of {region}"));
                let replica = replica.unwrap_or_default();
                let (name, id) = (&secret.secret_name, &secret.id);
                Outcome::Passed(format!("`{name}` ({id}){version}{replica}"))
            }
        }
    }

    /// Whether it can be read in its state.
    pub(super) async fn state(&self) -> Outcome {
        let Some(secret) = &self.seen.secret else { return Outcome::Skipped("") };
        let restore = format!("strongroom restore {}", secret.id);
        let state = &secret.lifecycle_state;
        let deletion = secret.time_of_deletion.as_deref();
        let found = judge_secret_state(&secret.secret_name, state, deletion, &restore);
        let found = found.or_else(|| expired(secret, SystemClock.now()));
        let Some(finding) = found else { return Outcome::Passed(state.clone()) };
        let of_vault = self.vault_of_deletion(&finding, &secret.vault_id).await;
        Outcome::Found(of_vault.unwrap_or(finding))
    }

    /// What is in a vault that is to be deleted, is to be deleted too.
    async fn vault_of_deletion(&self, finding: &Finding, vault_id: &str) -> Option<Finding> {
        if finding.fault != Fault::SecretPendingDeletion {
            return None;
        }
        let vault = self.client.as_ref()?.vault(vault_id).await.ok()?;
        judge_vault_state(&vault.id, &vault.lifecycle_state)
    }

    /// Whether the content can be read. It is read, and dropped.
    pub(super) async fn content(&mut self) -> Outcome {
        let error = match self.read().await {
            None => return Outcome::Skipped("caller"),
            Some(Ok(bundle)) => return self.judged_content(&bundle),
            Some(Err(error)) => error,
        };
        let refusal = match told(&error) {
            Told::Broken(finding) => return Outcome::Found(finding),
            Told::Refused(refusal) => refusal,
        };
        if let Some(finding) = self.judged(&refusal) {
            return Outcome::Found(finding);
        }
        let said = refusal.said();
        self.given.is_refused = true;
        self.seen.content = Some(refusal);
        Outcome::Open(said)
    }

    fn judged_content(&self, bundle: &SecretBundle) -> Outcome {
        let number = bundle.version_number;
        let pointer = self.reference.as_ref().and_then(|reference| reference.pointer.as_deref());
        let Some(Err(failure)) = pointer.map(|pointer| select(&bundle.content, pointer)) else {
            return Outcome::Passed(format!("version {number} can be read (it is not shown)"));
        };
        let (message, why, _) = failure.parts();
        Outcome::Found(
            Finding::certain(Fault::PointsNowhere, message)
                .because(format!("version {number} can be read; {}", why.unwrap_or_default()))
                .fix("name something that is in the JSON: #name.name, or #/name/name"),
        )
    }

    async fn read(&self) -> Option<Result<SecretBundle, ClientError>> {
        let (client, reference) = (self.client.as_ref()?, self.reference.as_ref()?);
        let selector = &reference.selector;
        Some(match &reference.place {
            Place::Id(id) => client.secret_bundle(id.as_str(), selector).await,
            Place::Named { name, .. } => {
                let vault_id = self.seen.vault_id.as_deref()?;
                client.secret_bundle_by_name(vault_id, name, selector).await
            }
        })
    }

    /// Whether there is such a version, where one is named.
    pub(super) async fn version(&self) -> Outcome {
        let (Some(client), Some(reference)) = (&self.client, &self.reference) else {
            return Outcome::Skipped("caller");
        };
        let Some(secret) = &self.seen.secret else { return Outcome::Skipped("") };
        if reference.selector == Selector::Current {
            return Outcome::Skipped("");
        }
        match client.secret_versions(&secret.id).await {
            Ok(versions) => judge_versions(secret, &versions, &reference.selector),
            Err(error) => Outcome::Open(format!("the versions are not shown: {error}")),
        }
    }

    /// Whether the secret is listed, where its description is not shown.
    pub(super) async fn listing(&mut self) -> Outcome {
        let Some(client) = &self.client else { return Outcome::Skipped("caller") };
        if self.seen.secret.is_some() {
            return Outcome::Skipped("");
        }
        let place = self.reference.as_ref().map(|reference| &reference.place);
        let compartment = self.ground.as_ref().map(|ground| ground.compartment_id(None));
        let listing = match (self.seen.listing.clone(), place, compartment) {
            (Some(listing), _, _) => listing,
            (None, Some(Place::Id(id)), Some(Ok(compartment_id))) => {
                match client.secrets_in(&compartment_id).await {
                    Ok(rows) => {
                        self.seen.listed = rows.into_iter().find(|row| row.id == id.as_str());
                        match self.seen.listed {
                            Some(_) => Listing::Has,
                            None => Listing::Lacks { compartment_id },
                        }
                    }
                    Err(_refused) => Listing::Refused,
                }
            }
            _ => Listing::NotAsked,
        };
        if let Some(finding) = self.seen.listed.as_ref().and_then(listed_state) {
            return Outcome::Found(finding);
        }
        let told = match &listing {
            Listing::Has => Outcome::Passed("it is listed".to_owned()),
            Listing::Lacks { compartment_id } => {
                Outcome::Open(format!("it is not among the secrets of {compartment_id}"))
            }
            Listing::Refused => Outcome::Open("the list is not shown".to_owned()),
            Listing::NotAsked => Outcome::Open(
                "no compartment is named to list (STRONGROOM_COMPARTMENT_ID)".to_owned(),
            ),
        };
        self.seen.listing = Some(listing);
        told
    }
}

/// The region that a replica comes from.
fn source_of(secret: &Secret) -> Option<&str> {
    secret.rest.get("sourceRegionInformation")?.get("sourceRegion")?.as_str()
}

fn listed_state(secret: &SecretSummary) -> Option<Finding> {
    let restore = format!("strongroom restore {}", secret.id);
    judge_secret_state(&secret.secret_name, &secret.lifecycle_state, None, &restore)
}

/// Says that the content has expired, and a rule forbids to read it.
fn expired(secret: &Secret, now: Timestamp) -> Option<Finding> {
    let rules = secret.rest.get("secretRules")?.as_array()?;
    let blocks = |rule: &serde_json::Value| {
        rule.get("isSecretContentRetrievalBlockedOnExpiry").and_then(serde_json::Value::as_bool)
    };
    if !rules.iter().any(|rule| blocks(rule) == Some(true)) {
        return None;
    }
    let text = secret.rest.get("timeOfCurrentVersionExpiry")?.as_str()?;
    let expiry: Timestamp = text.parse().ok().filter(|expiry| *expiry <= now)?;
    let message = format!("the content of secret `{}` has expired", secret.secret_name);
    Some(
        Finding::certain(Fault::SecretExpired, message)
            .because(format!(
                "it expired at {expiry}, and a rule of the secret forbids to read it then"
            ))
            .fix(format!("strongroom put {}, with a new value on standard input", secret.id)),
    )
}

fn judge_versions(
    secret: &Secret,
    versions: &[SecretVersionSummary],
    selector: &Selector,
) -> Outcome {
    let fits = |version: &&SecretVersionSummary| match selector {
        Selector::Current => version.stages.iter().any(|stage| stage == "CURRENT"),
        Selector::Stage(stage) => version.stages.contains(stage),
        Selector::Number(number) => version.version_number == *number,
        Selector::Name(name) => version.name.as_ref() == Some(name),
    };
    match versions.iter().find(fits) {
        Some(version) if version.time_of_deletion.is_none() => {
            Outcome::Passed(format!("version {} is there", version.version_number))
        }
        found => {
            let name = &secret.secret_name;
            let message = format!("secret `{name}` has no such version that could be read");
            let why = match found {
                Some(version) => format!("version {} is to be deleted", version.version_number),
                None => format!("it has {}", shown(versions)),
            };
            let fix = format!("strongroom versions {}", secret.id);
            Outcome::Found(Finding::certain(Fault::VersionAbsent, message).because(why).fix(fix))
        }
    }
}

fn shown(versions: &[SecretVersionSummary]) -> String {
    let one = |version: &SecretVersionSummary| {
        format!("{} ({})", version.version_number, version.stages.join(","))
    };
    versions.iter().take(5).map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(rules: &str) -> Secret {
        let text = format!(
            r#"{{"id":"s","secretName":"n","lifecycleState":"ACTIVE","vaultId":"v",
                "timeOfCurrentVersionExpiry":"2026-11-26T12:00:00Z","secretRules":[{rules}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn content_expires_where_a_rule_says_so() {
        let blocks = r#"{"isSecretContentRetrievalBlockedOnExpiry":true}"#;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (before, after) = (at("2026-11-26T11:59:59Z"), at("2026-11-26T12:00:00Z"));
        assert!(expired(&secret(blocks), before).is_none());
        assert_eq!(expired(&secret(blocks), after).unwrap().fault, Fault::SecretExpired);
        let allows = blocks.replace("true", "false");
        assert!(expired(&secret(&allows), after).is_none());
        assert!(expired(&secret(""), after).is_none());
    }

    #[test]
    fn a_replica_says_where_it_comes_from() {
        let mut replica = secret("");
        assert_eq!(source_of(&replica), None);
        let source = serde_json::json!({"sourceRegion": "us-ashburn-1"});
        replica.rest.insert("sourceRegionInformation".to_owned(), source);
        assert_eq!(source_of(&replica), Some("us-ashburn-1"));
    }

    #[test]
    fn versions_are_there_or_not() {
        let version = |number, stages: &[&str], ends: Option<&str>| SecretVersionSummary {
            version_number: number,
            name: None,
            stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
            time_created: String::new(),
            time_of_deletion: ends.map(str::to_owned),
        };
        let versions =
            [version(2, &["CURRENT", "LATEST"], None), version(1, &["DEPRECATED"], Some("soon"))];
        let judged = |selector| judge_versions(&secret(""), &versions, &selector);
        assert!(matches!(judged(Selector::Number(2)), Outcome::Passed(_)));
        assert!(matches!(judged(Selector::Stage("LATEST".to_owned())), Outcome::Passed(_)));
        for selector in [
            Selector::Number(1),
            Selector::Number(3),
            Selector::Stage("PENDING".to_owned()),
            Selector::Name("blue".to_owned()),
        ] {
            let Outcome::Found(found) = judged(selector) else { panic!("not found") };
            assert_eq!(found.fault, Fault::VersionAbsent);
        }
    }
}
