use strongroom_model::{Ocid, OcidKind, Region};

use super::fault::Fault;
use super::report::Finding;

/// Judges the text of a reference before it is read; `place` says where it stands.
#[must_use]
pub fn judge_text(place: &str, text: &str) -> Option<Finding> {
    let blank = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
    if !text.starts_with(blank) && !text.ends_with(blank) {
        return None;
    }
    let what = match text.chars().last() {
        Some('\n' | '\r') => "a line break is at its end",
        _ => "it begins or ends with a blank or a quote",
    };
    let message = format!("the reference in {place} has more around it than it should");
    let finding = Finding::certain(Fault::BlanksAroundReference, message).because(what);
    Some(finding.fix("take line breaks, blanks and quotes from the value"))
}

/// Judges whether an OCID is a secret's; what is no OCID is not judged.
#[must_use]
pub fn judge_type(text: &str) -> Option<Finding> {
    let ocid: Ocid = text.split(['?', '#']).next()?.parse().ok()?;
    if ocid.is(OcidKind::Secret) {
        return None;
    }
    let of = ocid.as_str().split('.').nth(1).unwrap_or_default().to_owned();
    let message = format!("the reference is the OCID of a `{of}`, not of a secret");
    let finding = Finding::certain(Fault::WrongOcidType, message)
        .because("the OCID of a secret begins with ocid1.vaultsecret.");
    Some(match of.as_str() {
        "vault" => {
            finding.fix("strongroom ls <vault alias>, which lists the secrets of a vault by name")
        }
        _ => finding.fix("oci vault secret list --compartment-id <compartment OCID>"),
    })
}

/// Says that a secret's OCID is of another realm or region than the one that is called.
#[must_use]
pub fn suspect_region(ocid: &str, called: &Region) -> Option<Finding> {
    let mut segments = ocid.split('.').skip(2);
    let (realm, key) = (segments.next()?, segments.next()?);
    let region = Region::named(key);
    if realm != called.realm.key {
        let message =
            format!("the secret is of realm `{realm}`, and region `{}` is not", called.name);
        let finding = Finding::likely(Fault::OtherRegion, message);
        return Some(finding.because("realms share nothing: neither users nor secrets"));
    }
    let region = region.filter(|region| *region != called)?;
    let message =
        format!("the secret is of region `{}`, and `{}` is called", region.name, called.name);
    let finding = Finding::likely(Fault::OtherRegion, message);
    let why = format!(
        "its OCID says `{key}`; a service knows the secrets of its own region, and those that are \
         replicated to it"
    );
    Some(finding.because(why).fix(format!("export OCI_CLI_REGION={}", region.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_around_a_reference() {
        assert_eq!(judge_text("DB", "ocid1.vaultsecret.oc1.iad.a"), None);
        for text in ["ocid1.vaultsecret.oc1.iad.a\n", " secret://v/n", "'secret://v/n'", "\"a"] {
            let found = judge_text("DB", text).map(|finding| finding.fault);
            assert_eq!(found, Some(Fault::BlanksAroundReference), "{text:?}");
        }
    }

    #[test]
    fn ocids_say_what_they_are_of() {
        assert_eq!(judge_type("ocid1.vaultsecret.oc1.iad.a?stage=pending"), None);
        assert_eq!(judge_type("secret://v/n"), None);
        let vault = judge_type("ocid1.vault.oc1.iad.b.a").unwrap();
        assert_eq!(vault.fault, Fault::WrongOcidType);
    }

    #[test]
    fn ocids_say_where_they_are() {
        let iad = Region::named("iad").unwrap();
        assert_eq!(suspect_region("ocid1.vaultsecret.oc1.iad.a", iad), None);
        assert_eq!(suspect_region("ocid1.vaultsecret.oc1.nowhere.a", iad), None);
        let phx = suspect_region("ocid1.vaultsecret.oc1.phx.a", iad).unwrap();
        assert_eq!(phx.fix.as_deref(), Some("export OCI_CLI_REGION=us-phoenix-1"));
        let gov = suspect_region("ocid1.vaultsecret.oc2.ltz.a", iad).unwrap();
        assert!(gov.message.contains("realm `oc2`"), "{}", gov.message);
    }
}
