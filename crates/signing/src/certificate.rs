//! Certificates of machines (RFC 5280): what they say, and whether they lead to a root.

use std::time::Duration;

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::{CertificateDer, UnixTime};
use strongroom_model::{Timestamp, pem};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::der::asn1::{Any, ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{Decode, Encode, Tag, Tagged};

use crate::issue::{COMMON_NAME, ORGANIZATIONAL_UNIT};
use crate::keys::PublicKey;

const LABEL: &str = "CERTIFICATE";

/// Longest certificate that is read, in bytes of DER.
const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

/// Why a certificate is of no use. Holds no part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are no certificate.
    #[error("it is no X.509 certificate")]
    Format,
    /// Its key is none that may sign.
    #[error("its key is no RSA key of 2048 to 8192 bits")]
    Key,
    /// It does not lead to a root that is trusted, or not at this time.
    #[error("it leads to no root that is trusted here: {0}")]
    Chain(String),
    /// It was not signed.
    #[error("it was not signed")]
    Unsigned,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    pub(crate) parsed: x509_cert::Certificate,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// [`CertificateError::Format`].
    pub fn from_der(der: Vec<u8>) -> Result<Self, CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::Format);
        }
        let parsed = x509_cert::Certificate::from_der(&der);
        Ok(Self { parsed: parsed.map_err(|_error| CertificateError::Format)?, der })
    }

    /// Reads the body of a PEM block: base64 without armor, as Oracle's SDKs send it. With armor it
    /// is read as well.
    ///
    /// # Errors
    /// [`CertificateError::Format`].
    pub fn from_text(text: &str) -> Result<Self, CertificateError> {
        if let Some((_, der)) = pem::decode(text, &[LABEL]) {
            return Self::from_der(der.expose().to_vec());
        }
        let body: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        Self::from_der(STANDARD.decode(body).map_err(|_position| CertificateError::Format)?)
    }

    /// Returns the DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the certificate as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        String::from_utf8_lossy(pem::encode(LABEL, &self.der).expose()).into_owned()
    }

    /// Tells whether a fingerprint is this certificate's: SHA-1 or SHA-256 of the DER, hex with
    /// colons, in any case.
    #[must_use]
    pub fn has_fingerprint(&self, fingerprint: &str) -> bool {
        [&SHA1_FOR_LEGACY_USE_ONLY, &SHA256].into_iter().any(|algorithm| {
            let digest = digest::digest(algorithm, &self.der);
            let pairs: Vec<String> = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
            pairs.join(":").eq_ignore_ascii_case(fingerprint)
        })
    }

    /// Returns the SHA-256 of the DER, lower-case hex with colons.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = digest::digest(&SHA256, &self.der);
        let pairs: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(":")
    }

    /// Returns the common name of the subject.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.subject(COMMON_NAME).next()
    }

    /// Returns what follows `prefix` in an organizational unit of the subject; none if there is no
    /// such unit, or more than one.
    #[must_use]
    pub fn unit(&self, prefix: &str) -> Option<&str> {
        let mut units =
            self.subject(ORGANIZATIONAL_UNIT).filter_map(|unit| unit.strip_prefix(prefix));
        units.next().filter(|_| units.next().is_none())
    }

    fn subject(&self, field: ObjectIdentifier) -> impl Iterator<Item = &str> {
        let names = self.parsed.tbs_certificate.subject.0.iter().flat_map(|name| name.0.iter());
        names.filter(move |name| name.oid == field).filter_map(|name| text_of(&name.value))
    }

    /// Returns the key that the certificate is about.
    ///
    /// # Errors
    /// [`CertificateError::Key`].
    pub fn public_key(&self) -> Result<PublicKey, CertificateError> {
        let spki = self.parsed.tbs_certificate.subject_public_key_info.to_der();
        let spki = spki.map_err(|_error| CertificateError::Key)?;
        PublicKey::from_der(&spki).map_err(|_error| CertificateError::Key)
    }

    /// Returns from when the certificate is valid.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        instant(self.parsed.tbs_certificate.validity.not_before)
    }

    /// Returns up to when the certificate is valid.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        instant(self.parsed.tbs_certificate.validity.not_after)
    }

    /// Verifies that the certificate leads to one of `roots` through some of `intermediates`, all of
    /// them valid at `now`, and is one of a client.
    ///
    /// # Errors
    /// [`CertificateError::Chain`].
    pub fn verify(
        &self,
        intermediates: &[Self],
        roots: &[Self],
        now: Timestamp,
    ) -> Result<(), CertificateError> {
        let refused = |error: webpki::Error| CertificateError::Chain(error.to_string());
        let ders = |certificates: &[Self]| -> Vec<CertificateDer<'static>> {
            certificates.iter().map(|one| CertificateDer::from(one.der.clone())).collect()
        };
        let (leaf, between, trusted) =
            (CertificateDer::from(self.der.as_slice()), ders(intermediates), ders(roots));
        let anchors = trusted.iter().map(anchor_from_trusted_cert).collect::<Result<Vec<_>, _>>();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let leaf = EndEntityCert::try_from(&leaf).map_err(refused)?;
        let anchors = anchors.map_err(refused)?;
        let usage = KeyUsage::client_auth();
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let verified =
            leaf.verify_for_usage(algorithms, &anchors, &between, time, usage, None, None);
        verified.map(|_path| ()).map_err(refused)
    }
}

fn instant(time: x509_cert::time::Time) -> Option<Timestamp> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
    Timestamp::from_second(seconds).ok()
}

fn text_of(value: &Any) -> Option<&str> {
    match value.tag() {
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().ok().map(|text| text.as_str()),
        Tag::PrintableString => {
            value.decode_as::<PrintableStringRef<'_>>().ok().map(|text| text.as_str())
        }
        _ => None,
    }
}
