use super::fault::Fault;
use super::report::{Certainty, Finding};
use super::states::Refusal;
use super::tree::Signer;

/// What is known of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSeen {
    /// Its description was read.
    Known {
        /// OCID of its compartment.
        compartment_id: String,
        /// OCID of its key.
        key_id: Option<String>,
    },
    /// Its description was refused.
    Hidden,
}

/// What the list of a compartment's secrets shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// It was not asked for.
    NotAsked,
    /// It was refused.
    Refused,
    /// The secret is in it.
    Has,
    /// The secret is not in it.
    Lacks {
        /// OCID of the compartment.
        compartment_id: String,
    },
}

/// What is known of a secret's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySeen {
    /// It was not asked for, or refused.
    Hidden,
    /// It was read.
    Known {
        /// OCID of its compartment.
        compartment_id: String,
    },
}

/// All that was seen of a refusal that nobody explained.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// What the secret is called.
    pub label: &'a str,
    /// Whether a certain version of it is asked for, which may be absent where the secret is not.
    pub selects_version: bool,
    /// How reading its content was refused.
    pub content: &'a Refusal,
    /// What is known of the secret.
    pub secret: &'a SecretSeen,
    /// Whether it is listed.
    pub listing: &'a Listing,
    /// What is known of its key.
    pub key: &'a KeySeen,
    /// What its OCID says against the region that is called.
    pub suspect: Option<&'a Finding>,
    /// What signed.
    pub signer: Option<Signer>,
}

/// Says what fits best what was seen, of a refusal that nobody explained.
#[must_use]
pub fn conclude(seen: &Evidence<'_>) -> Finding {
    match (seen.content.status, seen.secret) {
        (403, _) => without_key(seen),
        (404, SecretSeen::Known { compartment_id, .. }) => {
            let message =
                format!("the caller may see secret `{}`, but not read its content", seen.label);
            Finding::likely(Fault::MissingSecretRight, message)
                .because(format!(
                    "{}; its description was read, and it is active",
                    seen.content.said()
                ))
                .fix(
                    seen.statement(
                        "read secret-family",
                        &format!("compartment id {compartment_id}"),
                    ),
                )
        }
        (404, SecretSeen::Hidden) => hidden(seen),
        (409, _) if seen.content.message.contains("expired") => {
            let message = format!("the content of secret `{}` has expired", seen.label);
            Finding::certain(Fault::SecretExpired, message)
                .because(seen.content.said())
                .fix("strongroom put <the reference>, with a new value on standard input")
        }
        (409, _) if seen.content.message.contains("key") => of_key_state(seen),
        (409, _) => Finding::likely(
            Fault::StateForbids,
            format!("the state of secret `{}`, its key or its vault forbids reading", seen.label),
        )
        .because(seen.content.said()),
        _ => {
            Finding::certain(Fault::Refused, format!("reading secret `{}` is refused", seen.label))
                .because(seen.content.said())
        }
    }
}

/// The service itself says in which state the key is.
fn of_key_state(seen: &Evidence<'_>) -> Finding {
    let message = &seen.content.message;
    let found = if message.contains("version of the") {
        of_key_version(message)
    } else if message.contains("DISABLED") {
        Finding::certain(Fault::KeyDisabled, "the secret's key is disabled").fix(
            "oci kms management key enable --key-id <key OCID> --endpoint <management endpoint>",
        )
    } else if message.contains("DELETION") || message.contains("DELETED") {
        Finding::certain(Fault::KeyPendingDeletion, "the secret's key is to be deleted, or gone")
            .fix(
                "oci kms management key cancel-deletion --key-id <key OCID> --endpoint <management \
                 endpoint>",
            )
    } else {
        Finding::likely(Fault::StateForbids, "the state of the secret's key forbids reading")
    };
    found.because(seen.content.said())
}

