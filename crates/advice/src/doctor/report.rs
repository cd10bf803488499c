use super::fault::Fault;
use super::tree::{Check, Circumstances, Node, TREE};

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// What was seen leaves nothing else.
    Certain,
    /// What was seen fits best; something else would look alike.
    Likely,
}

/// A fault that was found: what does not work, what was seen, and what repairs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which fault.
    pub fault: Fault,
    /// How sure.
    pub certainty: Certainty,
    /// Whether reading goes on all the same.
    pub is_risk: bool,
    /// What does not work.
    pub message: String,
    /// What was seen.
    pub why: String,
    /// A command, a statement or an edit that repairs it.
    pub fix: Option<String>,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it should be.
    Passed(String),
    /// It cannot be told, or is not needed; what comes after may go on.
    Open(String),
    /// It is not as it should be. What depends on it is not asked, unless it is a mere risk.
    Found(Finding),
    /// It was not asked.
    Skipped(&'static str),
}

/// The walk through the tree: what was asked, and what was found.
#[derive(Debug, Default)]
pub struct Walk {
    /// What the questions depend on.
    pub given: Circumstances,
    lines: Vec<(&'static Node, Outcome)>,
}

impl Finding {
    /// Makes a finding that what was seen leaves no doubt about.
    #[must_use]
    pub fn certain(fault: Fault, message: impl Into<String>) -> Self {
        let (message, why) = (message.into(), String::new());
        let certainty = Certainty::Certain;
        Self { fault, certainty, is_risk: false, message, why, fix: None }
    }

    /// Makes a finding that fits best what was seen.
    #[must_use]
    pub fn likely(fault: Fault, message: impl Into<String>) -> Self {
        Self { certainty: Certainty::Likely, ..Self::certain(fault, message) }
    }

    /// Adds what was seen.
    #[must_use]
    pub fn because(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// Adds what repairs it.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// Says that reading goes on all the same.
    #[must_use]
    pub fn as_risk(self) -> Self {
        Self { is_risk: true, ..self }
    }

    fn ends(&self) -> bool {
        !self.is_risk
    }
}

impl Walk {
    /// Returns the next question; those that cannot be asked are noted on the way.
    pub fn next_check(&mut self) -> Option<Check> {
        loop {
            let node = TREE.iter().find(|node| self.outcome(node.check).is_none())?;
            if !node.when.holds(self.given) {
                self.lines.push((node, Outcome::Skipped("")));
            } else if let Some(first) = node.after.iter().find(|check| self.is_barred_by(**check)) {
                self.lines.push((node, Outcome::Skipped(first.name())));
            } else {
                return Some(node.check);
            }
        }
    }

    fn is_barred_by(&self, check: Check) -> bool {
        match self.outcome(check) {
            Some(Outcome::Found(finding)) => finding.ends(),
            Some(Outcome::Skipped(because)) => !because.is_empty(),
            Some(Outcome::Passed(_) | Outcome::Open(_)) | None => false,
        }
    }

    /// Returns what became of a question, if it came to it.
    #[must_use]
    pub fn outcome(&self, check: Check) -> Option<&Outcome> {
        self.lines.iter().find(|(node, _)| node.check == check).map(|(_, outcome)| outcome)
    }

    /// Notes what became of a question.
    pub fn note(&mut self, check: Check, outcome: Outcome) {
        if let Some(node) = check.node() {
            self.lines.push((node, outcome));
        }
    }

    /// Returns all questions that are about this case, in order, with what became of them.
    pub fn lines(&self) -> impl Iterator<Item = (&'static Node, &Outcome)> {
        let about = |outcome: &Outcome| !matches!(outcome, Outcome::Skipped(""));
        self.lines
            .iter()
            .filter(move |(_, outcome)| about(outcome))
            .map(|(node, seen)| (*node, seen))
    }

    /// Returns all that was found, what the verdict names first: what ends reading before a mere
    /// risk, what is certain before what is likely, what comes first in the tree before the rest.
    #[must_use]
    pub fn findings(&self) -> Vec<&Finding> {
        let found = self.lines.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Found(finding) => Some(finding),
            _ => None,
        });
        let mut findings: Vec<&Finding> = found.collect();
        let rank = |finding: &&Finding| (finding.is_risk, finding.certainty != Certainty::Certain);
        findings.sort_by_key(rank);
        findings
    }

    /// Returns what keeps the secret from being read; none if nothing was found.
    #[must_use]
    pub fn verdict(&self) -> Option<&Finding> {
        self.findings().first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(mut outcome: impl FnMut(Check) -> Outcome, given: Circumstances) -> Walk {
        let mut walk = Walk { given, ..Walk::default() };
        while let Some(check) = walk.next_check() {
            walk.note(check, outcome(check));
        }
        walk
    }

    fn passed(_check: Check) -> Outcome {
        Outcome::Passed(String::new())
    }

    #[test]
    fn what_depends_on_a_fault_is_not_asked() {
        let names_secret = Circumstances { names_secret: true, ..Circumstances::default() };
        let found = walk(
            |check| match check {
                Check::Name => Outcome::Found(Finding::certain(Fault::NameUnknown, "no")),
                other => passed(other),
            },
            names_secret,
        );
        assert_eq!(found.outcome(Check::Connection), Some(&Outcome::Skipped("name")));
        assert_eq!(found.outcome(Check::Content), Some(&Outcome::Skipped("state")));
        assert_eq!(found.outcome(Check::Fingerprint), Some(&Outcome::Skipped("")));
        assert_eq!(found.verdict().unwrap().fault, Fault::NameUnknown);
        assert!(found.lines().all(|(node, _)| node.check != Check::Fingerprint));
    }

    #[test]
    fn a_risk_bars_nothing_and_comes_last() {
        let found = walk(
            |check| match check {
                Check::Proxy => {
                    Outcome::Found(Finding::certain(Fault::ProxyUnreachable, "no").as_risk())
                }
                Check::Clock => Outcome::Found(Finding::likely(Fault::ClockOff, "no")),
                Check::Caller => Outcome::Found(Finding::certain(Fault::TokenRefused, "no")),
                other => passed(other),
            },
            Circumstances::default(),
        );
        let faults: Vec<Fault> = found.findings().iter().map(|finding| finding.fault).collect();
        assert_eq!(faults, [Fault::TokenRefused, Fault::ClockOff, Fault::ProxyUnreachable]);
        assert!(walk(passed, Circumstances::default()).verdict().is_none());
    }
}
