//! C14: secrets among the arguments of a program, which every user of the machine can list.

use super::super::super::catalogue::SECRET_IN_ARGUMENTS;
use super::super::super::finding::Finding;
use super::super::flow::Flow;
use super::super::names::is_secret_variable;
use super::super::pattern::Pattern;
use super::super::shell::{Command, Word};
use super::super::text::Text;

/// Options whose value is a password.
static OPTION: Pattern = Pattern::new(
    r"(?i)^(--?(?:[a-z-]*-)?(?:password|passwd|passphrase|secret-key|client-secret)|-passin|-passout)(=|$)",
);

/// Commands of the shell itself, whose arguments are no program's, and those that only print.
const BUILTINS: &[&str] = &[
    "echo", "printf", "[", "[[", "test", "export", "read", "set", "local", "declare", "return",
    "case", "for", "",
];

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    if text.is_test {
        return;
    }
    for script in text.scripts() {
        for command in &script.commands {
            if BUILTINS.contains(&command.name()) {
                continue;
            }
            found.extend(told_secret(command).map(|word| finding(command, word)));
        }
    }
}

/// Returns the argument that has a secret in it.
fn told_secret(command: &Command) -> Option<&Word> {
    let words = command.arguments();
    let has_secret = |word: &Word| {
        word.variables.iter().any(|name| is_secret_variable(name)) && !is_file(&word.text)
    };
    let after_option = words.windows(2).find_map(|pair| match pair {
        [option, value] if OPTION.is_in(&option.text) && !option.text.contains('=') => {
            has_secret(value).then_some(value)
        }
        _ => None,
    });
    let joined = || {
        words
            .iter()
            .find(|word| OPTION.is_in(&word.text) && word.text.contains('=') && has_secret(word))
    };
    let short = || words.iter().find(|word| is_short(command.name(), word) && has_secret(word));
    let separate = || {
        let takes = matches!(command.name(), "sshpass" | "docker" | "podman" | "helm");
        words.windows(2).find_map(|pair| match pair {
            [option, value] if takes && option.text == "-p" => has_secret(value).then_some(value),
            _ => None,
        })
    };
    after_option.or_else(joined).or_else(short).or_else(separate)
}

/// Whether a program takes a password in this form, such as `mysql -pSECRET`.
fn is_short(program: &str, word: &Word) -> bool {
    match program {
        "mysql" | "mysqldump" | "mysqladmin" | "mariadb" | "sshpass" => word.text.starts_with("-p"),
        "openssl" => word.text.starts_with("pass:"),
        _ => false,
    }
}

/// Whether a value says where the secret is, and is not the secret.
fn is_file(text: &str) -> bool {
    text.starts_with("file:") || text.starts_with("env:") || text.starts_with('@')
}

fn finding(command: &Command, word: &Word) -> Finding {
    Finding::new(
        &SECRET_IN_ARGUMENTS,
        word.span.clone(),
        format!("a secret is an argument of `{}`", command.name()),
        "arguments of a process can be listed by every user of the machine, and are kept in histories and audit logs",
    )
    .advise("hand it over by a file, standard input or the environment")
}

/// Calls of programs that start others.
static STARTS: Pattern = Pattern::new(
    r"^(subprocess\.\w+|os\.(system|popen|execv?p?e?|spawn\w+)|Popen|exec\.Command(Context)?|exec|execSync|execFile(Sync)?|spawn(Sync)?|child_process\.\w+|ProcessBuilder|Runtime.*\.exec|.*\.arg|.*\.args)$",
);

/// Secrets that a program hands over.
pub(super) fn look_at_programs(text: &Text<'_>, found: &mut Vec<Finding>) {
    let Some(outline) = text.outline().filter(|_| !text.is_test) else { return };
    let flow = Flow::new(outline);
    if !flow.reads_secrets() {
        return;
    }
    for call in outline.calls.iter().filter(|call| STARTS.is_in(&call.callee)) {
        let told = call.arguments.iter().enumerate().find_map(|(number, argument)| {
            let is_option = number > 0 && is_keyword(text.at(argument.clone()));
            let mut mentions = outline.mentions_in(argument).filter(|_| !is_option);
            mentions.find(|mention| flow.is_secret_in(mention, Some(argument)))
        });
        if let Some(mention) = told {
            found.push(
                Finding::new(
                    &SECRET_IN_ARGUMENTS,
                    mention.span.clone(),
                    format!("`{}`, which holds a secret, is an argument of a program", mention.path),
                    "arguments of a process can be listed by every user of the machine, and are kept in audit logs",
                )
                .advise("hand it over by a file, standard input or the environment"),
            );
        }
    }
}

/// Python's `input=secret`, `env={…}`: what is no argument of the program.
fn is_keyword(argument: &str) -> bool {
    argument.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
    }) || argument.starts_with('{')
}
