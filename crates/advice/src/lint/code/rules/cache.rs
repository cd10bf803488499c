//! C05: secrets that are read again and again.

use super::super::super::catalogue::UNCACHED_RETRIEVAL;
use super::super::super::finding::{Finding, Level};
use super::super::flow::is_retrieval;
use super::super::kind::Kind;
use super::super::outline::{Call, Function, Outline};
use super::super::pattern::Pattern;
use super::super::text::Text;

/// Words of code that keeps what it read.
static KEEPS: Pattern = Pattern::new(
    r"(?i)(cache|\bttl|_ttl|ttl_|memo|lazy|once_?(cell|lock)|sync\.once|refresh_?interval|expires_?(at|in)|last_?(fetch|read|refresh|updated)|singleton|postconstruct|lru_)",
);

/// Heads of functions that answer a request.
static HANDLER: Pattern = Pattern::new(
    r"(?x)(@\w+(\.\w+)*\.(route|get|post|put|delete|patch|api_route|websocket)\b|@(Get|Post|Put|Delete|Patch|Request)Mapping|@(GET|POST|PUT|DELETE|Path)\b
        |\bdef\s+(handler|lambda_handler|do_GET|do_POST)\b|http\.ResponseWriter|gin\.Context|echo\.Context|fiber\.Ctx|HttpServletRequest|\bHttpRequest\b
        |\(\s*(req|request|ctx)\b[^)]*,\s*(res|response|reply|next)\b|@csrf_exempt|handleRequest)",
);

/// Functions that run once for a process.
const RUN_ONCE: &[&str] = &[
    "main",
    "init",
    "__init__",
    "setup",
    "setUp",
    "constructor",
    "configure",
    "startup",
    "bootstrap",
    "initialize",
];

const WHY: &str = "each call is a request that is paid for, throttled and waited for; a secret changes when it is rotated, and not between two requests";
const ADVICE: &str = "keep the value for some minutes, less than the secret's rotation interval: strongroom agent does, for every process of the machine";

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    let Some(outline) = text.outline() else { return };
    if text.is_test {
        return;
    }
    let keeps = KEEPS.is_in(&text.file.text);
    for call in outline.calls.iter().filter(|call| is_retrieval(call) && is_of_kit(text.kind, call))
    {
        let Some(function) = outline.functions.get(call.function) else { continue };
        if is_wrapper(function, call) {
            continue;
        }
        let place = if is_repeated(outline, call) || is_repeated_by_line(text, call) {
            Some("in a loop")
        } else if keeps {
            None
        } else if is_handler(text, function) {
            Some("for each request")
        } else if runs_for_requests(text, outline, call, function) {
            Some("each time the function is called")
        } else {
            None
        };
        let keeps_here = KEEPS.is_in(text.at(function.span.clone())) && call.function != 0;
        if let (Some(place), false) = (place, keeps_here) {
            found.push(finding(call, &format!("a secret is read {place}")));
        } else if is_cut_out(text, outline)
            && !keeps
            && !is_definition(text, call)
            && call.loops.is_empty()
        {
            let message = "a secret is read, and nothing is seen that keeps it";
            found.push(finding(call, message).at_level(Level::Info));
        }
    }
}

fn finding(call: &Call, message: &str) -> Finding {
    Finding::new(&UNCACHED_RETRIEVAL, call.span.clone(), message, WHY).advise(ADVICE)
}

/// Go's kit has capital letters: what has none is a function of the program.
fn is_of_kit(kind: Kind, call: &Call) -> bool {
    kind != Kind::Go || call.name().starts_with('G')
}

/// A kit itself, or what hands its calls on.
fn is_wrapper(function: &Function, call: &Call) -> bool {
    function.name == call.name()
}

/// Whether a call is in a loop that does not ask for another secret each time.
fn is_repeated(outline: &Outline, call: &Call) -> bool {
    call.loops.iter().any(|number| {
        let names = outline.loops.get(*number).map_or(&[][..], |one| one.names.as_slice());
        let is_named = |name: &&String| {
            call.arguments.iter().any(|argument| {
                outline.mentions_in(argument).any(|mention| mention.root() == name.as_str())
            })
        };
        !names.iter().any(|name| is_named(&name))
            && !asks_for_what_the_loop_makes(outline, call, names)
    })
}

