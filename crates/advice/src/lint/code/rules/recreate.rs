//! C07: secrets that are deleted and made anew where a new version belongs.

use std::ops::Range;

use super::super::super::catalogue::DELETE_AND_RECREATE;
use super::super::super::finding::Finding;
use super::super::kind::Kind;
use super::super::names::snake;
use super::super::outline::Outline;
use super::super::pattern::Pattern;
use super::super::scan::Subject;
use super::super::shell::Command;
use super::super::text::Text;

const WHY: &str = "a new secret has a new OCID: everything that reads the old one fails until it is told, and the old name stays taken for days";
const ADVICE: &str = "oci vault secret update-base64 --secret-id SECRET --secret-content-content \"$(base64 -w0 < FILE)\"";

/// What is another each time.
static RANDOM: Pattern =
    Pattern::new(r"(\$RANDOM|\$\{RANDOM\}|\$\(date|`date|\$\(uuidgen|`uuidgen|openssl rand)");

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    if text.is_test {
        return;
    }
    for script in text.scripts() {
        in_shell(text, &script.commands, found);
    }
    if let Some(outline) = text.outline_if(text.subjects.has(Subject::Deletion)) {
        in_program(text, outline, found);
    }
    in_terraform(text, found);
}

/// What a command does to a secret.
#[derive(PartialEq, Eq)]
enum Act {
    Delete,
    Create,
}

/// Returns what a command does, by the right command or one that does not exist.
fn act(command: &Command) -> Option<Act> {
    if command.name() != "oci" {
        return None;
    }
    let words: Vec<&str> =
        command.arguments().iter().take(3).map(|word| word.text.as_str()).collect();
    match words.as_slice() {
        ["vault", "secret", "schedule-secret-deletion" | "delete" | "schedule-deletion"] => {
            Some(Act::Delete)
        }
        ["vault-secret" | "secret", "delete" | "schedule-deletion", ..] => Some(Act::Delete),
        ["vault", "secret", "create-base64" | "create"]
        | ["vault-secret" | "secret", "create", ..] => Some(Act::Create),
        _ => None,
    }
}

fn in_shell(text: &Text<'_>, commands: &[Command], found: &mut Vec<Finding>) {
    let mut deleted: Vec<&Command> = Vec::new();
    for command in commands {
        match act(command) {
            Some(Act::Delete) => deleted.push(command),
            Some(Act::Create) => {
                let earlier = deleted.iter().find(|earlier| command.can_follow(earlier));
                let name = command.option("--secret-name").or_else(|| command.option("--name"));
                if let Some(earlier) = earlier {
                    found.push(recreated(earlier.span.clone(), command.span.clone()));
                } else if let Some(name) =
                    name.filter(|name| RANDOM.is_in(text.at(name.span.clone())))
                {
                    found.push(
                        Finding::new(
                            &DELETE_AND_RECREATE,
                            name.span.clone(),
                            "each run makes another secret, under another name",
                            WHY,
                        )
                        .advise(ADVICE),
                    );
                }
            }
            None => {}
        }
    }
}

fn recreated(deletion: Range<usize>, creation: Range<usize>) -> Finding {
    Finding::new(&DELETE_AND_RECREATE, deletion, "a secret is deleted and made anew", WHY)
        .labelled("deleted here")
        .and_at(creation, "made anew here, under another OCID")
        .advise(ADVICE)
}

fn in_program(text: &Text<'_>, outline: &Outline, found: &mut Vec<Finding>) {
    for (number, deletion) in outline.calls.iter().enumerate() {
        if snake(deletion.name()) != "schedule_secret_deletion" || deletion.arguments.is_empty() {
            continue;
        }
        let later = outline.calls.get(number + 1..).unwrap_or(&[]);
        let creation = later.iter().find(|call| {
            call.function == deletion.function
                && snake(call.name()) == "create_secret"
                && !call.arguments.is_empty()
        });
        if let Some(creation) =
            creation.filter(|_| deletion.function != 0 || is_straight(text, deletion.span.end))
        {
            found.push(recreated(deletion.span.clone(), creation.span.clone()));
        }
    }
}

/// Whether what follows is a script that runs from top to bottom.
fn is_straight(text: &Text<'_>, _from: usize) -> bool {
    matches!(text.kind, Kind::Python | Kind::JavaScript | Kind::TypeScript)
}

static CHANGING: Pattern = Pattern::new(r"\b(timestamp|uuid|plantimestamp)\(\)");

fn in_terraform(text: &Text<'_>, found: &mut Vec<Finding>) {
    for block in text.blocks().iter().filter(|block| block.is_resource("oci_vault_secret")) {
        let Some(name) = block.attribute("secret_name") else { continue };
        let is_ignored = text.at(block.span.clone()).contains("ignore_changes");
        if CHANGING.is_in(text.at(name.value.clone())) && !is_ignored {
            found.push(
                Finding::new(
                    &DELETE_AND_RECREATE,
                    name.value.clone(),
                    "each run replaces the secret by one of another name",
                    WHY,
                )
                .advise("a name that stays, and new content for a new version"),
            );
        }
    }
}
