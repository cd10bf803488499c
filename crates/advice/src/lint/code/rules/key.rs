//! C12 and C13: private keys in the tree, and keys that others may read.

use super::super::super::catalogue::{PRIVATE_KEY_IN_TREE, READABLE_KEY_FILE};
use super::super::super::finding::{Finding, Level};
use super::super::kind::Kind;
use super::super::pattern::Pattern;
use super::super::text::Text;
use super::chmod::mode_of;

static KEY: Pattern = Pattern::new(
    r"-----BEGIN ((?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY)-----((?:\s|\\n|\\r|[A-Za-z0-9+/=:,-]|\x22|')*)",
);

/// The fewest letters of a body: what is shorter is cut off, or a pattern.
const FEWEST_LETTERS: usize = 100;

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    for groups in KEY.groups(&text.file.text) {
        let [Some(whole), Some(kind), Some(body)] = groups.as_slice() else { continue };
        let letters = text.at(body.clone()).bytes().filter(u8::is_ascii_alphanumeric);
        let mut seen = [false; 256];
        let mut count = 0;
        for letter in letters {
            count += 1;
            if let Some(seen) = seen.get_mut(usize::from(letter)) {
                *seen = true;
            }
        }
        let different = seen.iter().filter(|seen| **seen).count();
        if count < FEWEST_LETTERS || different < 30 {
            continue;
        }
        let name = text.at(kind.clone());
        let is_locked =
            name.starts_with("ENCRYPTED") || text.at(body.clone()).contains("Proc-Type");
        let finding = Finding::new(
            &PRIVATE_KEY_IN_TREE,
            whole.start..kind.end + "-----".len(),
            "a private key stands in the file",
            "whoever can read the tree, now or in its history, can act as the owner of the key",
        )
        .advise("make a new key, delete the old one where it is registered, and keep the new one out of the tree");
        let is_harmless = text.is_test || is_locked || text.kind == Kind::Markdown;
        found.push(if is_harmless { finding.at_level(Level::Info) } else { finding });
    }
}

static KEY_FILE: Pattern = Pattern::new(
    r"(?i)(\.oci/(config|[^/]*\.pem)|oci_api_key[^/]*\.pem|/id_(rsa|ed25519|ecdsa)$|private[^/]*\.(pem|key)$)",
);

/// Keys that a script makes readable for others.
pub(super) fn look_at_modes(text: &Text<'_>, found: &mut Vec<Finding>) {
    let commands = text.scripts().iter().flat_map(|script| &script.commands);
    for command in commands.filter(|command| command.name() == "chmod") {
        let Some((mode, paths)) = mode_of(command) else { continue };
        let Some(key) = paths.iter().find(|path| KEY_FILE.is_in(&path.text)) else { continue };
        if !mode.opens_to_others() {
            continue;
        }
        found.push(
            Finding::new(
                &READABLE_KEY_FILE,
                command.span.clone(),
                format!("`{}` becomes readable for others", key.text),
                "every user of the machine can take the key; OCI's command line warns of such a file",
            )
            .advise(format!("chmod 600 {}", key.text)),
        );
    }
}
