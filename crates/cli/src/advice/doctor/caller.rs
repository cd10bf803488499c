use strongroom_advice::doctor::{
    CallerSeen, Fault, Finding, Outcome, Refusal, Signer, judge_service, judge_unauthenticated,
};
use strongroom_client::{Client, ClientError, SecretSummary};

use super::examination::{Examination, Told, failed, told};
use crate::hand::reference::Place;
use crate::hand::session::client;

/// How calls are tried again, in words.
pub(super) fn backoff() -> String {
    let backoff = Client::BACKOFF;
    let pauses: Vec<String> =
        (1..backoff.tries).map(|n| format!("{}", backoff.first_pause_ms << (n - 1))).collect();
    format!(
        "this client tries {} times, and waits in between a random time up to {} ms, or as long as the \
         service asks, {} s in all",
        backoff.tries,
        pauses.join(", "),
        backoff.call_time.as_secs()
    )
}

impl Examination<'_> {
    /// Who asks: gets what signs, makes the first signed call, and keeps its answer.
    pub(super) async fn caller(&mut self) -> Outcome {
        let (Some(ground), Some(endpoints)) = (&self.ground, &self.endpoints) else {
            return Outcome::Skipped("endpoint");
        };
        let found = match ground.find(&self.network()).await {
            Ok((found, _why)) => found,
            Err(failure) => return failed(&failure),
        };
        let client = match client(endpoints.clone(), self.network(), found.credentials) {
            Ok(client) => client.trying_once(),
            Err(failure) => return failed(&failure),
        };
        let tenancy = match client.tenancy_id().await {
            Ok(tenancy) => tenancy,
            Err(error) => return Outcome::Found(self.without_credentials(&error)),
        };
        let first = self.first_call(&client).await;
        self.client = Some(client);
        match first {
            Ok(()) => Outcome::Passed(format!("known, in {tenancy}")),
            Err(error) => match told(&error) {
                Told::Broken(finding) => Outcome::Found(finding),
                Told::Refused(refusal) => self.judged(&refusal).map_or_else(
                    || Outcome::Passed(format!("known, in {tenancy}")),
                    Outcome::Found,
                ),
            },
        }
    }

    /// The call that comes first anyway: it shows who asks, and the secret.
    async fn first_call(&mut self, client: &Client) -> Result<(), ClientError> {
        let place = self.reference.as_ref().map(|reference| reference.place.clone());
        match place {
            None => client.tenancy().await.map(|_tenancy| ()),
            Some(Place::Id(id)) => {
                self.seen.secret = Some(client.secret(id.as_str()).await?);
                Ok(())
            }
            Some(Place::Named { name, .. }) => {
                let vault_id = self.seen.vault_id.clone().unwrap_or_default();
                let compartment = self.ground.as_ref().map(|ground| ground.compartment_id(None));
                let Some(Ok(compartment_id)) = compartment else {
                    return client.vault(&vault_id).await.map(|_vault| ());
                };
                let listed = client.secrets(&compartment_id, &vault_id, Some(&name)).await?;
                self.keep(listed, compartment_id);
                Ok(())
            }
        }
    }

    fn keep(&mut self, listed: Vec<SecretSummary>, compartment_id: String) {
        use strongroom_advice::doctor::Listing;
        let gone = |state: &str| matches!(state, "DELETING" | "DELETED" | "FAILED");
        let lives = |secret: &SecretSummary| !gone(&secret.lifecycle_state);
        let first = listed.first().cloned();
        self.seen.listed = listed.into_iter().find(lives).or(first);
        self.seen.listing = Some(match self.seen.listed {
            Some(_) => Listing::Has,
            None => Listing::Lacks { compartment_id },
        });
    }

    /// Judges an answer that is about who asks, or about the service.
    pub(super) fn judged(&self, refusal: &Refusal) -> Option<Finding> {
        if let Some(finding) = judge_service(refusal, &backoff()) {
            return Some(finding);
        }
        if refusal.status == 401 {
            return Some(self.unauthenticated(&refusal.said()));
        }
        if refusal.code.is_empty() {
            let message = "what answers is perhaps no service of OCI";
            let finding = Finding::likely(Fault::NotOci, message).because(refusal.said());
            return Some(finding.fix("give --endpoint URL of a vault, or the region of one"));
        }
        None
    }

    fn unauthenticated(&self, said: &str) -> Finding {
        let signer = self.given.signer.unwrap_or(Signer::ApiKey);
        let profile = self.profile.as_ref();
        let key = profile.and_then(|profile| profile.key_id().ok()).unwrap_or_default();
        let seen = CallerSeen { signer, skew_secs: self.skew_secs, said, key: &key };
        self.unless_expired(judge_unauthenticated(&seen))
    }

    /// What has run out is the reason, unless the clock is.
    fn unless_expired(&self, judged: Finding) -> Finding {
        match &self.expired {
            Some(expired) if judged.fault != Fault::ClockOff => expired.clone(),
            _ => judged,
        }
    }

    fn without_credentials(&self, error: &ClientError) -> Finding {
        let ClientError::Credentials { why, is_refused, .. } = error else {
            return Finding::certain(Fault::BadSettings, "nothing can be signed")
                .because(error.to_string());
        };
        if self.given.signer != Some(Signer::Instance) {
            return Finding::certain(Fault::NoToken, "there is no token that could be used")
                .because(why);
        }
        if !is_refused {
            let message = "the federation service gives this machine no token";
            let fix =
                "see OCI_CLI_FEDERATION_ENDPOINT, and whether the service can be called from here";
            return Finding::certain(Fault::FederationFails, message).because(why).fix(fix);
        }
        let seen =
            CallerSeen { signer: Signer::Instance, skew_secs: self.skew_secs, said: why, key: "" };
        let judged = self.unless_expired(judge_unauthenticated(&seen));
        if matches!(judged.fault, Fault::ClockOff | Fault::MachineCertificateExpired) {
            return judged;
        }
        let of = self.machine.as_ref().map(|machine| machine.id.to_string()).unwrap_or_default();
        Finding::certain(
            Fault::MachineRefused,
            format!("the certificate of this machine {of} is refused"),
        )
        .because(format!(
            "{why}; the certificate has not run out: the machine is registered no longer, or elsewhere"
        ))
        .fix("strongroom admin instance add NAME --identity FILE, and `strongroom imds` with it")
    }
}
