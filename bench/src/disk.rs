use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Outcome;

/// Appends 4 KiB and syncs, one after the other, and returns how often in a second.
pub(crate) fn fdatasync_rate(directory: &Path, duration: Duration) -> Outcome<f64> {
    let path = directory.join("fdatasync");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < duration {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    drop(file);
    std::fs::remove_file(path)?;
    Ok(rate)
}
