use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The certificate and key that the server shows, TLS 1.2 or 1.3.
#[derive(Clone)]
pub struct TlsIdentity(TlsAcceptor);

/// Why a certificate or key cannot be used. Holds no part of either.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is no PEM, or holds no certificate.
    #[error("the certificate file holds no PEM certificate")]
    Certificate,
    /// The file is no PEM, or holds no private key.
    #[error("the key file holds no PEM private key")]
    PrivateKey,
    /// The two do not fit together, or are of a kind that TLS does not take.
    #[error("the certificate and the key do not fit together")]
    Mismatch,
}

impl TlsIdentity {
    /// Reads a certificate chain and a private key, both PEM.
    ///
    /// # Errors
    /// A [`TlsError`].
    pub fn from_pem(certificates: &[u8], private_key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|_error| TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::Certificate);
        }
        let key =
            PrivateKeyDer::from_pem_slice(private_key).map_err(|_error| TlsError::PrivateKey)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|_error| TlsError::Mismatch)?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.clone()
    }
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsIdentity(..)")
    }
}
