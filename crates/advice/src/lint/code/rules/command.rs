//! C08, C09 and C19: commands that OCI's command line does not have, or that it refuses as they are.

use super::super::super::catalogue::{
    KEY_COMMAND_WITHOUT_ENDPOINT, MISSING_OPTION, NO_SUCH_COMMAND,
};
use super::super::super::finding::{Edit, Finding};
use super::super::invocation::{Invocation, Place, Spoken};
use super::super::pattern::Pattern;
use super::super::text::Text;

/// The commands there are, one in a line.
const COMMANDS: &str = include_str!("../oci-commands.txt");

/// Groups that people make up, which no other service of OCI has.
const INVENTED_GROUPS: &[&str] = &[
    "vault-secret",
    "vault-secrets",
    "secret",
    "kms-vault",
    "kms-key",
    "key-management",
    "vaults",
];

/// Verbs that people make up; another word after a group may be a part of a sentence.
const INVENTED_VERBS: &[&str] = &[
    "create",
    "delete",
    "remove",
    "get",
    "list",
    "update",
    "read",
    "show",
    "describe",
    "put",
    "set",
    "add",
    "rotate",
    "decrypt",
    "encrypt",
    "create-secret",
    "get-secret",
    "update-secret",
    "delete-secret",
    "get-secret-bundle",
    "get-secret-value",
    "create-version",
    "create-plain",
    "schedule-deletion",
    "enable",
    "disable",
];

/// What a sentence says of a command that is wrong, or of one that is right in place of it.
static SAID_TO_BE_WRONG: Pattern = Pattern::new(
    r"(?i)\b(mistakes?|wrong|incorrect|invalid|no such|not exist|doesn't exist|does not|instead of|never|don't|not `|not a|vs\.?|deprecated|confused?)\b|❌|✗",
);

/// Files that tell of commands that were.
static HISTORY: Pattern =
    Pattern::new(r"(?i)(^|/)(changelog|changes|history|release[-_]?notes)[^/]*$");

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    if HISTORY.is_in(&text.file.path) {
        return;
    }
    for invocation in text.invocations() {
        if invocation.place == Place::Prose {
            continue;
        }
        let command = invocation.command();
        if let Some(finding) = unknown(text, invocation, &command) {
            found.push(finding);
        } else {
            found.extend(without_endpoint(text, invocation, &command));
            found.extend(without_description(invocation, &command));
        }
    }
}

fn commands() -> impl Iterator<Item = &'static str> {
    COMMANDS.lines().filter(|line| !line.starts_with('#'))
}

