//! The agent beside AWS's: reads of what is cached, starts, memory, and what happens where a value
//! is missing, is over, or a connection is kept for long.

mod cached;
mod side;
mod table;
mod upkeep;
mod upstream;

use std::path::PathBuf;
use std::time::Duration;

use self::side::Program;
use self::upstream::Upstream;
use crate::Outcome;
use crate::plan::Plan;
use crate::report::Journal;
use crate::rounds::within_directory;

const USAGE: &str = "usage: agent [--peer PROGRAM] [--quick] [--keep-alive SECONDS] [OPTION…]";
/// TTL of what does not end in a run.
const LONG_SECS: u32 = 3_600;

/// What is measured, and beside what.
struct Contest {
    plan: Plan,
    programs: Vec<Program>,
    /// Secrets that each agent holds.
    secrets: usize,
    keep_alive: Duration,
    upstream: Upstream,
    directory: PathBuf,
    journal: Journal,
}

/// Options of this bench alone; what is left is the plan's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options<'a> {
    peer: Option<PathBuf>,
    quick: bool,
    keep_alive_secs: Option<u64>,
    rest: Vec<&'a str>,
}

impl<'a> Options<'a> {
    fn read(words: &[&'a str]) -> Outcome<Self> {
        let (mut options, mut words) = (Self::default(), words.iter());
        while let Some(&word) = words.next() {
            match word {
                "--" => {}
                "--quick" => options.quick = true,
                "--peer" => options.peer = Some(words.next().ok_or(USAGE)?.into()),
                "--keep-alive" => {
                    options.keep_alive_secs = Some(words.next().ok_or(USAGE)?.parse()?);
                }
                word => options.rest.push(word),
            }
        }
        Ok(options)
    }
}

/// Measures and prints tables.
pub(crate) fn run(words: &[&str]) -> Outcome<()> {
    let options = Options::read(words)?;
    let presets: &[&str] = if options.quick { &["--smoke", "--seconds", "0.2"] } else { &[] };
    let plan = Plan::read(&[presets, options.rest.as_slice()].concat())?;
    let (secrets, secs) = if options.quick { (50, 1) } else { (side::SECRETS_MAX, 185) };
    let peer = options.peer.map(Program::Aws);
    within_directory(|directory| async move {
        let mut contest = Contest {
            programs: peer.into_iter().chain([Program::Ours]).collect(),
            secrets,
            keep_alive: Duration::from_secs(options.keep_alive_secs.unwrap_or(secs)),
            upstream: Upstream::start().await?,
            directory,
            journal: Journal::create(plan.json.as_deref())?,
            plan,
        };
        cached::starts(&mut contest).await?;
        let sides = cached::filled(&mut contest).await?;
        cached::reads(&mut contest, &sides).await?;
        upkeep::missing_and_over(&mut contest).await?;
        upkeep::ends(&mut contest, &sides).await?;
        upkeep::kept(&mut contest, &sides).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_plan_are_passed_on() {
        let words = ["--", "--peer", "p", "--rounds", "3", "--quick", "--keep-alive", "9"];
        let read = Options::read(&words).unwrap();
        let rest = vec!["--rounds", "3"];
        let peer = Some("p".into());
        assert_eq!(read, Options { peer, quick: true, keep_alive_secs: Some(9), rest });
        assert!(Options::read(&["--peer"]).is_err());
    }
}
