//! What the product promises, tried against failures: histories that must be linearizable.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::as_conversions,
    reason = "a tool for developers: it prints, starts programs, and takes times"
)]

mod cluster;
mod faults;
mod history;
mod http;
mod linearize;
mod options;
mod simulate;
mod wgl;

use std::process::ExitCode;

use self::options::Options;

/// What a failure looks like in a tool.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["linearize", rest @ ..] => Options::read(rest).and_then(|asked| linearize::run(&asked)),
        ["faults", rest @ ..] => faults::run(rest),
        ["simulate", rest @ ..] => Options::read(rest).and_then(|asked| simulate::run(&asked)),
        _ => Err(options::usage()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
