use std::path::Path;

use serde::{Deserialize, Serialize};
use strongroom_client::{ApiKey, BaseUrl, IssuedCertificate, MachineProof};
use strongroom_model::{Ocid, Region, Sensitive, Timestamp, private_file};
use strongroom_signing::{Certificate, CertificateError, KeyError, PrivateKey};

/// A machine's identity as it lies in a file: where it was enrolled, its certificate, and the key of
/// that. The file is replaced whole, so that certificate and key always belong together.
pub struct Identity {
    /// Base URL of the vault that it was enrolled at.
    pub endpoint: BaseUrl,
    /// OCID of the machine.
    pub id: Ocid,
    /// Its name.
    pub name: String,
    /// OCID of its tenancy.
    pub tenancy_id: Ocid,
    /// OCID of its compartment.
    pub compartment_id: Ocid,
    /// Its region.
    pub region: &'static Region,
    /// Its certificate, PEM.
    pub certificate: String,
    /// What vouches for the certificate, PEM.
    pub intermediate: String,
    /// The certificate's key, PEM.
    pub private_key: Sensitive,
}

/// Why an identity cannot be used. Holds no part of the file.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// The file is none that `admin instance add` writes.
    #[error("it is no identity of a machine: {0}")]
    Format(&'static str),
    /// The certificate cannot be read.
    #[error("the certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The key cannot be used.
    #[error("the private key: {0}")]
    Key(#[from] KeyError),
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    endpoint: String,
    id: Ocid,
    name: String,
    tenancy_id: Ocid,
    compartment_id: Ocid,
    region: String,
    certificate: String,
    intermediate_certificate: String,
    private_key: String,
}

impl Identity {
    /// Makes an identity of what a vault answered.
    ///
    /// # Errors
    /// [`IdentityError::Format`] if the answer names what is none.
    pub fn new(
        endpoint: &BaseUrl,
        issued: IssuedCertificate,
        private_key: Sensitive,
    ) -> Result<Self, IdentityError> {
        let ocid = |text: &str| text.parse().map_err(|_error| IdentityError::Format("an OCID"));
        let region = Region::named(&issued.region);
        Ok(Self {
            endpoint: endpoint.clone(),
            id: ocid(&issued.workload_id)?,
            name: issued.name,
            tenancy_id: ocid(&issued.tenancy_id)?,
            compartment_id: ocid(&issued.compartment_id)?,
            region: region.ok_or(IdentityError::Format("an unknown region"))?,
            certificate: issued.certificate,
            intermediate: issued.intermediate_certificate,
            private_key,
        })
    }

    /// Reads the file, which nobody else may read.
    ///
    /// # Errors
    /// An [`IdentityError`].
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        let bytes = Sensitive::new(private_file::read_private(path)?);
        let malformed = IdentityError::Format;
        let file: File = serde_json::from_slice(bytes.expose())
            .map_err(|_error| malformed("not the JSON of one"))?;
        Ok(Self {
            endpoint: file.endpoint.parse().map_err(|_error| malformed("its endpoint"))?,
            id: file.id,
            name: file.name,
            tenancy_id: file.tenancy_id,
            compartment_id: file.compartment_id,
            region: Region::named(&file.region).ok_or(malformed("its region"))?,
            certificate: file.certificate,
            intermediate: file.intermediate_certificate,
            private_key: Sensitive::new(file.private_key.into_bytes()),
        })
    }

    /// Writes the file with mode 0600, in place of one that is there.
    ///
    /// # Errors
    /// An [`IdentityError`].
    pub fn write(&self, path: &Path) -> Result<(), IdentityError> {
        let file = File {
            endpoint: self.endpoint.to_string(),
            id: self.id.clone(),
            name: self.name.clone(),
            tenancy_id: self.tenancy_id.clone(),
            compartment_id: self.compartment_id.clone(),
            region: self.region.name.to_owned(),
            certificate: self.certificate.clone(),
            intermediate_certificate: self.intermediate.clone(),
            private_key: self.key_text()?.to_owned(),
        };
        let mut bytes = Sensitive::new(Vec::with_capacity(FILE_BYTES));
        let written = serde_json::to_writer_pretty(bytes.expose_mut(), &file);
        drop(Sensitive::new(file.private_key.into_bytes()));
        written.map_err(|_error| IdentityError::Format("it cannot be encoded"))?;
        Ok(private_file::replace(path, bytes.expose())?)
    }

    fn key_text(&self) -> Result<&str, IdentityError> {
        std::str::from_utf8(self.private_key.expose()).map_err(|_error| KeyError::Format.into())
    }

    /// Returns what proves who the machine is.
    #[must_use]
    pub fn proof(&self) -> MachineProof<'_> {
        MachineProof {
            certificate: &self.certificate,
            intermediate_certificate: &self.intermediate,
        }
    }

    /// Returns what requests to the federation service are signed with.
    ///
    /// # Errors
    /// An [`IdentityError`] if certificate or key cannot be used.
    pub fn key(&self) -> Result<ApiKey, IdentityError> {
        let key = PrivateKey::from_pem(self.key_text()?)?;
        Ok(self.proof().key(self.tenancy_id.as_str(), key)?)
    }

    /// Returns from when to when the certificate is valid.
    ///
    /// # Errors
    /// An [`IdentityError`] if the certificate cannot be read.
    pub fn validity(&self) -> Result<(Timestamp, Timestamp), IdentityError> {
        let certificate = Certificate::from_text(&self.certificate)?;
        let (from, to) = (certificate.not_before(), certificate.not_after());
        from.zip(to).ok_or(IdentityError::Format("its certificate's validity"))
    }
}

/// Room for a file, so that its buffer does not grow and leave the key behind.
const FILE_BYTES: usize = 16 * 1024;

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("id", &self.id).finish_non_exhaustive()
    }
}
