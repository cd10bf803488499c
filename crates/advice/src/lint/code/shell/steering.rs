use super::command::{Command, Word};
use super::reader::Place;

/// Goes on to the next branch of the nearest condition.
pub(super) fn next_branch(place: &mut Place) {
    if let Some((_, branch)) = place.branches.last_mut() {
        *branch += 1;
    }
}

/// Takes off the words that steer, and takes note of what they begin and end. Returns the first command
/// of the group that ends. `next` is the number of the command that comes.
pub(super) fn steer(
    command: &mut Command,
    place: &mut Place,
    numbers: &mut usize,
    next: usize,
) -> Option<usize> {
    let mut ended = None;
    while let Some(first) = command.words.first().map(|word| word.text.clone()) {
        match first.as_str() {
            "if" | "case" | "while" | "until" | "for" | "select" | "{" => place.groups.push(next),
            "fi" | "esac" | "done" | "}" => ended = place.groups.pop(),
            _ => {}
        }
        match first.as_str() {
            "if" | "case" => {
                *numbers += 1;
                place.branches.push((*numbers, 0));
            }
            "elif" | "else" => next_branch(place),
            "fi" | "esac" => drop(place.branches.pop()),
            "function" => {
                place.open.push("function");
                command.words.drain(..command.words.len().min(1));
            }
            "{" => {
                let is_function = place.open.last() == Some(&"function");
                if is_function {
                    place.open.pop();
                    place.functions += 1;
                }
                place.open.push(if is_function { "}function" } else { "}" });
            }
            "}" => {
                if place.open.pop() == Some("}function") {
                    place.functions = place.functions.saturating_sub(1);
                }
            }
            "then" | "do" | "while" | "until" | "done" | "!" => {}
            _ => return ended,
        }
        if first == "case" {
            command.words.clear();
            return ended;
        }
        if command.words.is_empty() {
            return ended;
        }
        let word = command.words.remove(0);
        begin_after(command, &word);
        take_assignments(command);
    }
    ended
}

fn begin_after(command: &mut Command, word: &Word) {
    if let Some(next) = command.words.first() {
        command.span.start = next.span.start.max(word.span.end);
    }
}

/// After `then` and its like, NAME=value is an assignment and not yet taken for one.
fn take_assignments(command: &mut Command) {
    while let Some(word) = command.words.first() {
        let Some((name, value)) = word.text.split_once('=') else { return };
        if !is_name(name) {
            return;
        }
        let (name, value) = (name.to_owned(), value.to_owned());
        let word = command.words.remove(0);
        command.assignments.push((name, Word { text: value, ..word }));
    }
}

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
