use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::failure::{Exit, Failure, report};

/// Arguments of `launch`, which only `run` gives.
#[derive(Debug, Args)]
pub(crate) struct LaunchArguments {
    #[arg(long)]
    parent: i32,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Arranges that this process is killed when its parent ends, then becomes the command. Returns only
/// if it cannot.
///
/// Safe code has no way to do this between fork and exec of another program, so `run` starts its own
/// program first. The arrangement outlasts exec, but for programs that are set-user-ID.
pub(crate) fn launch(arguments: &LaunchArguments) -> Failure {
    let arranged = set_parent_process_death_signal(Some(Signal::KILL));
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
    if arranged.is_err() || parent != Some(arguments.parent) {
        return Failure::new(Exit::Failed, "no-parent", "cannot start the command")
            .because("`strongroom run` has ended meanwhile");
    }
    let Some((program, rest)) = arguments.command.split_first() else {
        return Failure::new(Exit::Usage, "no-command", "cannot start a command")
            .because("none is named");
    };
    let error = Command::new(program).args(rest).exec();
    let message = format!("cannot start `{}`", program.to_string_lossy());
    report(&Failure::new(Exit::Failed, "no-command", message).because(error.to_string()));
    // As shells and env(1) have it.
    Failure::child(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
}
