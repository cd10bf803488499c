//! C17: API keys of a person where the machine could act for itself.

use super::super::super::catalogue::USER_KEY_IN_SERVICE;
use super::super::super::finding::Finding;
use super::super::pattern::Pattern;
use super::super::text::Text;

static OF_FILE: Pattern = Pattern::new(
    r"(\boci\.config\.from_file\s*\(|\bnew ConfigFileAuthenticationDetailsProvider\s*\(|\bcommon\.DefaultConfigProvider\s*\(|\bcommon\.ConfigurationProviderFromFile\w*\s*\(|\bnew common\.ConfigFileAuthenticationDetailsProvider\s*\()",
);

/// What lets a machine, a function or a workload act for itself.
static PRINCIPAL: Pattern = Pattern::new(
    r"(?i)(instance_?principal|resource_?principal|workload_?identity|OkeWorkload|secrets_?principal)",
);

static SHOWN: Pattern =
    Pattern::new(r"(?i)(^|/)(examples?|samples?|demos?|docs?|scripts?|tools?|notebooks?)/");

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    let path = text.file.path.as_str();
    if text.is_test
        || SHOWN.is_in(path)
        || PRINCIPAL.is_in(&text.file.text)
        || text.outline().is_none()
    {
        return;
    }
    for span in OF_FILE.all(&text.file.text) {
        if text.is_comment(span.start) {
            continue;
        }
        found.push(
            Finding::new(
                &USER_KEY_IN_SERVICE,
                span,
                "secrets are read with the API key of a person",
                "the key has to lie on every machine, does not change by itself, and can do whatever the person may",
            )
            .advise("an instance, resource or workload principal where it runs on OCI, the file on a developer's machine only"),
        );
    }
}
