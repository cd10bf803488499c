use strongroom_keyring::{MemoryProtection, give_back_program, harden_process, memory_protection};

/// Keeps keys out of core files, and tells what the kernel does not allow.
pub(super) fn protect() {
    if let Err(error) = harden_process() {
        tracing::warn!(%error, "core files and debuggers are not shut out");
    }
    match memory_protection() {
        MemoryProtection::SecretMemory => tracing::debug!("keys are in secret memory"),
        MemoryProtection::Locked => tracing::info!(
            "keys are in locked memory: the kernel has no memfd_secret, so root's debugger reads them"
        ),
        MemoryProtection::None => tracing::warn!(
            "keys are in ordinary memory: raise the limit on locked memory (ulimit -l, LimitMEMLOCK=)"
        ),
    }
}

/// Keeps no pages of the program in memory that only its start needed.
pub(super) fn shrink() {
    if let Err(error) = give_back_program() {
        tracing::debug!(%error, "the pages that the start needed stay");
    }
}