/// Whether an argument was made from the loop's names: another secret each time.
fn asks_for_what_the_loop_makes(outline: &Outline, call: &Call, names: &[String]) -> bool {
    let roots = call.arguments.iter().flat_map(|argument| outline.mentions_in(argument));
    roots.into_iter().any(|mention| {
        outline.assigns.iter().any(|assign| {
            assign.function == call.function
                && assign.names.iter().any(|name| name == mention.root())
                && outline
                    .mentions_in(&assign.value)
                    .any(|one| names.iter().any(|name| name == one.root()))
        })
    })
}

/// Whether the lines before begin a loop, in a piece of Python whose indentation is lost.
fn is_repeated_by_line(text: &Text<'_>, call: &Call) -> bool {
    if text.kind != Kind::Python {
        return false;
    }
    let number = text.file.position(call.span.start).line;
    let mut before = (number.saturating_sub(3).max(1)..number).map(|line| text.file.line(line));
    let is_flat = |line: &str| !line.starts_with([' ', '\t']);
    is_flat(text.file.line(number))
        && before.any(|line| {
            (line.starts_with("for ") || line.starts_with("while ")) && line.ends_with(':')
        })
}

fn is_handler(text: &Text<'_>, function: &Function) -> bool {
    !function.head.is_empty() && HANDLER.is_in(text.at(function.head.clone()))
}

/// Whether a function is called for requests: a handler calls it, or it makes its own client, which
/// nobody does who keeps what he reads, and is not run at the start only.
fn runs_for_requests(text: &Text<'_>, outline: &Outline, call: &Call, function: &Function) -> bool {
    if call.function == 0 || RUN_ONCE.contains(&function.name.as_str()) {
        return false;
    }
    let callers: Vec<&Call> = outline
        .calls
        .iter()
        .filter(|other| !function.name.is_empty() && other.name() == function.name)
        .collect();
    let is_handled = |other: &&Call| {
        outline.functions.get(other.function).is_some_and(|caller| is_handler(text, caller))
    };
    if callers.iter().any(is_handled) {
        return true;
    }
    let runs_once = |other: &&Call| {
        let caller = outline.functions.get(other.function);
        let name = caller.map_or("", |caller| caller.name.as_str());
        let is_start =
            other.function == 0 || RUN_ONCE.contains(&name) || is_constructor(text, outline, other);
        is_start && other.loops.is_empty()
    };
    if !callers.is_empty() && callers.iter().all(runs_once) {
        return false;
    }
    makes_client(text, outline, call.function, function)
}

/// Whether a call stands in a constructor of Java.
fn is_constructor(text: &Text<'_>, outline: &Outline, call: &Call) -> bool {
    outline.functions.get(call.function).is_some_and(|function| {
        let head = text.at(function.head.clone());
        text.kind == Kind::Java
            && head.contains(&format!("{}(", function.name))
            && text.file.text.contains(&format!("class {}", function.name))
    })
}

fn makes_client(text: &Text<'_>, outline: &Outline, number: usize, function: &Function) -> bool {
    let is_static =
        text.kind == Kind::Java && text.at(function.head.clone()).contains("static void main");
    let is_client = |call: &&Call| {
        let callee = call.callee.as_str();
        call.function == number
            && (callee.ends_with("SecretsClient")
                || callee.ends_with("NewSecretsClientWithConfigurationProvider")
                || callee.contains("SecretsClient.builder"))
    };
    !is_static && outline.calls.iter().any(|call| is_client(&call))
}

/// Whether a method's head is taken for a call, as it looks where its class is cut off.
fn is_definition(text: &Text<'_>, call: &Call) -> bool {
    static HEAD: Pattern = Pattern::new(
        r"^\s*(export|public|private|protected|static|async|function|func|def)\b[^=]*$",
    );
    HEAD.is_in(text.line_of(call.span.start).0)
}

/// Whether a text is a piece of a program: it names no module, defines nothing, and is short.
fn is_cut_out(text: &Text<'_>, outline: &Outline) -> bool {
    const LONGEST_PIECE: usize = 12;
    let has_head = ["import ", "package ", "require(", "use ", "from "].iter().any(|word| {
        text.file
            .text
            .lines()
            .any(|line| line.trim_start().starts_with(word) || line.contains("require("))
    });
    outline.functions.len() == 1 && !has_head && text.file.line_count() <= LONGEST_PIECE
}
