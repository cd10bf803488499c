use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// Exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Refused or failed.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// Configuration or data directory cannot be used.
    Configuration,
    /// The server cannot be reached.
    Unreachable,
    /// Something was found.
    Findings,
    /// A defect of this program.
    Defect,
    /// What a command that was run ended with.
    Child(u8),
}

impl Exit {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::Unreachable => 4,
            Self::Findings => 5,
            Self::Defect => 70,
            Self::Child(code) => code,
        })
    }
}

/// Why a command failed: what did not happen, observed facts, and one thing to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    code: &'static str,
    message: String,
    why: Option<Box<str>>,
    fix: Option<Box<str>>,
    request_id: Option<Box<str>>,
    /// Whether somebody has told it already.
    pub(crate) is_told: bool,
    /// Failures of the same command, told after this one.
    others: Box<[Failure]>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code,
            message: message.into(),
            why: None,
            fix: None,
            request_id: None,
            is_told: false,
            others: Box::default(),
        }
    }

    /// Ends with findings that were printed.
    pub(crate) fn findings() -> Self {
        Self { is_told: true, ..Self::new(Exit::Findings, "findings", "something was found") }
    }

    /// Ends as a command ended that was run, which says why itself.
    pub(crate) fn child(code: u8) -> Self {
        Self { is_told: true, ..Self::new(Exit::Child(code), "child", "the command failed") }
    }

    /// Joins failures that are told one after another. The exit is theirs if they agree, and
    /// [`Exit::Failed`] if not.
    pub(crate) fn all(failures: Vec<Self>) -> Option<Self> {
        let mut failures = failures.into_iter();
        let first = failures.next()?;
        let others: Box<[Self]> = failures.collect();
        let agree = others.iter().all(|other| other.exit == first.exit);
        let exit = if agree { first.exit } else { Exit::Failed };
        Some(Self { exit, others, ..first })
    }

    /// Fails for the configuration or a data directory.
    pub(crate) fn configuration(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Configuration, code, message)
    }

    /// Returns the word by which the failure is known.
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    /// Returns what did not happen, the observed fact, and what helps.
    pub(crate) fn parts(&self) -> (&str, Option<&str>, Option<&str>) {
        (&self.message, self.why.as_deref(), self.fix.as_deref())
    }

    /// Returns message and observed fact in one line.
    pub(crate) fn in_a_line(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        printable(&format!("{}{why}", self.message))
    }

    /// Adds an observed fact.
    pub(crate) fn because(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into().into()), ..self }
    }

    /// Adds a complete command or edit that helps.
    pub(crate) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into().into()), ..self }
    }

    /// Adds where the object stands, such as "for variable `DB`".
    pub(crate) fn at(self, place: &str) -> Self {
        Self { message: format!("{} {place}", self.message), ..self }
    }

    /// Adds the identifier by which the server knows the request.
    pub(crate) fn of_request(self, request_id: Option<String>) -> Self {
        Self { request_id: request_id.map(String::into), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, printable(&self.message))?;
        for (label, text) in [("why", &self.why), ("fix", &self.fix), ("request", &self.request_id)]
        {
            if let Some(text) = text {
                let lines: Vec<String> = text.trim_end().lines().map(printable).collect();
                write!(f, "\n  {label}: {}", lines.join("\n       "))?;
            }
        }
        self.others.iter().try_for_each(|other| write!(f, "\n{other}"))
    }
}

/// Tells a failure on standard error.
pub(crate) fn report(failure: &Failure) {
    // When standard error is gone there is nowhere left to say so.
    drop(writeln!(std::io::stderr().lock(), "{failure}"));
}

/// Warns on standard error of what does not end a command.
pub(crate) fn warn(code: &str, message: &str, why: &str) {
    let why: Vec<String> = why.lines().map(printable).collect();
    let (message, why) = (printable(message), why.join("\n       "));
    // When standard error is gone there is nowhere left to say so.
    drop(writeln!(std::io::stderr().lock(), "warning[{code}]: {message}\n  why: {why}"));
}

/// Replaces what would steer a terminal; text may come from a server.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_why_and_what_to_do() {
        let failure = Failure::configuration("port-busy", "cannot listen on `127.0.0.1:1`")
            .because("the address is in use")
            .fix("strongroom dev --listen 127.0.0.1:0");
        assert_eq!(
            failure.to_string(),
            "error[port-busy]: cannot listen on `127.0.0.1:1`\n  \
             why: the address is in use\n  \
             fix: strongroom dev --listen 127.0.0.1:0"
        );
    }

    #[test]
    fn lines_align_and_terminals_are_not_steered() {
        let failure = Failure::new(Exit::Failed, "refused", "cannot read secret `a\u{1b}[2J`")
            .because("500: one\r\ntwo\u{7}\n")
            .of_request(Some("5C1F/A2".to_owned()));
        assert_eq!(
            failure.to_string(),
            "error[refused]: cannot read secret `a\u{fffd}[2J`\n  \
             why: 500: one\n       two\u{fffd}\n  \
             request: 5C1F/A2"
        );
    }
    #[test]
    fn failures_are_told_one_after_another() {
        let failure = |exit, code| Failure::new(exit, code, "no");
        let same = vec![failure(Exit::Usage, "a"), failure(Exit::Usage, "b")];
        let joined = Failure::all(same).unwrap();
        assert_eq!(
            (joined.to_string().as_str(), joined.exit),
            ("error[a]: no\nerror[b]: no", Exit::Usage)
        );
        let mixed = vec![failure(Exit::Usage, "a"), failure(Exit::Unreachable, "b")];
        assert_eq!(Failure::all(mixed).unwrap().exit, Exit::Failed);
        assert!(Failure::all(Vec::new()).is_none());
    }
}
