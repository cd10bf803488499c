//! A certificate authority for the databases of a run.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose, SanType,
};

use crate::Outcome;

/// An authority, which lives as long as the run.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    pub(crate) fn new() -> Outcome<Self> {
        let mut own = CertificateParams::new(Vec::new())?;
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self(CertifiedIssuer::self_signed(own, KeyPair::generate()?)?))
    }

    pub(crate) fn to_pem(&self) -> String {
        self.0.pem()
    }

    /// Makes the certificate of a server, and its key.
    pub(crate) fn certificate(&self, address: Ipv4Addr) -> Outcome<(String, String)> {
        let mut of_server = CertificateParams::new(Vec::new())?;
        of_server.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(address))];
        let key = KeyPair::generate()?;
        let signed = of_server.signed_by(&key, &self.0)?;
        Ok((signed.pem(), key.serialize_pem()))
    }
}
