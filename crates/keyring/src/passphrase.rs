use argon2::{Algorithm, Argon2, Params, Version};
use strongroom_model::Sensitive;

use crate::seal::OpenError;

const KEY_BYTES: usize = 32;

/// Most memory that a file may ask for, in KiB: bounds what a planted file can cost.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;

/// A passphrase that seals a root key.
#[derive(Debug, Clone)]
pub struct Passphrase(Sensitive);

impl Passphrase {
    /// Takes a passphrase; one line break at the end, as files have it, is not part of it.
    #[must_use]
    pub fn new(mut text: Sensitive) -> Self {
        for end in [b"\n".as_slice(), b"\r"] {
            if text.expose().ends_with(end) {
                text.expose_mut().pop();
            }
        }
        Self(text)
    }

    /// Tells whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.expose().is_empty()
    }

    /// Stretches the passphrase with argon2id (RFC 9106).
    pub(crate) fn stretch(&self, cost: Cost, salt: &[u8]) -> Result<Sensitive, OpenError> {
        let Cost { memory_kib, passes, lanes } = cost;
        if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX || lanes > LANES_MAX {
            return Err(OpenError);
        }
        let params = Params::new(memory_kib, passes, lanes, Some(KEY_BYTES));
        let params = params.map_err(|_error| OpenError)?;
        let mut key = Sensitive::new(vec![0; KEY_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(self.0.expose(), salt, key.expose_mut())
            .map_err(|_error| OpenError)?;
        Ok(key)
    }
}

/// What stretching costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Cost {
    /// 64 MiB, three passes, one lane: the second recommendation of RFC 9106, on one core.
    pub(crate) const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
}
