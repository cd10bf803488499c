use super::fault::Fault;
use super::report::Finding;

/// What a service answered in place of what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// OCI's code; empty if the body was not OCI's.
    pub code: String,
    /// The message.
    pub message: String,
    /// `opc-request-id`.
    pub request_id: Option<String>,
    /// After how many seconds to ask again, if the service says.
    pub retry_after_secs: Option<u64>,
}

impl Refusal {
    /// Returns status, code and message in a line.
    #[must_use]
    pub fn said(&self) -> String {
        match self.code.as_str() {
            "" => format!("{} with no error of OCI's", self.status),
            code => format!("{} {code}: {}", self.status, self.message.trim_end_matches('.')),
        }
    }
}

/// Judges an answer that is about the service, not about what was asked. `backoff` says how the client
/// tries again.
#[must_use]
pub fn judge_service(refusal: &Refusal, backoff: &str) -> Option<Finding> {
    let said = refusal.said();
    let asked = refusal.retry_after_secs.map(|secs| format!("; it asks for {secs} s of rest"));
    let why = format!("{said}{}", asked.unwrap_or_default());
    match refusal.status {
        429 => {
            let message = "the service asks to be called less often";
            let fix = format!("read through a cache, such as `strongroom agent`; {backoff}");
            Some(Finding::certain(Fault::Throttled, message).because(why).fix(fix))
        }
        501 => None,
        500.. => {
            let message = format!("the service fails with {}", refusal.status);
            let by =
                if refusal.code.is_empty() { "; perhaps a gateway before it answers" } else { "" };
            let fix = format!("wait, and call less often: {backoff}");
            let finding = Finding::certain(Fault::ServiceFails, message);
            Some(finding.because(format!("{why}{by}")).fix(fix))
        }
        _ => None,
    }
}

/// Judges a secret's lifecycle state. `restore` is the command that takes its deletion back.
#[must_use]
pub fn judge_secret_state(
    name: &str,
    state: &str,
    time_of_deletion: Option<&str>,
    restore: &str,
) -> Option<Finding> {
    let at = time_of_deletion.map(|at| format!(" at {at}")).unwrap_or_default();
    match state {
        "ACTIVE" => None,
        "PENDING_DELETION" | "SCHEDULING_DELETION" => {
            let message = format!("secret `{name}` is to be deleted, and cannot be read");
            let finding = Finding::certain(Fault::SecretPendingDeletion, message);
            Some(finding.because(format!("its state is {state}; it is deleted{at}")).fix(restore))
        }
        "DELETED" | "DELETING" => {
            let message = format!("secret `{name}` is deleted");
            let finding = Finding::certain(Fault::SecretDeleted, message);
            let why = format!("its state is {state}; nothing brings it back");
            Some(finding.because(why).fix(format!("strongroom put {name}, and name the new OCID")))
        }
        _ => {
            let message = format!("secret `{name}` cannot be read in its state");
            let finding = Finding::certain(Fault::SecretNotActive, message);
            Some(finding.because(format!("its state is {state}, and ACTIVE is needed")))
        }
    }
}

/// Judges a key's lifecycle state. `endpoint` is its vault's management endpoint.
#[must_use]
pub fn judge_key_state(id: &str, state: &str, endpoint: &str) -> Option<Finding> {
    let command =
        |verb: &str| format!("oci kms management key {verb} --key-id {id} --endpoint {endpoint}");
    let why = format!("the state of key {id} is {state}, and ENABLED is needed");
    let (fault, message, fix) = match state {
        "ENABLED" => return None,
        "DISABLED" | "DISABLING" => {
            (Fault::KeyDisabled, "the secret's key is disabled", Some(command("enable")))
        }
        "PENDING_DELETION" | "SCHEDULING_DELETION" => (
            Fault::KeyPendingDeletion,
            "the secret's key is to be deleted",
            Some(command("cancel-deletion")),
        ),
        "DELETED" | "DELETING" => (
            Fault::KeyPendingDeletion,
            "the secret's key is deleted, and its content with it",
            None,
        ),
        _ => (Fault::StateForbids, "the secret's key cannot be used in its state", None),
    };
    Some(Finding { fix, ..Finding::certain(fault, message).because(why) })
}

/// Judges a vault's lifecycle state.
#[must_use]
pub fn judge_vault_state(id: &str, state: &str) -> Option<Finding> {
    let fix = match state {
        "ACTIVE" | "UPDATING" | "BACKUP_IN_PROGRESS" => return None,
        "PENDING_DELETION" | "SCHEDULING_DELETION" => {
            Some(format!("oci kms management vault cancel-deletion --vault-id {id}"))
        }
        _ => None,
    };
    let finding = Finding::certain(Fault::VaultNotActive, "the secret's vault is not active");
    let why = format!("its state is {state}; nothing in it can be read");
    Some(Finding { fix, ..finding.because(why) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16) -> Refusal {
        let (code, message) = ("Code".to_owned(), "m".to_owned());
        Refusal { status, code, message, request_id: None, retry_after_secs: Some(7) }
    }

    #[test]
    fn load_and_failure_are_the_services() {
        let judged = |status| judge_service(&refusal(status), "b").map(|finding| finding.fault);
        assert_eq!(judged(429), Some(Fault::Throttled));
        assert_eq!(judged(500), Some(Fault::ServiceFails));
        assert_eq!(judged(503), Some(Fault::ServiceFails));
        for status in [400, 401, 403, 404, 409, 501] {
            assert_eq!(judged(status), None, "{status}");
        }
        assert!(judge_service(&refusal(429), "b").unwrap().why.contains("7 s of rest"));
        let bare = Refusal { code: String::new(), ..refusal(502) };
        assert!(judge_service(&bare, "b").unwrap().why.contains("gateway"));
    }

    #[test]
    fn states_say_what_brings_them_back() {
        let secret =
            |state| judge_secret_state("n", state, Some("t"), "r").map(|found| found.fault);
        assert_eq!(secret("ACTIVE"), None);
        assert_eq!(secret("PENDING_DELETION"), Some(Fault::SecretPendingDeletion));
        assert_eq!(secret("DELETED"), Some(Fault::SecretDeleted));
        assert_eq!(secret("FAILED"), Some(Fault::SecretNotActive));
        let key = |state| judge_key_state("k", state, "e").map(|found| (found.fault, found.fix));
        assert_eq!(key("ENABLED"), None);
        let enable = "oci kms management key enable --key-id k --endpoint e".to_owned();
        assert_eq!(key("DISABLED"), Some((Fault::KeyDisabled, Some(enable))));
        assert_eq!(key("DELETED"), Some((Fault::KeyPendingDeletion, None)));
        let vault = |state| judge_vault_state("v", state).map(|found| found.fault);
        assert_eq!(vault("ACTIVE"), None);
        assert_eq!(vault("PENDING_DELETION"), Some(Fault::VaultNotActive));
    }
}
