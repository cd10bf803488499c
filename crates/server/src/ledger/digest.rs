use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 32 bytes: a hash, or a number below 2^256. Written in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl Digest {
    pub(crate) fn text(self) -> String {
        STANDARD.encode(self.0)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Adds, modulo 2^256.
    pub(crate) fn plus(self, other: Self) -> Self {
        let mut sum = Self::default();
        let mut carry = 0_u16;
        let bytes = self.0.iter().zip(other.0).rev();
        for (to, (one, other)) in sum.0.iter_mut().rev().zip(bytes) {
            carry += u16::from(*one) + u16::from(other);
            let [high, low] = carry.to_be_bytes();
            *to = low;
            carry = u16::from(high);
        }
        sum
    }

    /// Subtracts, modulo 2^256.
    pub(crate) fn minus(self, other: Self) -> Self {
        let one = Self(std::array::from_fn(|place| u8::from(place == 31)));
        self.plus(Self(other.0.map(|byte| !byte))).plus(one)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("32 bytes in base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(low: u64) -> Digest {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&low.to_be_bytes());
        Digest(bytes)
    }

    #[test]
    fn numbers_are_added_and_taken_away_modulo_two_to_the_256() {
        assert_eq!(number(0xff_ff).plus(number(1)), number(0x1_00_00));
        assert_eq!(number(7).minus(number(3)), number(4));
        assert_eq!(number(0).minus(number(1)), Digest([0xff; 32]));
        assert_eq!(Digest([0xff; 32]).plus(number(1)), number(0));
        let (one, other) = (Digest([0x9d; 32]), Digest([0xe3; 32]));
        assert_eq!(one.plus(other).minus(other), one);
        assert_eq!(Digest::parse(&one.text()), Some(one));
        assert_eq!(Digest::parse("AAAA"), None);
    }
}
