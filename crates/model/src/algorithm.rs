use crate::{Curve, KeyShape};

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`.")] $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// OCI's names, in the order of [`Self::ALL`].
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// Returns OCI's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Finds a value by OCI's name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}

named! {
    /// How `Encrypt` encrypts. `AES_256_GCM` stands for AES keys of every length.
    ///
    /// Source: OCI API reference, `EncryptDataDetails`.
    EncryptionAlgorithm {
        AesGcm = "AES_256_GCM",
        RsaOaepSha1 = "RSA_OAEP_SHA_1",
        RsaOaepSha256 = "RSA_OAEP_SHA_256",
    }
}

named! {
    /// How `Sign` signs.
    ///
    /// Source: OCI API reference, `SignDataDetails`.
    SigningAlgorithm {
        RsaPssSha224 = "SHA_224_RSA_PKCS_PSS",
        RsaPssSha256 = "SHA_256_RSA_PKCS_PSS",
        RsaPssSha384 = "SHA_384_RSA_PKCS_PSS",
        RsaPssSha512 = "SHA_512_RSA_PKCS_PSS",
        RsaPkcs1Sha224 = "SHA_224_RSA_PKCS1_V1_5",
        RsaPkcs1Sha256 = "SHA_256_RSA_PKCS1_V1_5",
        RsaPkcs1Sha384 = "SHA_384_RSA_PKCS1_V1_5",
        RsaPkcs1Sha512 = "SHA_512_RSA_PKCS1_V1_5",
        EcdsaSha256 = "ECDSA_SHA_256",
        EcdsaSha384 = "ECDSA_SHA_384",
        EcdsaSha512 = "ECDSA_SHA_512",
    }
}

named! {
    /// Whether a message to sign is the message or its digest.
    MessageType {
        Raw = "RAW",
        Digest = "DIGEST",
    }
}

named! {
    /// How key material is wrapped under an RSA key, on its way in or out.
    ///
    /// Source: OCI API reference, `WrappedImportKey`, `ExportKeyDetails`.
    WrappingAlgorithm {
        RsaOaepSha256 = "RSA_OAEP_SHA256",
        RsaOaepAesSha256 = "RSA_OAEP_AES_SHA256",
    }
}

/// A hash function of the SHA-2 family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Returns the length of a digest in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// How a signature is made of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// RSASSA-PSS with MGF1 of the same hash and a salt as long as the hash (RFC 8017).
    RsaPss,
    /// RSASSA-PKCS1-v1_5 (RFC 8017).
    RsaPkcs1,
    /// ECDSA, DER encoded (RFC 3279).
    Ecdsa,
}

impl SigningAlgorithm {
    /// Returns the hash function.
    #[must_use]
    pub const fn hash(self) -> Hash {
        match self {
            Self::RsaPssSha224 | Self::RsaPkcs1Sha224 => Hash::Sha224,
            Self::RsaPssSha256 | Self::RsaPkcs1Sha256 | Self::EcdsaSha256 => Hash::Sha256,
            Self::RsaPssSha384 | Self::RsaPkcs1Sha384 | Self::EcdsaSha384 => Hash::Sha384,
            Self::RsaPssSha512 | Self::RsaPkcs1Sha512 | Self::EcdsaSha512 => Hash::Sha512,
        }
    }

    /// Returns the scheme.
    #[must_use]
    pub const fn scheme(self) -> SignatureScheme {
        match self {
            Self::RsaPssSha224 | Self::RsaPssSha256 | Self::RsaPssSha384 | Self::RsaPssSha512 => {
                SignatureScheme::RsaPss
            }
            Self::RsaPkcs1Sha224
            | Self::RsaPkcs1Sha256
            | Self::RsaPkcs1Sha384
            | Self::RsaPkcs1Sha512 => SignatureScheme::RsaPkcs1,
            Self::EcdsaSha256 | Self::EcdsaSha384 | Self::EcdsaSha512 => SignatureScheme::Ecdsa,
        }
    }

    /// Tells whether keys of `shape` sign so. A curve goes with the hash of its own strength.
    #[must_use]
    pub const fn fits(self, shape: KeyShape) -> bool {
        match (self.scheme(), shape) {
            (SignatureScheme::RsaPss | SignatureScheme::RsaPkcs1, KeyShape::Rsa(_)) => true,
            (SignatureScheme::Ecdsa, KeyShape::Ecdsa(curve)) => matches!(
                (self, curve),
                (Self::EcdsaSha256, Curve::P256)
                    | (Self::EcdsaSha384, Curve::P384)
                    | (Self::EcdsaSha512, Curve::P521)
            ),
            _ => false,
        }
    }
}

impl EncryptionAlgorithm {
    /// Tells whether keys of `shape` encrypt so.
    #[must_use]
    pub const fn fits(self, shape: KeyShape) -> bool {
        match self {
            Self::AesGcm => matches!(shape, KeyShape::Aes(_)),
            Self::RsaOaepSha1 | Self::RsaOaepSha256 => matches!(shape, KeyShape::Rsa(_)),
        }
    }
}
