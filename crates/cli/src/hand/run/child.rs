use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};
use strongroom_model::Sensitive;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::mask::{self, Patterns};
use super::signals::{Terminal, ends};
use super::variables::Variables;
use crate::failure::{Exit, Failure, warn};

/// The command, running.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    /// Whether the command has a process group of its own.
    leads_group: bool,
    output: Vec<JoinHandle<std::io::Result<()>>>,
    has_ended: watch::Sender<bool>,
    /// What its output is masked by, if it is.
    patterns: watch::Sender<Arc<Patterns>>,
}

impl Running {
    /// Starts the command. The kernel kills it when this thread ends, so that this must be the main
    /// one.
    ///
    /// Where there is a terminal the command stays in its process group, so that it may read keys and
    /// be stopped by them; elsewhere it gets a group of its own, so that a signal to the group of
    /// `run` does not reach it twice.
    pub(super) fn start(
        command: &[OsString],
        variables: &Variables,
        masked: Option<&[Sensitive]>,
    ) -> Result<Self, Failure> {
        let leads_group = Terminal::now() == Terminal::None;
        // This program, even if another version has been put in its place.
        let mut launch = Command::new("/proc/self/exe");
        launch.arg0("strongroom").arg("launch").arg("--parent");
        launch.arg(getpid().as_raw_nonzero().to_string()).arg("--").args(command);
        for name in &variables.removed {
            launch.env_remove(name);
        }
        for (name, value) in &variables.set {
            launch.env(name, OsStr::from_bytes(value.expose()));
        }
        if leads_group {
            launch.process_group(0);
        }
        if masked.is_some() {
            launch.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = launch.kill_on_drop(true).spawn().map_err(|error| {
            Failure::new(Exit::Failed, "no-command", "cannot start the command")
                .because(error.to_string())
        })?;
        let mut output = Vec::new();
        let has_ended = watch::Sender::new(false);
        let patterns = watch::Sender::new(Arc::default());
        if let Some(values) = masked {
            patterns.send_replace(Arc::new(Patterns::of(values.iter())));
            let out = child.stdout.take().map(|from| {
                let (patterns, has_ended) = (patterns.subscribe(), has_ended.subscribe());
                tokio::spawn(mask::copy(from, tokio::io::stdout(), patterns, has_ended))
            });
            let err = child.stderr.take().map(|from| {
                let (patterns, has_ended) = (patterns.subscribe(), has_ended.subscribe());
                tokio::spawn(mask::copy(from, tokio::io::stderr(), patterns, has_ended))
            });
            output.extend(out.into_iter().chain(err));
        }
        Ok(Self { child, leads_group, output, has_ended, patterns })
    }

    /// Masks its output, if it was started so, by these values from now on.
    pub(super) fn mask(&self, values: &[Sensitive]) {
        self.patterns.send_replace(Arc::new(Patterns::of(values.iter())));
    }

    /// Waits for the end of the command.
    pub(super) async fn ended(&mut self) -> Result<ExitStatus, Failure> {
        self.child.wait().await.map_err(|error| {
            Failure::new(Exit::Defect, "no-status", "cannot tell how the command ended")
                .because(error.to_string())
        })
    }

    /// Waits for the output of a command that has ended.
    pub(super) async fn drained(self) {
        self.has_ended.send_replace(true);
        for output in self.output {
            match output.await {
                // Nobody reads any more, which the command was told by a broken pipe.
                Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => {
                    let message = "some output of the command was lost";
                    warn("output-lost", message, &error.to_string());
                }
                _ => {}
            }
        }
    }

    /// Passes a signal on, unless the terminal has sent it to the command too.
    pub(super) fn forward(&self, signal: Signal) {
        if self.leads_group || !Terminal::now().has_told(signal) {
            self.send(signal);
        }
    }

    /// Sends a signal to the command, if it runs.
    pub(super) fn send(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // It fails if the command has just ended, which is what the caller waits for.
            kill_process(pid, signal).unwrap_or_default();
        }
    }

    /// Ends the command: asks, and kills it when the time of grace is over, with what it left in its
    /// group. Tells whether this process was asked to end meanwhile.
    pub(super) async fn stop(
        &mut self,
        grace: Duration,
        signals: &mut mpsc::Receiver<Signal>,
    ) -> Result<(ExitStatus, bool), Failure> {
        let group = self.pid().filter(|_| self.leads_group);
        self.send(Signal::TERM);
        let mut asked = false;
        let over = sleep(grace);
        tokio::pin!(over);
        let status = loop {
            tokio::select! {
                status = self.ended() => break status?,
                () = &mut over => {
                    self.send(Signal::KILL);
                    break self.ended().await?;
                }
                Some(signal) = signals.recv() => {
                    asked |= ends(signal);
                    self.forward(signal);
                }
            }
        };
        if let Some(group) = group {
            // It fails if nobody is left, which is as well.
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
        Ok((status, asked))
    }

    fn pid(&self) -> Option<Pid> {
        self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }
}

/// Ends as the command ended: with its code, or 128 and the number of the signal that ended it.
pub(super) fn conclude(status: ExitStatus) -> Result<(), Failure> {
    let signal = status.signal().map(|signal| signal + 128);
    let code = status.code().or(signal).unwrap_or(i32::from(u8::MAX));
    match u8::try_from(code).unwrap_or(u8::MAX) {
        0 => Ok(()),
        code => Err(Failure::child(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_command_is_ours() {
        assert!(conclude(ExitStatus::from_raw(0)).is_ok());
        for (raw, code) in [(0x100, 1), (0xff00, 255), (9, 137), (15, 143)] {
            let failure = conclude(ExitStatus::from_raw(raw)).unwrap_err();
            assert_eq!((failure.exit, failure.is_told), (Exit::Child(code), true));
        }
    }
}
