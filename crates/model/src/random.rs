use std::fmt::Debug;

/// A source of cryptographically secure random bytes; an argument wherever randomness is needed.
pub trait Random: Debug + Send + Sync + 'static {
    /// Fills `bytes` with random bytes.
    ///
    /// Implementations end the process's request rather than return predictable bytes, so there is
    /// no error to handle.
    fn fill(&self, bytes: &mut [u8]);
}
