use std::fmt;

use zeroize::Zeroizing;

/// Bytes that must never be printed: wiped on drop, no `Display`, no serialization, and a `Debug`
/// that shows neither content nor length.
#[derive(Clone, PartialEq, Eq)]
pub struct Sensitive(Zeroizing<Vec<u8>>);

impl Sensitive {
    /// Takes ownership of `bytes`; the vector is wiped when the value is dropped.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Lends the content. The name is the one thing to search for when asking who sees plaintext.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Turns into what a buffer that is sent can own: wiped when it has been sent.
    #[must_use]
    pub fn into_owner(self) -> impl AsRef<[u8]> + Send + 'static {
        self.0
    }

    /// Appends bytes. What is outgrown is wiped, as it is not when a vector grows.
    pub fn append(&mut self, bytes: &[u8]) {
        let (length, room) = (self.0.len().saturating_add(bytes.len()), self.0.capacity());
        if length > room {
            let room = length.max(room.saturating_mul(2));
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// Lends the content for changing it in place, as in-place decryption does.
    #[must_use]
    pub fn expose_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(..)")
    }
}

impl From<Vec<u8>> for Sensitive {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where there is room the bytes stay where they are; where there is none, others take their place,
    /// and dropping those wipes them.
    #[test]
    fn what_is_appended_to_moves_into_larger_room() {
        let mut grown = Sensitive::new(Vec::new());
        let (mut expected, mut moves) = (Vec::new(), 0);
        for number in 0..200_u8 {
            let (room, place) = (grown.0.capacity(), grown.0.as_ptr());
            let bytes = vec![number; usize::from(number)];
            grown.append(&bytes);
            expected.extend_from_slice(&bytes);
            assert_eq!(grown.expose(), expected);
            if grown.0.as_ptr() != place {
                assert!(grown.0.capacity() >= 2 * room);
                moves += 1;
            }
        }
        assert!(moves < 20, "{moves}");
    }

    #[test]
    fn debug_shows_neither_content_nor_length() {
        let short = format!("{:?}", Sensitive::new(b"x".to_vec()));
        let long = format!("{:?}", Sensitive::new(b"correct horse battery".to_vec()));
        assert_eq!(short, "Sensitive(..)");
        assert_eq!(short, long);
    }
}
