use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::time::timeout;

/// Where programs are looked for by what is run.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is run when secrets have changed. It learns no value: neither in an argument nor in its
/// environment, which has `PATH` and, where there is a file, `STRONGROOM_FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeCommand {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments, as they are passed.
    pub arguments: Vec<String>,
    /// How long it may take before it is killed.
    pub time_max: Duration,
}

/// The group of a command that is running; what is left of it is killed with this value.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails if nobody is left, which is as well.
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
    }
}

impl ChangeCommand {
    /// Runs it once.
    ///
    /// # Errors
    /// What became of it, in a few words.
    pub(super) async fn run(&self, file: Option<&Path>) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().env("PATH", PATH).current_dir("/");
        command.stdin(Stdio::null()).process_group(0);
        if let Some(file) = file {
            command.env("STRONGROOM_FILE", file);
        }
        let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut group = Group(pid);
        let ended = timeout(self.time_max, child.wait()).await;
        if ended.is_ok() {
            // What a command leaves behind that came to its end is meant to go on.
            group.0 = None;
        }
        drop(group);
        match ended {
            Ok(Ok(status)) => judge(status),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => {
                // What was killed is reaped.
                drop(child.wait().await);
                Err(format!("took longer than {} s and was killed", self.time_max.as_secs()))
            }
        }
    }
}

fn judge(status: ExitStatus) -> Result<(), String> {
    if status.success() { Ok(()) } else { Err(format!("ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> ChangeCommand {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        ChangeCommand { program: "/bin/sh".into(), arguments, time_max: Duration::from_secs(1) }
    }

    #[tokio::test]
    async fn what_became_of_a_command_is_told() {
        let file = Path::new("/run/app.conf");
        let lonely = r#"[ "$STRONGROOM_FILE" = /run/app.conf ] && [ "$(env | cut -d= -f1 | sort | xargs)" = "PATH PWD STRONGROOM_FILE" ]"#;
        assert_eq!(shell(lonely).run(Some(file)).await, Ok(()));
        assert_eq!(shell("exit 3").run(None).await, Err("ended with exit status: 3".to_owned()));
        let killed = shell("kill -9 $$").run(None).await.unwrap_err();
        assert!(killed.contains("signal: 9"), "{killed}");
        let absent = ChangeCommand { program: "/nowhere".into(), ..shell("") };
        let told = absent.run(None).await.unwrap_err();
        assert!(told.starts_with("cannot be started"), "{told}");
    }

    #[tokio::test]
    async fn what_a_command_leaves_behind_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("mark");
        let script = format!("(sleep 0.5; touch {}) & exit 0", mark.display());
        assert_eq!(shell(&script).run(None).await, Ok(()));
        for _ in 0..100 {
            if mark.exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it was killed");
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_killed_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("mark");
        let script = format!("(sleep 2; touch {}) & sleep 30", mark.display());
        let told = shell(&script).run(None).await.unwrap_err();
        assert_eq!(told, "took longer than 1 s and was killed");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!mark.exists());
    }
}
