use serde::{Deserialize, Serialize};

/// Algorithm of a master encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyAlgorithm {
    /// AES.
    Aes,
    /// RSA.
    Rsa,
    /// ECDSA.
    Ecdsa,
}

impl KeyAlgorithm {
    /// Returns OCI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes => "AES",
            Self::Rsa => "RSA",
            Self::Ecdsa => "ECDSA",
        }
    }
}

/// Curve of an ECDSA key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Curve {
    /// NIST P-256.
    #[serde(rename = "NIST_P256")]
    P256,
    /// NIST P-384.
    #[serde(rename = "NIST_P384")]
    P384,
    /// NIST P-521.
    #[serde(rename = "NIST_P521")]
    P521,
}

impl Curve {
    /// Every curve.
    pub const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// Returns OCI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "NIST_P256",
            Self::P384 => "NIST_P384",
            Self::P521 => "NIST_P521",
        }
    }

    /// Returns the length of a private key in bytes.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// Length of an AES key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AesLength {
    /// 16 bytes.
    Aes128,
    /// 24 bytes.
    Aes192,
    /// 32 bytes.
    Aes256,
}

impl AesLength {
    /// Returns the length in bytes.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

/// Length of an RSA key's modulus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RsaLength {
    /// 256 bytes.
    Rsa2048,
    /// 384 bytes.
    Rsa3072,
    /// 512 bytes.
    Rsa4096,
}

impl RsaLength {
    /// Returns the length in bytes.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        match self {
            Self::Rsa2048 => 256,
            Self::Rsa3072 => 384,
            Self::Rsa4096 => 512,
        }
    }
}

/// Shape of a master encryption key: one that OCI knows.
///
/// Source: OCI API reference, `KeyShape`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Plain", into = "Plain")]
pub enum KeyShape {
    /// AES.
    Aes(AesLength),
    /// RSA.
    Rsa(RsaLength),
    /// ECDSA.
    Ecdsa(Curve),
}

/// Why no key has such a shape: the field, and its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The length is not one of the algorithm's.
    #[error("must be {0}")]
    Length(&'static str),
    /// The curve belongs to another length, or the algorithm has none.
    #[error("{0}")]
    Curve(&'static str),
}

impl KeyShape {
    /// Makes a shape of an algorithm, a length in bytes and, for ECDSA, a curve, which may be left
    /// out since the length tells it.
    ///
    /// # Errors
    /// A [`ShapeError`].
    pub fn new(
        algorithm: KeyAlgorithm,
        length: u64,
        curve: Option<Curve>,
    ) -> Result<Self, ShapeError> {
        if algorithm != KeyAlgorithm::Ecdsa && curve.is_some() {
            return Err(ShapeError::Curve("belongs to ECDSA keys only"));
        }
        match (algorithm, length) {
            (KeyAlgorithm::Aes, 16) => Ok(Self::Aes(AesLength::Aes128)),
            (KeyAlgorithm::Aes, 24) => Ok(Self::Aes(AesLength::Aes192)),
            (KeyAlgorithm::Aes, 32) => Ok(Self::Aes(AesLength::Aes256)),
            (KeyAlgorithm::Aes, _) => Err(ShapeError::Length("16, 24 or 32 bytes for AES")),
            (KeyAlgorithm::Rsa, 256) => Ok(Self::Rsa(RsaLength::Rsa2048)),
            (KeyAlgorithm::Rsa, 384) => Ok(Self::Rsa(RsaLength::Rsa3072)),
            (KeyAlgorithm::Rsa, 512) => Ok(Self::Rsa(RsaLength::Rsa4096)),
            (KeyAlgorithm::Rsa, _) => Err(ShapeError::Length("256, 384 or 512 bytes for RSA")),
            (KeyAlgorithm::Ecdsa, length) => {
                let of_length =
                    Curve::ALL.into_iter().find(|curve| u64::from(curve.bytes()) == length);
                let rule = ShapeError::Length("32, 48 or 66 bytes for ECDSA");
                let found = of_length.ok_or(rule)?;
                if curve.is_some_and(|curve| curve != found) {
                    return Err(ShapeError::Curve("is not the curve of this length"));
                }
                Ok(Self::Ecdsa(found))
            }
        }
    }

    /// Returns the algorithm.
    #[must_use]
    pub const fn algorithm(self) -> KeyAlgorithm {
        match self {
            Self::Aes(_) => KeyAlgorithm::Aes,
            Self::Rsa(_) => KeyAlgorithm::Rsa,
            Self::Ecdsa(_) => KeyAlgorithm::Ecdsa,
        }
    }

    /// Returns the length in bytes.
    #[must_use]
    pub const fn length(self) -> u16 {
        match self {
            Self::Aes(length) => length.bytes(),
            Self::Rsa(length) => length.bytes(),
            Self::Ecdsa(curve) => curve.bytes(),
        }
    }

    /// Returns the curve of an ECDSA key.
    #[must_use]
    pub const fn curve(self) -> Option<Curve> {
        match self {
            Self::Ecdsa(curve) => Some(curve),
            Self::Aes(_) | Self::Rsa(_) => None,
        }
    }
}

/// The shape in OCI's field names.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Plain {
    algorithm: KeyAlgorithm,
    length: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    curve_id: Option<Curve>,
}

impl From<KeyShape> for Plain {
    fn from(shape: KeyShape) -> Self {
        Self { algorithm: shape.algorithm(), length: shape.length(), curve_id: shape.curve() }
    }
}

impl TryFrom<Plain> for KeyShape {
    type Error = ShapeError;

    fn try_from(plain: Plain) -> Result<Self, ShapeError> {
        Self::new(plain.algorithm, plain.length.into(), plain.curve_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shapes_of_oci_exist() {
        let mut found = Vec::new();
        for algorithm in [KeyAlgorithm::Aes, KeyAlgorithm::Rsa, KeyAlgorithm::Ecdsa] {
            for length in 0..=1024 {
                if let Ok(shape) = KeyShape::new(algorithm, length, None) {
                    assert_eq!(u64::from(shape.length()), length);
                    let text = serde_json::to_string(&shape).unwrap();
                    assert_eq!(serde_json::from_str::<KeyShape>(&text).unwrap(), shape);
                    found.push((algorithm.name(), length));
                }
            }
        }
        assert_eq!(found.len(), 9, "{found:?}");
        assert!(KeyShape::new(KeyAlgorithm::Ecdsa, 32, Some(Curve::P384)).is_err());
        assert!(KeyShape::new(KeyAlgorithm::Aes, 32, Some(Curve::P256)).is_err());
    }
}
