use zeroize::Zeroize;

/// More than the cryptographic library's frames take.
const DEPTH_BYTES: usize = 16 * 1024;

/// Overwrites the stack below the caller, where functions that have returned left their copies of
/// key bytes.
#[inline(never)]
pub(crate) fn scrub_stack() {
    let mut below = [0_u8; DEPTH_BYTES];
    below.zeroize();
    std::hint::black_box(&mut below);
}
