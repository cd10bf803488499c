//! Measures reads against two floors and writes against the disk, pair by pair in one run.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a tool for developers: it prints, starts programs, takes times and does statistics"
)]

mod agent;
mod answer;
mod cache;
mod crypto;
mod disk;
mod floor;
mod hidden;
mod histogram;
mod load;
mod many;
mod ours;
mod plan;
mod process;
mod reads;
mod regions;
mod report;
mod requests;
mod rounds;
mod writes;

use std::process::ExitCode;

/// What a failure looks like in a tool.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["floor", rest @ ..] => floor::run(rest),
        ["agent", rest @ ..] => agent::run(rest),
        ["crypto", rest @ ..] => plan::Plan::read(rest).and_then(rounds::crypto),
        ["many", rest @ ..] => plan::Plan::read(rest).and_then(rounds::many),
        ["hidden", rest @ ..] => plan::Plan::read(rest).and_then(rounds::hidden),
        ["regions", rest @ ..] => plan::Plan::read(rest).and_then(rounds::regions),
        ["cache", rest @ ..] => plan::Plan::read(rest).and_then(|plan| cache::run(&plan)),
        ["floors", rest @ ..] => plan::Plan::read(rest).and_then(rounds::floors),
        rest => plan::Plan::read(rest).and_then(rounds::whole),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
