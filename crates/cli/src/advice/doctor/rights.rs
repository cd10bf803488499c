use strongroom_advice::doctor::{
    Evidence, Explained, ExplainedNeed, ExplainedStatement, Fault, Finding, GroupRule, KeySeen,
    Listing, Outcome, SecretSeen, conclude, judge_explained, judge_groups, judge_key_state,
    judge_vault_state,
};
use strongroom_client::{
    Client, ClientError, Denial, DeniedNeed, DeniedStatement, Endpoints, Selector,
};

use super::examination::Examination;
use crate::hand::SCHEME;
use crate::hand::reference::Place;
use crate::hand::similar::nearest;

impl Examination<'_> {
    /// What the vault itself says, to those who may know.
    pub(super) async fn why(&mut self) -> Outcome {
        let (Some(client), Some(content)) = (&self.client, &self.seen.content) else {
            return Outcome::Skipped("content");
        };
        if !matches!(content.status, 403 | 404) {
            return Outcome::Skipped("");
        }
        if matches!(self.endpoints, Some(Endpoints::Region(_))) {
            return Outcome::Open("Oracle's cloud does not explain refusals".to_owned());
        }
        let Some(request_id) = &content.request_id else {
            return Outcome::Open("the answer has no opc-request-id to ask about".to_owned());
        };
        match client.denial(request_id).await {
            Ok(denial) => {
                let machine = self.machine.as_ref();
                let caller_compartment_id =
                    machine.map(|machine| machine.compartment_id.to_string());
                let explained = Explained { caller_compartment_id, ..explained(&denial) };
                match judge_explained(&self.label(), &explained) {
                    Outcome::Found(finding) if finding.fault == Fault::SecretAbsent => {
                        let found = self.of_other_region();
                        Outcome::Found(match found {
                            Some(found) => found,
                            None => self.with_similar(finding).await,
                        })
                    }
                    Outcome::Found(finding) => Outcome::Found(self.with_similar(finding).await),
                    other => other,
                }
            }
            Err(_refused) => Outcome::Open(format!(
                "this caller may not read denials; who may, asks `strongroom why {request_id}`"
            )),
        }
    }

    /// What is not here and is of another region by its OCID, is to be asked for there.
    fn of_other_region(&self) -> Option<Finding> {
        let suspect = self.seen.suspect.clone()?;
        let why = format!("{}; this vault knows nothing of it", suspect.why);
        let fix = "give --endpoint URL of the vault of that region, or have the secret replicated";
        Some(suspect.because(why).fix(fix))
    }

    /// Which dynamic groups the machine is in, if the caller may list them.
    pub(super) async fn groups(&self) -> Outcome {
        let (Some(client), Some(machine)) = (&self.client, &self.machine) else {
            return Outcome::Skipped("");
        };
        match client.dynamic_groups().await {
            Ok(groups) => {
                let rule = |group: strongroom_client::NamedSummary| GroupRule {
                    name: group.name,
                    rule: group.matching_rule,
                };
                let rules: Vec<GroupRule> = groups.into_iter().map(rule).collect();
                judge_groups(machine, &rules)
            }
            Err(_refused) => Outcome::Open("this machine may not list dynamic groups".to_owned()),
        }
    }

    /// The vault's state, and where its keys are managed.
    pub(super) async fn vault(&mut self) -> Outcome {
        let Some(client) = &self.client else { return Outcome::Skipped("caller") };
        let of_secret = self.seen.secret.as_ref().map(|secret| secret.vault_id.clone());
        let Some(vault_id) = of_secret.or_else(|| self.seen.vault_id.clone()) else {
            return Outcome::Skipped("");
        };
        match client.vault(&vault_id).await {
            Ok(vault) => {
                self.seen.management = vault.management_endpoint.parse().ok();
                let found = judge_vault_state(&vault.id, &vault.lifecycle_state);
                let passed =
                    || Outcome::Passed(format!("{} is {}", vault.id, vault.lifecycle_state));
                found.map_or_else(passed, Outcome::Found)
            }
            Err(_refused) => Outcome::Open("it is not shown: it is absent, or hidden".to_owned()),
        }
    }

    /// The key's state and compartment.
    pub(super) async fn key_state(&mut self) -> Outcome {
        let key_id = self.seen.secret.as_ref().and_then(|secret| secret.key_id.clone());
        let (Some(client), Some(key_id), Some(management)) =
            (&self.client, key_id, &self.seen.management)
        else {
            return Outcome::Skipped("");
        };
        match client.vault_key(management, &key_id).await {
            Ok(key) => {
                let (id, compartment_id) = (key.id, key.compartment_id);
                let found = judge_key_state(&id, &key.lifecycle_state, &management.to_string());
                let told = format!("{id} is {}, in {compartment_id}", key.lifecycle_state);
                self.seen.key = Some(KeySeen::Known { compartment_id });
                found.map_or_else(|| Outcome::Passed(told), Outcome::Found)
            }
            Err(_refused) => Outcome::Open(format!("{key_id} is not shown: absent, or hidden")),
        }
    }

    /// What fits best what was seen.
    pub(super) async fn conclusion(&self) -> Outcome {
        let Some(content) = &self.seen.content else { return Outcome::Skipped("content") };
        let secret = self.seen.secret.as_ref().map_or(SecretSeen::Hidden, |secret| {
            let compartment = secret.rest.get("compartmentId").and_then(|id| id.as_str());
            SecretSeen::Known {
                compartment_id: compartment.unwrap_or_default().to_owned(),
                key_id: secret.key_id.clone(),
            }
        });
        let label = self.label();
        let concluded = conclude(&Evidence {
            label: &label,
            selects_version: self
                .reference
                .as_ref()
                .is_some_and(|reference| reference.selector != Selector::Current),
            content,
            secret: &secret,
            listing: self.seen.listing.as_ref().unwrap_or(&Listing::NotAsked),
            key: self.seen.key.as_ref().unwrap_or(&KeySeen::Hidden),
            suspect: self.seen.suspect.as_ref(),
            signer: self.given.signer,
        });
        Outcome::Found(self.with_similar(concluded).await)
    }

    /// Offers a secret with a similar name in place of one that is absent.
    async fn with_similar(&self, finding: Finding) -> Finding {
        let place = self.reference.as_ref().map(|reference| &reference.place);
        let compartment = self.ground.as_ref().map(|ground| ground.compartment_id(None));
        let (Some(client), Some(Place::Named { vault, name }), Some(Ok(compartment_id)), true) =
            (&self.client, place, compartment, finding.fault == Fault::SecretAbsent)
        else {
            return finding;
        };
        let vault_id = self.seen.vault_id.as_deref().unwrap_or_default();
        if let Some(absent) = absent_vault(client, vault, vault_id).await {
            return absent;
        }
        let rows = client.secrets(&compartment_id, vault_id, None).await.unwrap_or_default();
        match nearest(name, rows.iter().map(|row| row.secret_name.as_str())) {
            Some(near) => finding.fix(format!("{SCHEME}{vault}/{near}, which is there")),
            None => finding.fix(format!("strongroom ls {vault}")),
        }
    }
}

