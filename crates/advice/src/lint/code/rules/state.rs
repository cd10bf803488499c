//! C10: contents of secrets in the state of Terraform.

use super::super::super::catalogue::SECRET_IN_STATE;
use super::super::super::finding::Finding;
use super::super::pattern::Pattern;
use super::super::text::Text;

/// Where a content comes from that Terraform knows.
static KNOWN: Pattern = Pattern::new(
    r#"(\bvar\.|random_password\.|random_string\.|tls_private_key\.|\bfile\(|\blocal\.|^\s*(base64encode\(\s*)?")"#,
);

const WHY: &str = "Terraform keeps every value in its state, readable by whoever can plan; encrypting the store does not take it out";

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    for block in text.blocks() {
        if block.is_resource("oci_vault_secret") {
            let contents = block.all().into_iter().filter(|inner| inner.kind == "secret_content");
            for content in contents.filter_map(|inner| inner.attribute("content")) {
                if !KNOWN.is_in(text.at(content.value.clone())) {
                    continue;
                }
                found.push(
                    Finding::new(
                        &SECRET_IN_STATE,
                        content.value.clone(),
                        "the content of a secret is kept in Terraform's state",
                        WHY,
                    )
                    .advise("let the vault generate it (enable_auto_generation), or store it with strongroom put and ignore_changes"),
                );
            }
        }
        if block.kind == "output" {
            let shown = block.attribute("value").map(|value| value.value.clone());
            let shown =
                shown.filter(|span| text.at(span.clone()).contains("oci_secrets_secretbundle"));
            let is_content =
                |span: &std::ops::Range<usize>| text.at(span.clone()).contains("content");
            if let Some(span) = shown.filter(is_content) {
                found.push(
                    Finding::new(
                        &SECRET_IN_STATE,
                        span,
                        "an output keeps a secret in Terraform's state",
                        WHY,
                    )
                    .advise("output the OCID of the secret, and read the secret where it is used"),
                );
            }
        }
    }
}
