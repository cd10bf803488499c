//! How services are reached: by whose word, and through whom.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::load_native_certs;

use crate::error::ClientError;
use crate::proxies::Proxies;

/// The certificate authorities to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorities<'a> {
    /// Those of the system.
    System,
    /// Those of this PEM bundle, and no others.
    Bundle(&'a [u8]),
    /// Those of the system, if it has any, and those of this PEM bundle.
    SystemAnd(&'a [u8]),
}

/// How services are reached.
#[derive(Debug, Clone)]
pub struct Network<'a> {
    /// The certificate authorities to trust.
    pub authorities: Authorities<'a>,
    /// The proxies to go through.
    pub proxies: Proxies,
}

impl<'a> From<Authorities<'a>> for Network<'a> {
    /// Goes through no proxy.
    fn from(authorities: Authorities<'a>) -> Self {
        Self { authorities, proxies: Proxies::default() }
    }
}

/// A [`Network`] to keep.
#[derive(Debug)]
pub(crate) struct OwnNetwork {
    bundle: Option<Vec<u8>>,
    with_system: bool,
    proxies: Proxies,
}

impl From<Network<'_>> for OwnNetwork {
    fn from(Network { authorities, proxies }: Network<'_>) -> Self {
        let (bundle, with_system) = match authorities {
            Authorities::System => (None, true),
            Authorities::Bundle(pem) => (Some(pem.to_vec()), false),
            Authorities::SystemAnd(pem) => (Some(pem.to_vec()), true),
        };
        Self { bundle, with_system, proxies }
    }
}

impl OwnNetwork {
    pub(crate) fn lent(&self) -> Network<'_> {
        let authorities = match &self.bundle {
            None => Authorities::System,
            Some(pem) if self.with_system => Authorities::SystemAnd(pem),
            Some(pem) => Authorities::Bundle(pem),
        };
        Network { authorities, proxies: self.proxies.clone() }
    }
}

impl Authorities<'_> {
    /// Returns what TLS needs to know. The system's authorities are not looked for if it is not used.
    pub(crate) fn trusted(self, over_tls: bool) -> Result<ClientConfig, ClientError> {
        let roots = match self {
            Self::System if over_tls => system()?,
            Self::System => RootCertStore::empty(),
            Self::SystemAnd(pem) if over_tls => {
                with_bundle(system().unwrap_or_else(|_none| RootCertStore::empty()), pem)?
            }
            Self::Bundle(pem) | Self::SystemAnd(pem) => with_bundle(RootCertStore::empty(), pem)?,
        };
        config(roots)
    }
}

fn system() -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    let found = load_native_certs();
    let (valid, _) = roots.add_parsable_certificates(found.certs);
    if valid == 0 {
        let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let why = format!("the system has none that is valid: {}", errors.join(", "));
        return Err(ClientError::Authorities(why.trim_end_matches([':', ' ']).to_owned()));
    }
    Ok(roots)
}

fn with_bundle(mut roots: RootCertStore, pem: &[u8]) -> Result<RootCertStore, ClientError> {
    let refused = |why: String| ClientError::Authorities(why);
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    if roots.len() == before {
        return Err(refused("there is no certificate in PEM".to_owned()));
    }
    Ok(roots)
}

fn config(roots: RootCertStore) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Authorities(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
