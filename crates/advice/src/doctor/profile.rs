use strongroom_model::{Ocid, OcidKind};

use super::fault::Fault;
use super::report::Finding;

/// Judges the values of a profile, by name. `place` says where they stand.
#[must_use]
pub fn judge_values(place: &str, values: &[(&'static str, &str)]) -> Option<Finding> {
    values.iter().find_map(|(name, value)| judge_value(place, name, value))
}

fn judge_value(place: &str, name: &'static str, value: &str) -> Option<Finding> {
    let is_path = name.ends_with("_file");
    let quoted = value.starts_with(['"', '\'']) || value.ends_with(['"', '\'']);
    if quoted || (!is_path && value.contains(char::is_whitespace)) {
        let message = format!("`{name}` of {place} has blanks or quotes in it");
        let finding = Finding::certain(Fault::BlanksInValue, message);
        let why = "values are taken as they stand, up to the end of the line: quotes and comments \
                   become part of them";
        return Some(
            finding.because(why).fix(format!("write `{name}=` and nothing but the value")),
        );
    }
    match name {
        "user" => judge_ocid(place, name, value, OcidKind::User),
        "tenancy" => judge_ocid(place, name, value, OcidKind::Tenancy),
        "fingerprint" => judge_form(place, value),
        _ => None,
    }
}

fn judge_ocid(place: &str, name: &'static str, value: &str, kind: OcidKind) -> Option<Finding> {
    // The form of the first years, which has no type that could be told.
    if value.starts_with("ocidv1:") {
        return None;
    }
    let why = match value.parse::<Ocid>() {
        Ok(ocid) if ocid.is(kind) => return None,
        Ok(ocid) => {
            let of = ocid.as_str().split('.').nth(1).unwrap_or_default();
            format!("it is the OCID of a `{of}`")
        }
        Err(error) => error.to_string(),
    };
    let message = format!("`{name}` of {place} is no OCID of a {}", kind.segment());
    let fix = format!("{name}=ocid1.{}.…", kind.segment());
    Some(Finding::certain(Fault::WrongOcidInProfile, message).because(why).fix(fix))
}

/// Source: the Python SDK 2.189.0, `oci/config.py`, `PATTERNS`.
fn judge_form(place: &str, value: &str) -> Option<Finding> {
    let pairs: Vec<&str> = value.split(':').collect();
    let hex = |pair: &&str| {
        pair.len() == 2 && pair.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    };
    if pairs.len() == 16 && pairs.iter().all(hex) {
        return None;
    }
    let message = format!("`fingerprint` of {place} is none");
    let why = "a fingerprint is sixteen pairs of lower-case hexadecimal digits with colons between";
    Some(Finding::certain(Fault::BadFingerprint, message).because(why))
}

/// Judges whether a profile's fingerprint is the one of its key.
#[must_use]
pub fn judge_fingerprint(place: &str, said: &str, of_key: &str) -> Option<Finding> {
    if said == of_key {
        return None;
    }
    let message = format!("the fingerprint of {place} is of another key than its `key_file`");
    let finding = Finding::certain(Fault::FingerprintOfOtherKey, message);
    let why = format!("it says {said}, and the key's fingerprint is {of_key}");
    Some(finding.because(why).fix(format!("fingerprint={of_key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "ocid1.user.oc1..aaaa";
    const PRINT: &str = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";

    fn fault(name: &'static str, value: &str) -> Option<Fault> {
        judge_values("profile `P`", &[(name, value)]).map(|finding| finding.fault)
    }

    #[test]
    fn values_are_what_their_names_say() {
        assert_eq!(fault("user", USER), None);
        assert_eq!(fault("tenancy", "ocidv1:tenancy:oc1:phx:1460406592660:aaaa"), None);
        assert_eq!(fault("fingerprint", PRINT), None);
        assert_eq!(fault("key_file", "~/my keys/k.pem"), None);
        for value in ["\"ocid1.user.oc1..aaaa\"", "ocid1.user.oc1..aaaa # mine"] {
            assert_eq!(fault("user", value), Some(Fault::BlanksInValue), "{value}");
        }
        assert_eq!(fault("key_file", "'~/k.pem'"), Some(Fault::BlanksInValue));
        assert_eq!(fault("tenancy", USER), Some(Fault::WrongOcidInProfile));
        assert_eq!(fault("user", "ann@example.com"), Some(Fault::WrongOcidInProfile));
        for value in ["", "aa:bb", &PRINT.to_uppercase(), &PRINT.replace(':', "-")] {
            assert_eq!(fault("fingerprint", value), Some(Fault::BadFingerprint), "{value}");
        }
    }

    #[test]
    fn the_fingerprint_is_the_keys() {
        assert_eq!(judge_fingerprint("p", PRINT, PRINT), None);
        let other = judge_fingerprint("p", PRINT, "aa").unwrap();
        assert_eq!(other.fix.as_deref(), Some("fingerprint=aa"));
    }
}