/// Tells whether it is the vault that is not there, which a vault that explains itself says.
async fn absent_vault(client: &Client, alias: &str, vault_id: &str) -> Option<Finding> {
    let Err(ClientError::Service(refused)) = client.vault(vault_id).await else { return None };
    let denial = client.denial(&refused.request_id?).await.ok()?;
    if denial.required.iter().all(|need| need.verdict != "absent") {
        return None;
    }
    let message = format!("there is no vault {vault_id}, which the alias `{alias}` stands for");
    let variable = alias.to_uppercase().replace('-', "_");
    Some(
        Finding::certain(Fault::VaultAbsent, message)
            .because("it was never there, is of another tenancy, or is deleted")
            .fix(format!("export STRONGROOM_VAULT_{variable}=<vault OCID>")),
    )
}

/// What the vault said, as the judgment reads it.
fn explained(denial: &Denial) -> Explained {
    let principal = denial.principal.as_ref();
    let others = principal.map(|principal| principal.other_dynamic_groups.as_slice());
    Explained {
        reason: denial.reason.clone(),
        caller_kind: principal.map(|principal| principal.kind.clone()).unwrap_or_default(),
        caller_id: principal.map(|principal| principal.id.clone()).unwrap_or_default(),
        caller_compartment_id: None,
        groups: principal.map(|principal| principal.groups.clone()).unwrap_or_default(),
        other_groups: others
            .unwrap_or_default()
            .iter()
            .map(|group| (group.name.clone(), group.failing.clone()))
            .collect(),
        needs: denial.required.iter().map(need).collect(),
        suggestions: denial.suggestions.clone(),
        is_allowed_now: denial.is_allowed_now,
    }
}

fn need(need: &DeniedNeed) -> ExplainedNeed {
    ExplainedNeed {
        permission: need.permission.clone(),
        place: need.place.clone(),
        verdict: need.verdict.clone(),
        decided_by: need.decided_by.as_ref().map(statement),
        nearest: need.considered.iter().map(statement).collect(),
    }
}

fn statement(statement: &DeniedStatement) -> ExplainedStatement {
    ExplainedStatement {
        place: format!("policy `{}`, statement {}", statement.policy, statement.number),
        text: statement.text.clone(),
        failing: statement.failing.clone().unwrap_or_default(),
        failing_text: statement.failing_text.clone().unwrap_or_default(),
    }
}
