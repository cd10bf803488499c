use std::path::PathBuf;
use std::time::Duration;

use crate::Outcome;

/// Longest round, in seconds: a request that is dated the farthest back must outlast it.
pub(crate) const ROUND_SECS_MAX: f64 = 30.0;

const USAGE: &str = "usage: [floors | crypto | many | hidden | regions | cache] [--smoke | --reads CONNECTIONS] [--rounds N] \
                     [--seconds S] [--secrets N] [--plain] [--json FILE]";

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) secs: f64,
    pub(crate) connections: Vec<usize>,
    pub(crate) tls: bool,
    pub(crate) starts: usize,
    /// Secrets in the vault that is compared with one of few.
    pub(crate) secrets: usize,
    pub(crate) json: Option<PathBuf>,
}

impl Plan {
    /// Reads the arguments from left to right: a later one changes what an earlier one chose.
    pub(crate) fn read(words: &[&str]) -> Outcome<Self> {
        let mut plan = Self {
            rounds: 5,
            secs: 2.0,
            connections: vec![1, 8, 64],
            tls: true,
            starts: 10,
            secrets: 100_000,
            json: None,
        };
        let mut words = words.iter();
        while let Some(&option) = words.next() {
            if !matches!(option, "--smoke" | "--plain") {
                plan.set(option, words.next().ok_or(USAGE)?)?;
                continue;
            }
            plan.tls = false;
            if option == "--smoke" {
                (plan.rounds, plan.secs, plan.starts, plan.secrets) = (1, 0.3, 1, 500);
                plan.connections = vec![8];
            }
        }
        let valid = plan.rounds > 0
            && plan.secs > 0.0
            && plan.secs <= ROUND_SECS_MAX
            && plan.secrets > 0
            && !plan.connections.contains(&0);
        if valid { Ok(plan) } else { Err(USAGE.into()) }
    }

    fn set(&mut self, option: &str, value: &str) -> Outcome<()> {
        match option {
            "--secrets" => self.secrets = value.parse()?,
            "--rounds" => self.rounds = value.parse()?,
            "--seconds" | "--secs" => self.secs = value.parse()?,
            "--json" => self.json = Some(PathBuf::from(value)),
            "--reads" => {
                (self.rounds, self.secs, self.starts, self.tls) = (2, 1.5, 1, false);
                self.connections = vec![value.parse()?];
            }
            _ => return Err(USAGE.into()),
        }
        Ok(())
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_then_what_is_said_explicitly() {
        let plan = Plan::read(&["--smoke", "--seconds", "0.1", "--json", "f"]).unwrap();
        assert_eq!((plan.rounds, plan.secs, plan.connections.as_slice()), (1, 0.1, &[8][..]));
        assert_eq!((plan.tls, plan.json), (false, Some(PathBuf::from("f"))));
        let plan = Plan::read(&["--plain", "--rounds", "3"]).unwrap();
        assert_eq!((plan.rounds, plan.secs, plan.tls), (3, 2.0, false));
        assert_eq!(Plan::read(&["--reads", "64"]).unwrap().connections, [64]);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for words in [
            &["--rounds", "0"][..],
            &["--seconds", "0"],
            &["--seconds", "31"],
            &["--seconds", "NaN"],
            &["--reads", "0"],
            &["--rounds"],
            &["--fast", "1"],
        ] {
            assert!(Plan::read(words).is_err(), "{words:?}");
        }
    }
}
