use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::environment::Environment;
use crate::failure::Failure;

/// How the log is written.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LogArguments {
    /// How log lines look
    #[arg(long, value_enum, value_name = "FORM")]
    log_format: Option<Form>,
}

impl LogArguments {
    /// Starts to write log lines to standard error, as asked or else as is usual for the command.
    pub(crate) fn start(self, usual: Form, environment: &Environment) -> Result<(), Failure> {
        start(self.log_format.unwrap_or(usual), environment)
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Form {
    /// For people
    Lines,
    /// For machines: one JSON object a line
    Json,
}

fn start(form: Form, environment: &Environment) -> Result<(), Failure> {
    let filter = environment.log.as_deref().unwrap_or("info");
    let mut filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::configuration("bad-log-filter", "cannot read `STRONGROOM_LOG`")
            .because(error.to_string())
            .fix("export STRONGROOM_LOG=info")
    })?;
    // The names of a token's mechanisms that this library does not know: nothing is wrong.
    if let Ok(quiet) = "cryptoki::mechanism=off".parse() {
        filter = filter.add_directive(quiet);
    }
    // A log that takes no more is told to nobody: where that would be told is the log.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let started = match form {
        Form::Lines => lines.with_ansi(false).with_target(false).try_init(),
        Form::Json => lines.json().with_target(false).try_init(),
    };
    started.map_err(|error| {
        Failure::configuration("no-log", "cannot start the log").because(error.to_string())
    })
}

/// A panic's message could hold anything that was at hand, so only its place is told.
pub(crate) fn hide_panic_messages() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}
