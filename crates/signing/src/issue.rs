//! Makes certificates: an authority's own, and those of machines.

use aws_lc_rs::digest::{SHA256, digest};
use strongroom_model::Timestamp;
use x509_cert::TbsCertificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{
    Any, BitString, GeneralizedTime, Null, ObjectIdentifier, OctetString, SetOfVec, UtcTime,
    Utf8StringRef,
};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{DateTime, Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectKeyIdentifier,
};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use crate::certificate::{Certificate, CertificateError};
use crate::keys::PublicKey;

/// `id-at-commonName`, X.520.
pub(crate) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// `id-at-organizationalUnitName`, X.520.
pub(crate) const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
/// `sha256WithRSAEncryption`, RFC 8017.
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// `id-kp-clientAuth`, RFC 5280 §4.2.1.12.
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// Length of a key identifier, in bytes. Source: RFC 7093 §2, method 1.
const KEY_IDENTIFIER_BYTES: usize = 20;

/// From this year on times are `GeneralizedTime`. Source: RFC 5280 §4.1.2.5.
const GENERALIZED_FROM: u16 = 2050;

/// A field of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameField {
    /// `CN`.
    CommonName,
    /// `OU`.
    OrganizationalUnit,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It signs certificates, with so many authorities below it.
    Authority(u8),
    /// It signs requests.
    Client,
}

/// A certificate to be made. Signed with RSASSA-PKCS1-v1_5 and SHA-256.
#[derive(Debug)]
pub struct NewCertificate<'a> {
    /// Its name, in order.
    pub subject: &'a [(NameField, String)],
    /// Who signs it; nobody else if absent.
    pub issuer: Option<&'a Certificate>,
    /// Its number.
    pub serial: [u8; 16],
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Up to when it is valid.
    pub not_after: Timestamp,
    /// The key it is about.
    pub public_key: &'a PublicKey,
    /// What it is for.
    pub role: Role,
}

impl NewCertificate<'_> {
    /// Signs the certificate.
    ///
    /// # Errors
    /// [`CertificateError::Unsigned`] if `sign` does not, [`CertificateError::Format`] if a field is
    /// none that a certificate can hold.
    pub fn sign(
        &self,
        sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<Certificate, CertificateError> {
        let tbs = self.to_be_signed().map_err(|_error| CertificateError::Format)?;
        let message = tbs.to_der().map_err(|_error| CertificateError::Format)?;
        let signature = sign(&message).ok_or(CertificateError::Unsigned)?;
        let signature = BitString::from_bytes(&signature);
        let signed = x509_cert::Certificate {
            tbs_certificate: tbs,
            signature_algorithm: algorithm(),
            signature: signature.map_err(|_error| CertificateError::Unsigned)?,
        };
        Certificate::from_der(signed.to_der().map_err(|_error| CertificateError::Format)?)
    }

    fn to_be_signed(&self) -> x509_cert::der::Result<TbsCertificate> {
        let subject = name(self.subject)?;
        let issuer = match self.issuer {
            Some(issuer) => issuer.parsed.tbs_certificate.subject.clone(),
            None => subject.clone(),
        };
        Ok(TbsCertificate {
            version: x509_cert::Version::V3,
            serial_number: SerialNumber::new(&self.serial)?,
            signature: algorithm(),
            issuer,
            validity: Validity {
                not_before: time(self.not_before)?,
                not_after: time(self.not_after)?,
            },
            subject,
            subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(self.public_key.spki())?,
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(self.extensions()?),
        })
    }

    fn extensions(&self) -> x509_cert::der::Result<Vec<Extension>> {
        let own = key_identifier(self.public_key.spki())?;
        let issuer = match self.issuer {
            Some(issuer) => {
                let spki = issuer.parsed.tbs_certificate.subject_public_key_info.to_der()?;
                key_identifier(&spki)?
            }
            None => own.clone(),
        };
        let (ca, path_len_constraint, usage) = match self.role {
            Role::Authority(below) => (true, Some(below), KeyUsages::KeyCertSign),
            Role::Client => (false, None, KeyUsages::DigitalSignature),
        };
        let issuer = AuthorityKeyIdentifier { key_identifier: Some(issuer), ..Default::default() };
        let mut extensions = vec![
            extension(true, &BasicConstraints { ca, path_len_constraint })?,
            extension(true, &KeyUsage(usage.into()))?,
            extension(false, &SubjectKeyIdentifier(own))?,
            extension(false, &issuer)?,
        ];
        if self.role == Role::Client {
            extensions.push(extension(false, &ExtendedKeyUsage(vec![CLIENT_AUTH]))?);
        }
        Ok(extensions)
    }
}

fn algorithm() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: SHA256_WITH_RSA, parameters: Some(Any::from(Null)) }
}