/// A key can be enabled while the version of it that encrypts a secret's content is not.
fn of_key_version(message: &str) -> Finding {
    let what = "the version of the key that the content is encrypted with";
    if message.contains("PENDING_DELETION") || message.contains("SCHEDULING_DELETION") {
        Finding::certain(Fault::KeyPendingDeletion, format!("{what} is to be deleted")).fix(
            "oci kms management key-version cancel-deletion --key-id <key OCID> --key-version-id \
             <key version OCID> --endpoint <management endpoint>",
        )
    } else if message.contains("DELET") {
        Finding::certain(Fault::KeyPendingDeletion, format!("{what} is deleted: it cannot be read"))
    } else {
        Finding::likely(Fault::StateForbids, format!("the state of {what} forbids reading"))
    }
}

fn without_key(seen: &Evidence<'_>) -> Finding {
    let said = seen.content.said();
    let of_secret = match seen.secret {
        SecretSeen::Known { compartment_id, .. } => Some(compartment_id),
        SecretSeen::Hidden => None,
    };
    match (seen.key, of_secret) {
        (KeySeen::Known { compartment_id }, Some(other)) if compartment_id != other => {
            let message = "the secret's key is in another compartment than the secret";
            let why = format!("{said}; the key is in {compartment_id}, the secret in {other}");
            Finding::likely(Fault::KeyInOtherCompartment, message)
                .because(why)
                .fix(seen.statement("use keys", &format!("compartment id {compartment_id}")))
        }
        _ => {
            let message = "the caller may read the secret, but not use its key";
            let place = of_secret.map_or_else(
                || "compartment <of the key>".to_owned(),
                |id| format!("compartment id {id}"),
            );
            Finding::likely(Fault::MissingKeyRight, message)
                .because(format!(
                    "{said}; content is decrypted with the secret's key, so that reading needs \
                     `use keys` beside `read secret-family`"
                ))
                .fix(seen.statement("use keys", &place))
        }
    }
}

fn hidden(seen: &Evidence<'_>) -> Finding {
    let said = seen.content.said();
    let label = seen.label;
    match seen.listing {
        Listing::Has => {
            let message = format!("the caller may list secret `{label}`, but not read it");
            let certainty =
                if seen.selects_version { Certainty::Likely } else { Certainty::Certain };
            let finding = Finding::certain(Fault::MissingSecretRight, message);
            Finding { certainty, ..finding }
                .because(format!("{said}; it is there, for it is listed"))
                .fix(seen.both())
        }
        _ if seen.suspect.is_some() => {
            let suspect = seen.suspect.cloned();
            suspect.unwrap_or_else(|| Finding::likely(Fault::OtherRegion, "another region"))
        }
        Listing::Lacks { compartment_id } => {
            let message = format!("there is no secret `{label}` in {compartment_id}");
            Finding::likely(Fault::SecretAbsent, message)
                .because(format!(
                    "{said}; the caller may list the secrets there, and this one is not among them: \
                     it is deleted, of another compartment or tenancy, or misspelt"
                ))
                .fix(format!("oci vault secret list --all --compartment-id {compartment_id}"))
        }
        Listing::Refused | Listing::NotAsked => {
            let message =
                format!("secret `{label}` does not exist, or the caller may not know of it");
            let group = match seen.signer {
                Some(Signer::Instance | Signer::Resource) => {
                    "; statements reach a machine through a dynamic group whose rule it matches"
                }
                _ => "",
            };
            Finding::likely(Fault::MissingOrHidden, message)
                .because(format!("{said}; neither its description nor a list is shown{group}"))
                .fix(seen.both())
        }
    }
}

