//! What is asked on the command line.

use strongroom_testkit::Dice;

use crate::Outcome;

const USAGE: &str = "usage: linearize | simulate | faults kill|syscalls|power \
                     [--smoke] [--lies] [--seeds N] [--seed S] [--ops N] [--reads N] [--engine sqlite|postgres]";

/// How much to do, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) smoke: bool,
    /// Whether the simulation is tried itself, with stores that lie.
    pub(crate) lies: bool,
    /// Runs; each has a seed of its own.
    pub(crate) seeds: Option<u64>,
    /// The first seed; without one it is drawn.
    pub(crate) seed: Option<u64>,
    /// Operations of a run.
    pub(crate) ops: Option<usize>,
    /// Reads that follow a revocation.
    pub(crate) reads: Option<usize>,
    pub(crate) postgres: bool,
}

impl Options {
    /// Reads the arguments. One seed alone is one run: that with this seed.
    pub(crate) fn read(words: &[&str]) -> Outcome<Self> {
        let mut options = Self {
            smoke: false,
            lies: false,
            seeds: None,
            seed: None,
            ops: None,
            reads: None,
            postgres: false,
        };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            match word {
                "--smoke" => options.smoke = true,
                "--lies" => options.lies = true,
                _ => options.read_one(word, words.next().ok_or(USAGE)?)?,
            }
        }
        if options.seed.is_some() && options.seeds.is_none() {
            options.seeds = Some(1);
        }
        Ok(options)
    }

    fn read_one(&mut self, word: &str, value: &str) -> Outcome<()> {
        match word {
            "--seeds" => self.seeds = Some(value.parse()?),
            "--seed" => self.seed = Some(value.parse()?),
            "--ops" => self.ops = Some(value.parse()?),
            "--reads" => self.reads = Some(value.parse()?),
            "--engine" if value == "postgres" => self.postgres = true,
            "--engine" if value == "sqlite" => self.postgres = false,
            _ => return Err(USAGE.into()),
        }
        Ok(())
    }

    /// How many runs: as asked, or as usual.
    pub(crate) fn count(&self, smoke: u64, whole: u64) -> u64 {
        self.seeds.unwrap_or(if self.smoke { smoke } else { whole })
    }

    /// The seed of the first run; the others follow it.
    pub(crate) fn first(&self) -> u64 {
        self.seed.unwrap_or_else(|| Dice::new(None).seed() % 1_000_000_000)
    }
}

/// Says what to type instead.
pub(crate) fn usage() -> Box<dyn std::error::Error + Send + Sync> {
    USAGE.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_alone_is_one_run() {
        let options = Options::read(&["--seed", "7"]).unwrap();
        assert_eq!((options.count(2, 9), options.first()), (1, 7));
        let options = Options::read(&["--smoke", "--ops", "3"]).unwrap();
        assert_eq!((options.count(2, 9), options.ops), (2, Some(3)));
        assert_eq!(Options::read(&[]).unwrap().count(2, 9), 9);
        for words in [&["--fast"][..], &["--seed"], &["--seed", "x"], &["--engine", "mysql"]] {
            assert!(Options::read(words).is_err(), "{words:?}");
        }
    }
}
