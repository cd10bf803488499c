use std::fmt;
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
        })
    }
}

/// Why a command failed: what did not happen, observed facts, and one thing to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    code: &'static str,
    message: String,
    why: Option<String>,
    fix: Option<String>,
    request_id: Option<String>,
    /// Whether standard output has told it already.
    pub(crate) is_told: bool,
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
        }
    }

    /// Ends with findings that were printed.
    pub(crate) fn findings() -> Self {
        Self { is_told: true, ..Self::new(Exit::Findings, "findings", "something was found") }
    }

    /// Fails for the configuration or a data directory.
    pub(crate) fn configuration(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Configuration, code, message)
    }

    /// Returns message and observed fact in one line.
    pub(crate) fn in_a_line(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        printable(&format!("{}{why}", self.message))
    }

    /// Adds an observed fact.
    pub(crate) fn because(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    /// Adds a complete command or edit that helps.
    pub(crate) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// Adds the identifier by which the server knows the request.
    pub(crate) fn of_request(self, request_id: Option<String>) -> Self {
        Self { request_id, ..self }
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
        Ok(())
    }
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
}
