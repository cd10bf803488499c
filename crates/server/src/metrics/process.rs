use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::param::{clock_ticks_per_second, page_size};
use strongroom_model::private_file;

/// What the kernel says of this process; nothing where it has no `/proc`.
#[derive(Debug, Default)]
pub(super) struct Process {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    files: Gauge,
    threads: Gauge,
}

impl Process {
    pub(super) fn register(&self, to: &mut Registry) {
        let help = "Processor time that this process has had";
        to.register_with_unit("process_cpu", help, Unit::Seconds, self.cpu.clone());
        let help = "Memory of this process that is in RAM";
        to.register_with_unit("process_resident_memory", help, Unit::Bytes, self.resident.clone());
        to.register("process_open_files", "File descriptors that are open", self.files.clone());
        to.register("process_threads", "Threads of this process", self.threads.clone());
    }

    pub(super) fn look(&self) {
        let whole = |value: Option<u64>| value.and_then(|value| i64::try_from(value).ok());
        if let Ok(names) = private_file::names_in("/proc/self/fd".as_ref()) {
            self.files.set(i64::try_from(names.len()).unwrap_or(i64::MAX));
        }
        let Ok(bytes) = private_file::read("/proc/self/stat".as_ref()) else { return };
        let text = String::from_utf8_lossy(&bytes);
        // The name of the program may have spaces and brackets of its own.
        let Some((_, rest)) = text.rsplit_once(") ") else { return };
        let field = |number: usize| rest.split(' ').nth(number - 3)?.parse::<u64>().ok();
        let ticks = field(14).zip(field(15)).map(|(user, system)| user.saturating_add(system));
        if let Some(ticks) = ticks.and_then(|ticks| u32::try_from(ticks).ok()) {
            let second = u32::try_from(clock_ticks_per_second()).unwrap_or(100);
            let seconds = f64::from(ticks) / f64::from(second);
            self.cpu.inner().store(seconds.to_bits(), Ordering::Relaxed);
        }
        let page = u64::try_from(page_size()).unwrap_or(4096);
        if let Some(bytes) = whole(field(24).map(|pages| pages.saturating_mul(page))) {
            self.resident.set(bytes);
        }
        if let Some(threads) = whole(field(20)) {
            self.threads.set(threads);
        }
    }
}
