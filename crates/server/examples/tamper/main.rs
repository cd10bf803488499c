//! Edits the database of a server as somebody who has it, but not the root key: every edit is noticed,
//! and until it is, no row is read that the server did not write last.
//!
//! usage: `tamper STRONGROOM [--edits N] [--seed S] [--binary N] [--engine sqlite|postgres]`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that tells what it did")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that is a program: it copies files, runs programs, and ends where it cannot go on"
)]

mod binary;
mod desk;
mod edits;
mod history;
mod postgres;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use strongroom_testkit::Dice;

use self::desk::Desk;
use self::edits::Edit;
use self::history::History;

struct Arguments {
    program: String,
    edits: usize,
    with_program: usize,
    seed: Option<u64>,
    on_postgres: bool,
}

impl Arguments {
    fn read() -> Option<Self> {
        let mut words = std::env::args().skip(1);
        let program = words.next()?;
        let mut read =
            Self { program, edits: 1000, with_program: 0, seed: None, on_postgres: false };
        while let Some(word) = words.next() {
            let value = words.next()?;
            match word.as_str() {
                "--edits" => read.edits = value.parse().ok()?,
                "--binary" => read.with_program = value.parse().ok()?,
                "--seed" => read.seed = Some(value.parse().ok()?),
                "--engine" if value == "postgres" => read.on_postgres = true,
                "--engine" if value == "sqlite" => {}
                _ => return None,
            }
        }
        Some(read)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(arguments) = Arguments::read() else {
        eprintln!("usage: tamper STRONGROOM [--edits N] [--seed S] [--binary N] [--engine ENGINE]");
        return ExitCode::from(2);
    };
    let began = Instant::now();
    let mut dice = Dice::new(arguments.seed);
    println!("seed {}", dice.seed());
    let history = History::make(&arguments.program).await;
    let (rows, older) = (history.now().len(), history.before().len());
    println!("a server's database: {rows} rows, {older} earlier states of it");
    let server = arguments.on_postgres.then(postgres::Server::start);
    let mut desk = match &server {
        Some(server) => Desk::on_postgres(&history, server).await,
        None => Desk::on_file(&history),
    };
    let mut count: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for number in 0..arguments.edits {
        let edit = Edit::draw(&mut dice, &history);
        match desk.trial(&edit, &history, dice.roll(2) == 0).await {
            Ok(seen) => *count.entry((edit.kind, seen.told())).or_default() += 1,
            Err(why) => faults.push(format!("edit {number}, {}: {why}", edit.kind)),
        }
    }
    for ((kind, seen), number) in &count {
        println!("{number:>6}  {kind:<24} {seen}");
    }
    let mut with_program = 0;
    for number in 0..arguments.with_program {
        let edit = Edit::draw(&mut dice, &history);
        with_program += 1;
        if let Err(why) = binary::trial(&arguments.program, &edit, &history, number) {
            faults.push(format!("edit {number} with the program, {}: {why}", edit.kind));
        }
    }
    for fault in &faults {
        eprintln!("not noticed: {fault}");
    }
    let (edits, secs) = (arguments.edits, began.elapsed().as_secs());
    let engine = if arguments.on_postgres { "PostgreSQL" } else { "SQLite" };
    println!(
        "{edits} edits on {engine}, {with_program} with the program, in {secs} s: {} not noticed",
        faults.len()
    );
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
