use super::fault::Fault;
use super::groups::group_for;
use super::report::Finding;
use super::tree::Signer;

/// Seconds that clocks may differ.
///
/// Source: OCI documentation, "Request Signatures".
const SKEW_SECS_MAX: i64 = 300;

/// Who asked when the service answered 401.
#[derive(Debug, Clone, Copy)]
pub struct CallerSeen<'a> {
    /// What signed.
    pub signer: Signer,
    /// By how many seconds the service's clock is ahead of this machine's, if it said.
    pub skew_secs: Option<i64>,
    /// What the service said.
    pub said: &'a str,
    /// Name of the key, or of what stands for one: no part of a token.
    pub key: &'a str,
}

/// Judges a 401. Services do not say what was wrong, so that what is left is named.
#[must_use]
pub fn judge_unauthenticated(seen: &CallerSeen<'_>) -> Finding {
    if let Some(secs) = seen.skew_secs.filter(|secs| secs.abs() >= SKEW_SECS_MAX) {
        return clock(secs, seen.said);
    }
    let (said, key) = (seen.said, seen.key);
    match seen.signer {
        Signer::ApiKey => {
            let message = format!("the service does not know the API key {key}");
            Finding::likely(Fault::KeyNotRegistered, message)
                .because(format!(
                    "{said}; the key, its fingerprint and the clock are right here, so that the key \
                     is not registered with this user, or user or tenancy are others here"
                ))
                .fix("oci iam user api-key upload --user-id <user OCID> --key-file <public key>")
        }
        Signer::Session => Finding::likely(
            Fault::TokenRefused,
            "the service refuses the session's token",
        )
        .because(format!(
            "{said}; the token has not run out, so that it was revoked, or is from before a \
                     rotation, or is of another tenancy"
        ))
        .fix("oci session authenticate --no-browser"),
        Signer::Resource => {
            Finding::likely(Fault::TokenRefused, "the service refuses the resource's token")
                .because(format!(
                    "{said}; the token has not run out, so that it is from before a rotation: what \
                     writes it has not replaced it yet, or the resource is gone"
                ))
                .fix("wait until the platform replaces the token, or restart what writes it")
        }
        Signer::Instance => Finding::likely(
            Fault::NoDynamicGroup,
            "the service does not take this machine for anyone",
        )
        .because(format!(
            "{said}; the token is fresh, so that no dynamic group has this machine, or it is \
                     registered no longer"
        ))
        .fix(group_for("instance", "<compartment OCID>")),
    }
}

fn clock(secs: i64, said: &str) -> Finding {
    let behind = if secs > 0 { "behind" } else { "ahead of" };
    let message = format!("this machine's clock is {} s {behind} the service's", secs.abs());
    Finding::certain(Fault::ClockOff, message)
        .because(format!("{said}; signatures hold for {SKEW_SECS_MAX} s"))
        .fix("timedatectl set-ntp true")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(signer: Signer, skew_secs: Option<i64>) -> Fault {
        let seen = CallerSeen { signer, skew_secs, said: "401", key: "aa:bb" };
        judge_unauthenticated(&seen).fault
    }

    #[test]
    fn a_401_is_told_by_what_signed() {
        assert_eq!(judged(Signer::ApiKey, Some(299)), Fault::KeyNotRegistered);
        assert_eq!(judged(Signer::ApiKey, Some(-300)), Fault::ClockOff);
        assert_eq!(judged(Signer::Session, None), Fault::TokenRefused);
        assert_eq!(judged(Signer::Resource, None), Fault::TokenRefused);
        assert_eq!(judged(Signer::Instance, Some(0)), Fault::NoDynamicGroup);
        let seen =
            CallerSeen { signer: Signer::ApiKey, skew_secs: Some(400), said: "401", key: "k" };
        assert!(judge_unauthenticated(&seen).message.contains("400 s behind"));
    }
}