fn name(fields: &[(NameField, String)]) -> x509_cert::der::Result<RdnSequence> {
    let part = |(field, text): &(NameField, String)| {
        let oid = match field {
            NameField::CommonName => COMMON_NAME,
            NameField::OrganizationalUnit => ORGANIZATIONAL_UNIT,
        };
        let value = Any::from(Utf8StringRef::new(text)?);
        let set = SetOfVec::try_from(vec![AttributeTypeAndValue { oid, value }])?;
        Ok(RelativeDistinguishedName(set))
    };
    fields.iter().map(part).collect::<x509_cert::der::Result<Vec<_>>>().map(RdnSequence)
}

fn time(at: Timestamp) -> x509_cert::der::Result<Time> {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    let at = DateTime::from_unix_duration(std::time::Duration::from_secs(seconds))?;
    Ok(if at.year() < GENERALIZED_FROM {
        Time::UtcTime(UtcTime::from_date_time(at)?)
    } else {
        Time::GeneralTime(GeneralizedTime::from_date_time(at))
    })
}

/// SHA-256 of the key's bits, cut short.
fn key_identifier(spki: &[u8]) -> x509_cert::der::Result<OctetString> {
    let spki = SubjectPublicKeyInfoOwned::from_der(spki)?;
    let hash = digest(&SHA256, spki.subject_public_key.raw_bytes());
    OctetString::new(hash.as_ref().get(..KEY_IDENTIFIER_BYTES).unwrap_or_default())
}

fn extension<T: AssociatedOid + Encode>(
    critical: bool,
    value: &T,
) -> x509_cert::der::Result<Extension> {
    let extn_value = OctetString::new(value.to_der()?)?;
    Ok(Extension { extn_id: T::OID, critical, extn_value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PrivateKey;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    struct Maker {
        key: PrivateKey,
        certificate: Certificate,
    }

    fn make(name: &str, role: Role, issuer: Option<&Maker>, (from, to): (i64, i64)) -> Maker {
        let key = PrivateKey::generate().unwrap();
        let subject = [
            (NameField::CommonName, name.to_owned()),
            (NameField::OrganizationalUnit, format!("opc-instance:{name}")),
            (NameField::OrganizationalUnit, "opc-tenant:t".to_owned()),
        ];
        let new = NewCertificate {
            subject: &subject,
            issuer: issuer.map(|issuer| &issuer.certificate),
            serial: [7; 16],
            not_before: at(from),
            not_after: at(to),
            public_key: &key.public().unwrap(),
            role,
        };
        let signer = issuer.map_or(&key, |issuer| &issuer.key);
        let certificate = new.sign(|message| signer.sign(message).ok()).unwrap();
        Maker { key, certificate }
    }

    #[test]
    fn a_leaf_leads_to_its_root_through_its_intermediate_in_its_time() {
        let root = make("root", Role::Authority(1), None, (1_000, 9_000_000_000));
        let between = make("between", Role::Authority(0), Some(&root), (1_000, 9_000));
        let leaf = make("leaf", Role::Client, Some(&between), (2_000, 3_000));
        let other = make("root", Role::Authority(1), None, (1_000, 9_000));
        let (roots, chain) = ([root.certificate.clone()], [between.certificate.clone()]);
        let leads = |leaf: &Maker, chain: &[Certificate], roots: &[Certificate], now| {
            leaf.certificate.verify(chain, roots, at(now)).is_ok()
        };
        assert!(leads(&leaf, &chain, &roots, 2_500));
        for now in [1_999, 3_001] {
            assert!(!leads(&leaf, &chain, &roots, now), "{now}");
        }
        assert!(!leads(&leaf, &[], &roots, 2_500));
        assert!(!leads(&leaf, &chain, &[other.certificate], 2_500));
        assert!(!leads(&leaf, &chain, &[], 2_500));
        assert!(!leads(&between, &[], &roots, 2_500), "an authority is no client");
        let forged = make("forged", Role::Client, Some(&leaf), (2_000, 3_000));
        let chain = [leaf.certificate.clone(), between.certificate];
        assert!(!leads(&forged, &chain, &roots, 2_500), "a client is no authority");
    }

    #[test]
    fn certificates_say_what_was_put_in() {
        let made = make("ocid1.instance.x", Role::Client, None, (1_000, 9_000_000_000));
        let read = Certificate::from_text(&made.certificate.to_pem()).unwrap();
        assert_eq!(read, made.certificate);
        assert_eq!(read.common_name(), Some("ocid1.instance.x"));
        assert_eq!(read.unit("opc-instance:"), Some("ocid1.instance.x"));
        assert_eq!(read.unit("opc-tenant:"), Some("t"));
        assert_eq!(read.unit("opc-"), None, "two units begin so");
        assert_eq!(
            (read.not_before(), read.not_after()),
            (Some(at(1_000)), Some(at(9_000_000_000)))
        );
        let (public, made_of) = (read.public_key().unwrap(), made.key.public().unwrap());
        assert_eq!(public.fingerprint(), made_of.fingerprint());
        assert!(read.has_fingerprint(&read.fingerprint().to_uppercase()));
        assert!(!read.has_fingerprint(""));
        assert!(Certificate::from_text("AAAA").is_err());
    }
}
