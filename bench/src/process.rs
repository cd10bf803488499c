use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::Outcome;

/// Ticks of `/proc/PID/stat` in a second (`getconf CLK_TCK` on Linux).
const TICKS: f64 = 100.0;

/// A server under test; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        Ok(Self(command.stdin(Stdio::null()).spawn()?))
    }

    /// Starts a program that prints a number first, and returns it too.
    pub(crate) fn start_with_port(command: &mut Command) -> Outcome<(Self, u16)> {
        let mut process = Self::start(command.stdout(Stdio::piped()))?;
        let mut line = String::new();
        let out = process.0.stdout.take().ok_or("no standard output")?;
        BufReader::new(out).read_line(&mut line)?;
        Ok((process, line.trim().parse()?))
    }

    /// Seconds of CPU that it has used, user and system.
    pub(crate) fn cpu_secs(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("stat")?;
        let ticks: Vec<f64> =
            fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / TICKS)
    }

    /// Memory now and at most, in KiB.
    pub(crate) fn memory_kib(&self) -> Outcome<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let field = |name: &str| -> Outcome<u64> {
            let line = status.lines().find(|line| line.starts_with(name)).ok_or("status")?;
            Ok(line.split_whitespace().nth(1).ok_or("status")?.parse()?)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }
}

impl Process {
    /// Asks the process to end (SIGTERM) and waits until it has.
    pub(crate) fn end(&mut self) -> Outcome<()> {
        let status = Command::new("kill").arg(self.0.id().to_string()).status()?;
        if !status.success() || !self.0.wait()?.success() {
            return Err("the server did not end well".into());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.0.kill();
        let _status = self.0.wait();
    }
}
