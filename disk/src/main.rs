//! A disk that forgets what was not synced: `strongroom-disk DIRECTORY` mounts it there, says
//! `ready` and how often it was synced, and takes a line at a time: `cut SEED` takes the power away
//! and mounts it again, the end of the input ends it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_types,
    reason = "a tool for developers: it is spoken to by its input and output"
)]

mod disk;
mod mount;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use strongroom_testkit::Dice;

use self::disk::Disk;
use self::mount::mount;

/// What a failure looks like in a tool.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match std::env::args_os().nth(1).map(|place| run(Path::new(&place))) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("usage: strongroom-disk DIRECTORY");
            ExitCode::from(2)
        }
    }
}

fn run(place: &Path) -> Outcome<()> {
    let disk = Arc::new(Mutex::new(Disk::empty()));
    let locked = || disk.lock().unwrap_or_else(PoisonError::into_inner);
    let mut mounted = mount(&disk, place)?;
    println!("ready 0");
    for line in std::io::stdin().lines() {
        let line = line?;
        let seed = line.strip_prefix("cut ").ok_or("not a line that is known")?.parse()?;
        mounted.unmount()?;
        locked().cut(&mut Dice::new(Some(seed)));
        mounted = mount(&disk, place)?;
        println!("ready {}", locked().syncs);
    }
    mounted.unmount()
}
