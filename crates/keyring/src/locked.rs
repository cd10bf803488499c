use std::fmt;

use strongroom_model::Sensitive;

/// Bytes of a key; wiped on drop.
pub(crate) struct LockedBytes(Sensitive);

impl LockedBytes {
    pub(crate) fn with(length: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = Sensitive::new(vec![0; length]);
        fill(bytes.expose_mut());
        Self(bytes)
    }

    pub(crate) fn from_sensitive(bytes: Sensitive) -> Self {
        Self(bytes)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl fmt::Debug for LockedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockedBytes(..)")
    }
}
