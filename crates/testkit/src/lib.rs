//! For tests alone: chance that can be repeated.

use std::hash::{BuildHasher, RandomState};

/// A small generator whose runs can be repeated (xorshift64*). Of no use for keys.
#[derive(Debug)]
pub struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    /// Begins with a seed, or with a fresh one.
    #[must_use]
    pub fn new(seed: Option<u64>) -> Self {
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        Self { seed, state: seed | 1 }
    }

    /// Returns what repeats the run.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Draws a number below `below`; 0 if that is 0.
    pub fn roll(&mut self, below: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let below = u64::try_from(below.max(1)).unwrap_or(1);
        usize::try_from((self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % below).unwrap_or(0)
    }

    /// Draws one of several texts.
    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.get(self.roll(from.len())).copied().unwrap_or_default()
    }

    /// Bends bytes in one to three places, or cuts, lengthens or swaps.
    pub fn bend(&mut self, original: &[u8]) -> Vec<u8> {
        let mut bytes = original.to_vec();
        match self.roll(6) {
            0 => bytes.truncate(self.roll(original.len())),
            1 => bytes.extend_from_slice(&vec![0; 1 + self.roll(40)]),
            2 => {
                let (from, to) = (self.roll(bytes.len()), self.roll(bytes.len()));
                bytes.swap(from, to);
            }
            _ => {
                for _ in 0..=self.roll(3) {
                    let (place, bit) = (self.roll(bytes.len()), self.roll(8));
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte ^= 1 << bit;
                    }
                }
            }
        }
        bytes
    }
}
