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

    /// Fails if the program has ended, which no server under test does by itself.
    pub(crate) fn check_runs(&mut self) -> Outcome<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("the server ended with {status}").into()),
        }
    }

    /// Asks the process to end (SIGTERM) and waits until it has.
    pub(crate) fn end(&mut self) -> Outcome<()> {
        let status = Command::new("kill").arg(self.0.id().to_string()).status()?;
        if !status.success() || !self.0.wait()?.success() {
            return Err("the server did not end well".into());
        }
        Ok(())
    }

    /// Seconds of CPU that it has used, user and system, all threads.
    pub(crate) fn cpu_secs(&self) -> Outcome<f64> {
        cpu_secs(self.0.id())
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

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Seconds of CPU that a process has used, user and system, all threads.
pub(crate) fn cpu_secs(pid: u32) -> Outcome<f64> {
    cpu_secs_of(&std::fs::read_to_string(format!("/proc/{pid}/stat"))?)
}

/// Fields 14 and 15 (proc(5)): `utime` and `stime`. The second field is a name in parentheses that
/// may hold spaces and parentheses itself.
fn cpu_secs_of(stat: &str) -> Outcome<f64> {
    let (_, fields) = stat.rsplit_once(')').ok_or("stat")?;
    let ticks: Vec<f64> =
        fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 900 900 20 0";
        assert!((cpu_secs_of(stat).unwrap() - 3.0).abs() < 1e-9);
    }
}
