//! What strace tells of the calls of a server, while it runs and afterwards.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use crate::Outcome;

/// Longer than a deferred commit waits for the disk.
const LULL: Duration = Duration::from_millis(700);

/// The file that strace writes, with options `-f -ttt`.
#[derive(Debug)]
pub(crate) struct Trace(pub(crate) PathBuf);

impl Trace {
    /// Waits until nothing was written or synced for so long that nothing waits for it any more.
    pub(crate) fn lull(&self) -> Outcome<()> {
        let mut before = None;
        loop {
            let length = std::fs::metadata(&self.0)?.len();
            if before.replace(length) == Some(length) {
                return Ok(());
            }
            sleep(LULL);
        }
    }

    /// When a call was first made to fail, in microseconds since the epoch.
    pub(crate) fn failed_at(&self) -> Outcome<Option<i64>> {
        Ok(failed_at(&std::fs::read_to_string(&self.0)?))
    }

    /// How many syncs the thread made that made the last of them.
    pub(crate) fn syncs(&self) -> Outcome<u64> {
        Ok(syncs(&std::fs::read_to_string(&self.0)?))
    }
}

fn failed_at(trace: &str) -> Option<i64> {
    let line = trace.lines().find(|line| line.ends_with("(INJECTED)"))?;
    let (secs, micros) = line.split_whitespace().nth(1)?.split_once('.')?;
    Some(secs.parse::<i64>().ok()? * 1_000_000 + micros.parse::<i64>().ok()?)
}

fn syncs(trace: &str) -> u64 {
    let thread = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let is_sync = |line: &&str| line.contains("sync(");
    let last = trace.lines().rfind(is_sync).and_then(thread);
    let mut count = 0;
    for line in trace.lines().filter(is_sync) {
        count += u64::from(thread(line) == last);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_in_a_trace() {
        let trace = "13 1795837370.021547 fsync(13)       = 0\n\
                     17 1795837370.121547 fsync(13 <unfinished ...>\n\
                     13 1795837370.221547 pwrite64(13, \"a\", 1, 0) = 1\n\
                     17 1795837370.321547 <... fsync resumed>) = 0\n\
                     17 1795837370.526168 fdatasync(12) = -1 EIO (Input/output error) (INJECTED)\n\
                     17 1795837371.000000 fdatasync(12) = -1 EIO (Input/output error) (INJECTED)\n";
        assert_eq!(failed_at(trace), Some(1_795_837_370_526_168));
        assert_eq!(syncs(trace), 3);
        assert_eq!((failed_at("13 1.0 fsync(1) = 0\n"), syncs("")), (None, 0));
    }
}
