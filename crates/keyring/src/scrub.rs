use zeroize::Zeroize;

/// More than a hash's frames take.
pub(crate) const SHALLOW_BYTES: usize = 8 * 1024;

/// More than RSA's frames take.
pub(crate) const DEEP_BYTES: usize = 64 * 1024;

/// Overwrites so many bytes of the stack below the caller, where functions that have returned left
/// their copies of key bytes.
#[inline(never)]
pub(crate) fn scrub_stack<const BYTES: usize>() {
    let mut below = [0_u8; BYTES];
    below.zeroize();
    std::hint::black_box(&mut below);
}