impl Evidence<'_> {
    fn both(&self) -> String {
        let place = "compartment <of the secret>";
        format!(
            "{}\n{}",
            self.statement("read secret-family", place),
            self.statement("use keys", place)
        )
    }

    fn statement(&self, action: &str, place: &str) -> String {
        let group = match self.signer {
            Some(Signer::Instance | Signer::Resource) => "dynamic-group <of this machine>",
            _ => "group <of the user>",
        };
        format!("Allow {group} to {action} in {place}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(
        status: u16,
        secret: &SecretSeen,
        listing: &Listing,
        key: &KeySeen,
    ) -> (Fault, Certainty) {
        let (code, message) = ("C".to_owned(), "m".to_owned());
        let content = Refusal { status, code, message, request_id: None, retry_after_secs: None };
        let found = conclude(&Evidence { secret, listing, key, ..evidence(&content) });
        (found.fault, found.certainty)
    }

    #[test]
    fn the_service_says_which_state_forbids() {
        for (message, expected) in [
            ("The secret's key is DISABLED.", Fault::KeyDisabled),
            ("The secret's key is PENDING_DELETION.", Fault::KeyPendingDeletion),
            ("The secret's key is UPDATING.", Fault::StateForbids),
            ("The content of version 1 expired at noon.", Fault::SecretExpired),
            ("The secret is UPDATING.", Fault::StateForbids),
        ] {
            let content = Refusal {
                status: 409,
                code: "Conflict".to_owned(),
                message: message.to_owned(),
                request_id: None,
                retry_after_secs: None,
            };
            assert_eq!(conclude(&evidence(&content)).fault, expected, "{message}");
        }
    }

    #[test]
    fn a_key_version_is_not_taken_for_its_key() {
        for (state, expected, says, fix) in [
            ("PENDING_DELETION", Fault::KeyPendingDeletion, "is to be deleted", true),
            ("DELETED", Fault::KeyPendingDeletion, "is deleted", false),
            ("CREATING", Fault::StateForbids, "forbids reading", false),
        ] {
            let content = Refusal {
                status: 409,
                code: "Conflict".to_owned(),
                message: format!("The version of the secret's key is {state}."),
                request_id: None,
                retry_after_secs: None,
            };
            let found = conclude(&evidence(&content));
            assert_eq!(found.fault, expected, "{state}");
            assert!(found.message.contains("the version of the key"), "{}", found.message);
            assert!(found.message.contains(says), "{}", found.message);
            let command = "oci kms management key-version cancel-deletion --key-id <key OCID> \
                           --key-version-id ";
            assert_eq!(found.fix.is_some_and(|text| text.starts_with(command)), fix, "{state}");
        }
    }

    fn evidence(content: &Refusal) -> Evidence<'_> {
        Evidence {
            label: "s",
            selects_version: false,
            content,
            secret: &SecretSeen::Hidden,
            listing: &Listing::NotAsked,
            key: &KeySeen::Hidden,
            suspect: None,
            signer: Some(Signer::ApiKey),
        }
    }

    #[test]
    fn pairs_of_answers_tell_absent_from_forbidden() {
        use Certainty::{Certain, Likely};
        let known = SecretSeen::Known { compartment_id: "c".to_owned(), key_id: None };
        let (hidden, none) = (SecretSeen::Hidden, KeySeen::Hidden);
        let lacks = Listing::Lacks { compartment_id: "c".to_owned() };
        let beside = KeySeen::Known { compartment_id: "d".to_owned() };
        let not = Listing::NotAsked;
        for (status, secret, listing, key, expected) in [
            (403, &known, &not, &none, (Fault::MissingKeyRight, Likely)),
            (403, &known, &not, &beside, (Fault::KeyInOtherCompartment, Likely)),
            (403, &hidden, &not, &none, (Fault::MissingKeyRight, Likely)),
            (404, &known, &not, &none, (Fault::MissingSecretRight, Likely)),
            (404, &hidden, &Listing::Has, &none, (Fault::MissingSecretRight, Certain)),
            (404, &hidden, &lacks, &none, (Fault::SecretAbsent, Likely)),
            (404, &hidden, &Listing::Refused, &none, (Fault::MissingOrHidden, Likely)),
            (409, &known, &not, &none, (Fault::StateForbids, Likely)),
            (400, &known, &not, &none, (Fault::Refused, Certain)),
        ] {
            assert_eq!(
                judged(status, secret, listing, key),
                expected,
                "{status} {secret:?} {listing:?}"
            );
        }
    }
}
