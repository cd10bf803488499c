use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use rustix::process::Signal;
use strongroom_model::private_file;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::failure::{Exit, Failure};

const FORWARDED: [Signal; 7] = [
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
];

/// Returns whether a signal asks for the end.
pub(super) fn ends(signal: Signal) -> bool {
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP].contains(&signal)
}

/// Returns what `work` comes to while there is no command. A signal that asks for the end ends this
/// process as it would have ended a command; the others are for nobody.
pub(super) async fn unless_ended<T>(
    signals: &mut mpsc::Receiver<Signal>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        signal = end(signals) => {
            let number = u8::try_from(signal.as_raw()).unwrap_or_default();
            Err(Failure::child(number.saturating_add(128)))
        }
        done = work => done,
    }
}

/// Waits for a signal that asks for the end; the others are for nobody.
async fn end(signals: &mut mpsc::Receiver<Signal>) -> Signal {
    while let Some(signal) = signals.recv().await {
        if ends(signal) {
            return signal;
        }
    }
    std::future::pending().await
}

/// Waits for the last work there is: for as long as it takes, but for no more than `time_max` once this
/// process is asked to end, or if it was before.
pub(super) async fn wait_to_end(
    signals: &mut mpsc::Receiver<Signal>,
    work: impl Future<Output = ()>,
    (was_asked, time_max): (bool, Duration),
) {
    let mut work = pin!(work);
    if !was_asked {
        tokio::select! {
            () = &mut work => return,
            _ = end(signals) => {}
        }
    }
    timeout(time_max, work).await.unwrap_or_default();
}

/// Catches the signals that are passed on. One that is ignored, as by `nohup`, stays ignored, and so
/// it is for the command.
pub(super) fn catch() -> Result<mpsc::Receiver<Signal>, Failure> {
    let (sender, receiver) = mpsc::channel(64);
    let ignored = status(Path::new("/proc/self/status")).map_or(0, |text| ignored_in(&text));
    for forwarded in FORWARDED {
        let number = forwarded.as_raw();
        if ignored & bit(number) != 0 {
            continue;
        }
        let mut caught = signal(SignalKind::from_raw(number)).map_err(|error| {
            Failure::new(Exit::Defect, "no-signals", "cannot listen for signals")
                .because(error.to_string())
        })?;
        let sender = sender.clone();
        drop(tokio::spawn(async move {
            while caught.recv().await.is_some() && sender.send(forwarded).await.is_ok() {}
        }));
    }
    Ok(receiver)
}

fn status(path: &Path) -> Option<String> {
    String::from_utf8(private_file::read(path).ok()?).ok()
}

fn bit(number: i32) -> u64 {
    u32::try_from(number - 1).ok().and_then(|shift| 1_u64.checked_shl(shift)).unwrap_or(0)
}

/// Source: `proc_pid_status(5)`.
fn ignored_in(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// How this process stands to a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Terminal {
    /// It has none.
    None,
    /// It has one, whose keys go to another process group.
    Background,
    /// It has one, whose keys reach its process group: this process and the command alike.
    Foreground,
}

impl Terminal {
    /// Looks at the controlling terminal of this process.
    pub(super) fn now() -> Self {
        status(Path::new("/proc/self/stat"))
            .and_then(|text| terminal_in(&text))
            .unwrap_or(Self::None)
    }

    /// Returns whether the command has got a signal from the terminal itself.
    pub(super) fn has_told(self, signal: Signal) -> bool {
        let keys = [Signal::INT, Signal::QUIT, Signal::WINCH];
        self == Self::Foreground && keys.contains(&signal)
    }
}

/// Source: `proc_pid_stat(5)`: the name, which may hold anything, ends with the last parenthesis; then
/// come state, parent, group, session, terminal and the terminal's group.
fn terminal_in(stat: &str) -> Option<Terminal> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(2);
    let group = fields.next()?;
    let terminal = fields.nth(1)?;
    let foreground = fields.next()?;
    Some(match terminal {
        "0" => Terminal::None,
        _ if foreground == group => Terminal::Foreground,
        _ => Terminal::Background,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_that_asks_for_the_end_ends_what_there_is_before_a_command() {
        let (sender, mut signals) = mpsc::channel(8);
        sender.send(Signal::USR1).await.unwrap();
        let done = unless_ended(&mut signals, async { Ok(7) }).await;
        assert_eq!(done.unwrap(), 7, "a signal for nobody");
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
            for told in [Signal::WINCH, signal] {
                sender.send(told).await.unwrap();
            }
            let hangs = std::future::pending::<Result<(), Failure>>();
            let failure = unless_ended(&mut signals, hangs).await.unwrap_err();
            assert_eq!((failure.exit, failure.is_told), (Exit::Child(code), true));
            sender.send(signal).await.unwrap();
            unless_ended(&mut signals, async { Ok(()) }).await.unwrap_err();
        }
        drop(sender);
        assert_eq!(unless_ended(&mut signals, async { Ok(7) }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn the_last_work_is_waited_for_until_the_end_is_asked_for_and_a_little_longer() {
        let (sender, mut signals) = mpsc::channel(8);
        let little = Duration::from_millis(200);
        let mut wait = async |work: Option<Duration>, was_asked| {
            let began = tokio::time::Instant::now();
            let work = async {
                match work {
                    Some(time) => tokio::time::sleep(time).await,
                    None => std::future::pending().await,
                }
            };
            let waiting = wait_to_end(&mut signals, work, (was_asked, little));
            let waited = timeout(5 * little, waiting).await;
            waited.is_ok().then(|| began.elapsed())
        };
        sender.send(Signal::WINCH).await.unwrap();
        assert_eq!(wait(None, false).await, None, "nobody has asked for the end");
        assert!(wait(Some(2 * little), false).await.is_some_and(|waited| waited >= 2 * little));
        for was_asked in [true, false] {
            sender.send(Signal::TERM).await.unwrap();
            let waited = wait(None, was_asked).await.unwrap();
            assert!(waited >= little && waited < 4 * little, "{waited:?}");
            assert!(wait(Some(little / 4), true).await.is_some_and(|waited| waited < little));
        }
    }

    #[test]
    fn the_terminal_is_read_after_the_name() {
        for (stat, expected) in [
            ("7 (a) b) S 1 7 7 34816 7 0", Terminal::Foreground),
            ("7 (sh) S 1 7 5 34816 9 0", Terminal::Background),
            ("7 (sh) S 1 7 7 0 -1 0", Terminal::None),
        ] {
            assert_eq!(terminal_in(stat), Some(expected));
        }
        assert_eq!(terminal_in("7 (sh"), None);
        assert!(Terminal::Foreground.has_told(Signal::INT));
        assert!(!Terminal::Foreground.has_told(Signal::TERM));
        assert!(!Terminal::None.has_told(Signal::INT));
    }

    #[test]
    fn ignored_signals_are_read() {
        let ignored = ignored_in("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n");
        assert_eq!((ignored & bit(1), ignored & bit(13), ignored & bit(2)), (1, 1 << 12, 0));
    }
}