/// Returns how many of the first words name a group or a command.
fn known_words(words: &[&str]) -> usize {
    let is_known = |count: &usize| {
        let start = words.get(..*count).unwrap_or(&[]).join(" ");
        commands().any(|command| {
            command
                .strip_prefix(&start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    };
    (1..=words.len()).take_while(is_known).count()
}

fn is_command(words: &[&str]) -> bool {
    let line = words.join(" ");
    commands().any(|command| command == line)
}

fn unknown(text: &Text<'_>, invocation: &Invocation, command: &[&Spoken]) -> Option<Finding> {
    let words: Vec<&str> = command.iter().map(|word| word.text.as_str()).collect();
    let first = *words.first()?;
    let known = known_words(&words);
    let is_invented_group = INVENTED_GROUPS.contains(&first) && words.len() > 1;
    if known == 0 && !is_invented_group {
        return None;
    }
    let ends_in_command = (1..=known).any(|count| is_command(words.get(..count).unwrap_or(&[])));
    let wrong = *words.get(known)?;
    if ends_in_command || !is_meant(invocation, command, known, wrong) {
        return None;
    }
    if !is_own_line(text, invocation) && is_said_to_be_wrong(text, invocation) {
        return None;
    }
    let (start, end) = (command.first()?.span.start, command.get(known)?.span.end);
    let shown = words.get(..=known)?.join(" ");
    let finding = Finding::new(
        &NO_SUCH_COMMAND,
        start..end,
        format!("there is no command `oci {shown}`"),
        why(&words, known),
    );
    Some(repaired(finding, &words, command))
}

/// Whether words are there to be run: options follow, or the word is a verb and nothing does.
fn is_meant(invocation: &Invocation, command: &[&Spoken], known: usize, wrong: &str) -> bool {
    let next = command.get(known + 1).map_or("", |word| word.text.as_str());
    let is_verb = [wrong, next].iter().any(|word| INVENTED_VERBS.contains(word)) || known == 0;
    let after = invocation
        .words
        .iter()
        .skip_while(|word| command.last().is_some_and(|last| word.span.start <= last.span.start));
    let mut after = after.peekable();
    match after.peek() {
        Some(next) => {
            next.text.starts_with('-')
                || is_verb && (next.text.starts_with(['$', '<', '.', '[', '{', '\\']))
        }
        None => is_verb,
    }
}

/// Whether a command fills its line, but for what shells print before it.
fn is_own_line(text: &Text<'_>, invocation: &Invocation) -> bool {
    let (line, start) = text.line_of(invocation.span.start);
    let before = line.get(..invocation.span.start - start).unwrap_or("");
    before.trim_start_matches([' ', '\t', '$', '>', '"', '\'', '`', '-']).is_empty()
}

fn is_said_to_be_wrong(text: &Text<'_>, invocation: &Invocation) -> bool {
    let (line, start) = text.line_of(invocation.span.start);
    let before = line.get(..invocation.span.start - start).unwrap_or("");
    let after = line.get(invocation.span.end.saturating_sub(start)..).unwrap_or("");
    SAID_TO_BE_WRONG.is_in(before) || SAID_TO_BE_WRONG.is_in(after)
}

fn why(words: &[&str], known: usize) -> String {
    let group = words.get(..known).unwrap_or(&[]).join(" ");
    let depth = known;
    let mut next: Vec<&str> = commands()
        .filter(|command| command.starts_with(&group))
        .filter_map(|command| command.split(' ').nth(depth))
        .collect();
    next.dedup();
    if known == 0 {
        return "secrets are written by `oci vault secret`, read by `oci secrets secret-bundle`, and keys are `oci kms management key`".to_owned();
    }
    format!("`oci {group}` has {}", next.join(", "))
}

/// Pairs of what people write and what they mean. The second is whole.
const MEANT: &[(&str, &str)] = &[
    ("vault secret delete", "vault secret schedule-secret-deletion"),
    ("vault secret remove", "vault secret schedule-secret-deletion"),
    ("vault secret schedule-deletion", "vault secret schedule-secret-deletion"),
    ("vault secret create", "vault secret create-base64"),
    ("vault secret put", "vault secret update-base64"),
    ("vault secret set", "vault secret update-base64"),
    ("vault secret read", "secrets secret-bundle get"),
    ("vault secret show", "secrets secret-bundle get"),
    ("vault secret describe", "vault secret get"),
    ("vault secret get-secret-bundle", "secrets secret-bundle get"),
    ("vault secret-bundle get", "secrets secret-bundle get"),
    ("secrets secret get", "secrets secret-bundle get"),
    ("secrets get", "secrets secret-bundle get"),
    ("secrets get-secret-bundle", "secrets secret-bundle get"),
    ("secret get", "secrets secret-bundle get"),
    ("secrets secret list", "vault secret list"),
    ("vault list", "kms management vault list"),
    ("vault get", "kms management vault get"),
    ("vault create", "kms management vault create"),
    ("kms encrypt", "kms crypto encrypt"),
    ("kms decrypt", "kms crypto decrypt"),
];

/// Says what is meant; where the options stay right, changes the words.
fn repaired(finding: Finding, words: &[&str], command: &[&Spoken]) -> Finding {
    let Some((length, meant)) = meant(words) else { return finding };
    let span = match (command.first(), command.get(length - 1)) {
        (Some(first), Some(last)) => first.span.start..last.span.end,
        _ => return finding,
    };
    let is_list = command
        .windows(2)
        .any(|pair| matches!(pair, [one, two] if two.span.start > one.span.end + 1));
    // Content has to be encoded for create-base64, and reading takes another argument: a choice.
    let needs_choice = meant.contains("base64") || meant.contains("secret-bundle") || is_list;
    let whole = format!("oci {meant}");
    if needs_choice {
        let more = if meant.contains("base64") {
            " --secret-content-content \"$(base64 -w0 < FILE)\""
        } else {
            ""
        };
        return finding.advise(format!("{whole}{more}"));
    }
    finding.repair(whole, vec![Edit { span, text: meant }])
}

/// Returns what words mean, and how many of them say it.
fn meant(words: &[&str]) -> Option<(usize, String)> {
    for (written, meant) in MEANT {
        let length = written.split(' ').count();
        if words.get(..length).is_some_and(|start| start.join(" ") == *written) {
            return Some((length, (*meant).to_owned()));
        }
    }
    with_group(words)
}

/// Names of groups that people write, and the groups that they mean.
const GROUPS: &[(&str, &str)] = &[
    ("vault-secret", "vault secret"),
    ("vault-secrets", "vault secret"),
    ("secret", "vault secret"),
    ("secrets secret", "vault secret"),
    ("kms secret", "vault secret"),
    ("kms vault", "kms management vault"),
    ("kms key", "kms management key"),
    ("kms key-version", "kms management key-version"),
    ("vault vault", "kms management vault"),
    ("vault key", "kms management key"),
    ("kms-vault", "kms management vault"),
    ("kms-key", "kms management key"),
];

fn with_group(words: &[&str]) -> Option<(usize, String)> {
    let (written, group) = GROUPS.iter().find(|(written, _)| {
        words.get(..written.split(' ').count()).is_some_and(|start| start.join(" ") == *written)
    })?;
    let length = written.split(' ').count();
    let verb = *words.get(length)?;
    let whole = format!("{group} {verb}");
    let known: Vec<&str> = whole.split(' ').collect();
    if is_command(&known) {
        return Some((length + 1, whole));
    }
    let (_, meant) = MEANT.iter().find(|(written, _)| *written == whole)?;
    Some((length + 1, (*meant).to_owned()))
}

/// Groups whose commands are sent to a vault's own endpoint.
const OF_A_VAULT: &[&str] = &[
    "kms management key ",
    "kms management key-version ",
    "kms management wrapping-key ",
    "kms management replication-status-details ",
    "kms crypto ",
];

/// Options that say where the others are, or that nothing is sent.
const ELSEWHERE: &[&str] = &[
    "--from-json",
    "--generate-full-command-json-input",
    "--generate-param-json-input",
    "--help",
    "-h",
    "-?",
];

fn without_endpoint(
    text: &Text<'_>,
    invocation: &Invocation,
    command: &[&Spoken],
) -> Option<Finding> {
    let line = command.iter().fold(String::new(), |line, word| line + &word.text + " ");
    let is_of_a_vault = OF_A_VAULT.iter().any(|group| line.starts_with(group));
    let has_options = invocation.words.iter().any(|word| word.text.starts_with("--"));
    let is_elsewhere = ELSEWHERE.iter().any(|option| invocation.has_option(option));
    if !is_of_a_vault
        || !has_options
        || is_elsewhere
        || invocation.has_option("--endpoint")
        || has_unknown_words(invocation)
        || text.file.text.contains("OCI_CLI_ENDPOINT")
    {
        return None;
    }
    let (start, end) = (command.first()?.span.start, command.last()?.span.end);
    let shown = line.trim_end();
    Some(
        Finding::new(
            &KEY_COMMAND_WITHOUT_ENDPOINT,
            start..end,
            format!("`oci {shown}` has no `--endpoint`"),
            "keys are managed and used at the endpoint of their vault, which the command line does not look up: it refuses the command",
        )
        .advise(endpoint_of(&line)),
    )
}

fn endpoint_of(line: &str) -> String {
    let name = if line.starts_with("kms crypto") { "crypto" } else { "management" };
    format!(
        "--endpoint \"$(oci kms management vault get --vault-id VAULT --query 'data.\"{name}-endpoint\"' --raw-output)\""
    )
}

/// Whether a word may hold options that are not seen: `"$@"`, `$OPTIONS`, `...`.
fn has_unknown_words(invocation: &Invocation) -> bool {
    let mut takes_value = false;
    for word in &invocation.words {
        let is_unknown =
            word.text.starts_with('$') || matches!(word.text.as_str(), "..." | "…" | "[OPTIONS]");
        // `[text]` stands for a value where a manual shows how a command is written.
        let is_manual = word
            .text
            .strip_prefix('[')
            .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_alphabetic()));
        if is_manual || is_unknown && !takes_value {
            return true;
        }
        takes_value = word.text.starts_with('-') && !word.text.contains('=');
    }
    false
}

fn without_description(invocation: &Invocation, command: &[&Spoken]) -> Option<Finding> {
    let line: Vec<&str> = command.iter().map(|word| word.text.as_str()).collect();
    let is_it = line == ["iam", "dynamic-group", "create"] && invocation.has_option("--name");
    let is_elsewhere = ELSEWHERE.iter().any(|option| invocation.has_option(option));
    if !is_it
        || is_elsewhere
        || invocation.has_option("--description")
        || has_unknown_words(invocation)
    {
        return None;
    }
    let span = command.first()?.span.start..command.last()?.span.end;
    Some(
        Finding::new(
            &MISSING_OPTION,
            span,
            "`oci iam dynamic-group create` has no `--description`",
            "the command line refuses it: name, description and matching rule are all required",
        )
        .advise("--description \"what the group is for\""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_exists() {
        for (_, meant) in MEANT {
            assert!(is_command(&meant.split(' ').collect::<Vec<_>>()), "{meant}");
        }
        assert_eq!(meant(&["vault-secret", "list"]).unwrap().1, "vault secret list");
        assert_eq!(meant(&["kms", "secret", "create"]).unwrap().1, "vault secret create-base64");
        assert_eq!(meant(&["kms", "key", "fly"]), None);
        assert_eq!(commands().count(), 79);
    }
}
