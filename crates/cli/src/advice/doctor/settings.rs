use strongroom_advice::doctor::{Fault, Finding, Outcome, judge_text, judge_type, suspect_region};
use strongroom_client::Selector;
use strongroom_model::Region;

use super::examination::{Examination, failed, signer};
use crate::failure::Failure;
use crate::hand::credentials::Auth;
use crate::hand::reference::{Place, Reference};

impl Examination<'_> {
    /// Flags, variables and the configuration file: where to call, and as whom.
    pub(super) fn settings(&mut self) -> Outcome {
        let ground = match self.arguments.connection.ground(self.environment) {
            Ok(ground) => ground,
            Err(failure) => return failed(&failure),
        };
        let finder = ground.finder();
        let auth = match ground.auth {
            Some(named) => Ok(named),
            None => finder.first(),
        };
        let auth = match auth {
            Ok((auth, _why)) => auth,
            // What is wrong with the profile is told in its place.
            Err(failure) if finder.has_profile() && failure.code() == "bad-profile" => Auth::ApiKey,
            Err(failure) => return failed(&failure),
        };
        let by = match auth {
            Auth::ApiKey => "an API key signs".to_owned(),
            Auth::SecurityToken => "the token of a session signs".to_owned(),
            Auth::InstancePrincipal => "this machine's certificate signs".to_owned(),
            Auth::ResourcePrincipal => "the token of a resource signs".to_owned(),
            Auth::OkeWorkloadIdentity => "the token of a pod signs".to_owned(),
        };
        let dev = ground.dev.as_ref();
        let dev = dev.map(|dev| format!(", development server in {}", dev.directory.display()));
        self.given.signer = Some(signer(auth));
        self.ground = Some(ground);
        Outcome::Passed(format!("{by}{}", dev.unwrap_or_default()))
    }

    /// The reference: as given, or in the variable that is named.
    pub(super) fn reference(&mut self) -> Outcome {
        let given = self.arguments.reference.clone().unwrap_or_default();
        let (place, text) = match variable(&given) {
            None => ("the argument".to_owned(), given.clone()),
            Some(name) => match self.variables.get(name) {
                Some(text) => (format!("variable {name}"), text.to_owned()),
                None => return Outcome::Found(not_set(name)),
            },
        };
        if let Some(finding) = judge_text(&place, &text).or_else(|| judge_type(&text)) {
            return Outcome::Found(finding);
        }
        match text.parse::<Reference>() {
            Ok(reference) => self.take(reference, &place),
            // What a variable holds may be the secret itself: nothing of it is shown.
            Err(failure) if place.starts_with("variable") => Outcome::Found(
                Finding::certain(Fault::BadReference, format!("{place} holds no reference"))
                    .because(failure.parts().1.unwrap_or_default()),
            ),
            Err(failure) => failed(&failure),
        }
    }

    fn take(&mut self, reference: Reference, place: &str) -> Outcome {
        let what = match &reference.place {
            Place::Id(id) => {
                self.region = self.called_region();
                let called = self.region;
                self.seen.suspect = called.and_then(|called| suspect_region(id.as_str(), called));
                id.to_string()
            }
            Place::Named { vault, name } => match self.vault_of(vault) {
                Ok(id) => {
                    let told = format!("`{name}` in vault `{vault}` ({id})");
                    self.seen.vault_id = Some(id);
                    told
                }
                Err(failure) => return failed(&failure),
            },
        };
        let selected = match &reference.selector {
            Selector::Current => String::new(),
            Selector::Stage(stage) => format!(", stage {stage}"),
            Selector::Number(number) => format!(", version {number}"),
            Selector::Name(name) => format!(", version `{name}`"),
        };
        self.reference = Some(reference);
        Outcome::Passed(format!("{place}: {what}{selected}"))
    }

    fn vault_of(&self, alias: &str) -> Result<String, Failure> {
        let ground = self.ground.as_ref();
        let none = || Failure::configuration("unknown-vault", "cannot tell which vault it is");
        ground.ok_or_else(none)?.vault_id(alias)
    }

    /// The region that settings or the profile name.
    fn called_region(&self) -> Option<&'static Region> {
        let of_profile = || self.ground.as_ref()?.finder().profile().ok()?.region;
        let environment = self.environment;
        let named = environment.oci_region.clone().or_else(|| environment.resource_region.clone());
        Region::named(&named.or_else(of_profile)?)
    }
}

/// Tells the name of a variable from a reference.
fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$').unwrap_or(text);
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    Some(name).filter(|name| is_name && name.chars().all(legal))
}

fn not_set(name: &str) -> Finding {
    Finding::certain(Fault::VariableNotSet, format!("the variable {name} is not set, or empty"))
        .because("the reference should stand in it")
        .fix(format!("export {name}=<OCID of the secret>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_no_reference() {
        for (text, expected) in [
            ("DB_SECRET", Some("DB_SECRET")),
            ("$DB_SECRET", Some("DB_SECRET")),
            ("secret://v/n", None),
            ("ocid1.vaultsecret.oc1.iad.a", None),
            ("db-password", None),
            ("9x", None),
            ("", None),
        ] {
            assert_eq!(variable(text), expected, "{text}");
        }
    }
}
