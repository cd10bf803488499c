use zeroize::Zeroize;

/// More than a hash's frames take: 8 KiB.
pub(crate) const SHALLOW: usize = 1024;

/// More than RSA's frames take: 64 KiB.
pub(crate) const DEEP: usize = 8 * 1024;

/// Overwrites so many words of 8 bytes of the stack below the caller, where functions that have returned
/// left their copies of key bytes. Each word is written by itself, so that no compiler leaves it out:
/// bytes would take eight times as long.
#[inline(never)]
pub(crate) fn scrub_stack<const WORDS: usize>() {
    let mut below = [0_u64; WORDS];
    below.zeroize();
    std::hint::black_box(&mut below);
}
