use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use serde::Deserialize;
use strongroom_model::{Ocid, OcidKind, Region};

use crate::error::ClientError;

/// Where the services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// One URL answers all services, as this product's vault does.
    One(BaseUrl),
    /// Oracle's cloud in a region.
    Region(&'static Region),
    /// Oracle's cloud in a region that is not in the table, or another cloud of the same form.
    Elsewhere(Elsewhere),
}

/// A region that is not in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The region identifier; none if the name of the region was a domain itself.
    region: Option<String>,
    /// The second-level domain, perhaps with a port.
    domain: String,
}

/// What is told of a region that Oracle's tools do not know: `OCI_REGION_METADATA`, or an entry of
/// `~/.oci/regions-config.json`.
///
/// Source: OCI documentation, "Adding Regions".
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionMetadata {
    /// Key of the realm, `oc1`.
    pub realm_key: String,
    /// Second-level domain of the realm.
    pub realm_domain_component: String,
    /// Key of the region.
    pub region_key: String,
    /// Identifier of the region.
    pub region_identifier: String,
}

impl From<&'static Region> for RegionMetadata {
    fn from(region: &'static Region) -> Self {
        Self {
            realm_key: region.realm.key.to_owned(),
            realm_domain_component: region.realm.domain.to_owned(),
            region_key: region.key.to_owned(),
            region_identifier: region.name.to_owned(),
        }
    }
}

impl RegionMetadata {
    /// Returns the endpoints of the region: those of the table, if it has the region.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        Region::named(&self.region_identifier).map_or_else(|| self.elsewhere(), Endpoints::Region)
    }

    fn elsewhere(&self) -> Endpoints {
        let region = Some(self.region_identifier.to_ascii_lowercase());
        let domain = self.realm_domain_component.to_ascii_lowercase();
        Endpoints::Elsewhere(Elsewhere { region, domain })
    }

    fn is_called(&self, name: &str) -> bool {
        self.region_identifier.eq_ignore_ascii_case(name)
            || self.region_key.eq_ignore_ascii_case(name)
    }
}

/// An `http` or `https` URL of a host, perhaps with a port and a path, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl FromStr for BaseUrl {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let refuse = |why| Err(ClientError::Endpoint(why));
        let Ok(uri) = text.parse::<Uri>() else {
            return refuse("it is no URL");
        };
        let Some("http" | "https") = uri.scheme_str() else {
            return refuse("it begins neither with http:// nor with https://");
        };
        let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty())
        else {
            return refuse("it names no host");
        };
        if authority.as_str().contains('@') {
            return refuse("it names a user");
        }
        if text.contains(['?', '#']) {
            return refuse("it has a query or a fragment");
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl BaseUrl {
    /// Tells whether the URL is of `https`.
    pub(crate) fn is_over_tls(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A service that the client calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Vaults,
    Secrets,
    KmsVaults,
    Auth,
    Identity,
    Audit,
}

/// What the hosts of services are made of: one URL, or a region, if any, and a domain.
enum Place<'a> {
    Url(&'a BaseUrl),
    Region(Option<&'a str>, &'a str),
}

impl Endpoints {
    /// Returns the endpoints of a region by identifier or key: one of the table, one that `told`
    /// describes, a name with a dot in it, which is a domain itself, or any at all in the realm
    /// whose domain is `default_realm`.
    #[must_use]
    pub fn named(name: &str, told: &[RegionMetadata], default_realm: Option<&str>) -> Option<Self> {
        if let Some(region) = Region::named(name) {
            return Some(Self::Region(region));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
        if name.is_empty() || !name.chars().all(legal) {
            return None;
        }
        let name = name.to_ascii_lowercase();
        if let Some(known) = told.iter().find(|known| known.is_called(&name)) {
            return Some(known.elsewhere());
        }
        if name.contains('.') {
            return Some(Self::Elsewhere(Elsewhere { region: None, domain: name }));
        }
        let domain = default_realm?.to_ascii_lowercase();
        Some(Self::Elsewhere(Elsewhere { region: Some(name), domain }))
    }

    /// Returns the base URL of a service.
    ///
    /// Source: OCI API reference, "API Endpoints".
    pub(crate) fn base_url(&self, service: Service) -> String {
        let (region, domain) = match self.place() {
            Place::Url(url) => return url.0.clone(),
            Place::Region(region, domain) => (region, domain),
        };
        let (name, is_of_oci) = match service {
            Service::Vaults => ("vaults", true),
            Service::Secrets => ("secrets.vaults", true),
            Service::Identity => ("identity", true),
            Service::KmsVaults => ("kms", false),
            Service::Auth => ("auth", false),
            Service::Audit => ("audit", false),
        };
        match region {
            None => format!("https://{name}.{domain}"),
            Some(region) if is_of_oci => format!("https://{name}.{region}.oci.{domain}"),
            Some(region) => format!("https://{name}.{region}.{domain}"),
        }
    }

    const fn place(&self) -> Place<'_> {
        match self {
            Self::One(url) => Place::Url(url),
            Self::Region(region) => Place::Region(Some(region.name), region.realm.domain),
            Self::Elsewhere(Elsewhere { region: Some(region), domain }) => {
                Place::Region(Some(region.as_str()), domain.as_str())
            }
            Self::Elsewhere(Elsewhere { region: None, domain }) => {
                Place::Region(None, domain.as_str())
            }
        }
    }

    /// Returns the crypto endpoint of the vault that holds a key: the key's OCID names the vault, and
    /// one URL that answers all services answers this one too.
    ///
    /// Source: OCI documentation, "Managing Vaults", for the hosts of vaults in regions.
    pub(crate) fn crypto_of(&self, key_id: &str) -> Result<BaseUrl, ClientError> {
        let (region, domain) = match self.place() {
            Place::Url(url) => return Ok(url.clone()),
            Place::Region(region, domain) => (region, domain),
        };
        let refuse = |why| Err(ClientError::Endpoint(why));
        let Some(key) = key_id.parse::<Ocid>().ok().filter(|id| id.is(OcidKind::Key)) else {
            return refuse("what is to name a key is no OCID of one");
        };
        let segments: Vec<&str> = key.as_str().split('.').collect();
        let [_, _, _, of_key, vault, _] = segments.as_slice() else {
            return refuse("the key's OCID names no vault");
        };
        if let Self::Region(own) = self
            && Region::named(of_key) != Some(own)
        {
            return refuse("the key's OCID names another region");
        }
        match region {
            Some(region) => format!("https://{vault}-crypto.kms.{region}.{domain}").parse(),
            None => format!("https://{vault}-crypto.kms.{domain}").parse(),
        }
    }

    /// Returns the base URL of each service that the client calls, by the service's name in
    /// Oracle's SDKs.
    #[must_use]
    pub fn urls(&self) -> [(&'static str, String); 6] {
        [
            ("vault", Service::Vaults),
            ("secrets", Service::Secrets),
            ("kms_vault", Service::KmsVaults),
            ("identity", Service::Identity),
            ("auth", Service::Auth),
            ("audit", Service::Audit),
        ]
        .map(|(name, service)| (name, self.base_url(service)))
    }

    /// Returns whether calls go over TLS.
    pub(crate) fn over_tls(&self) -> bool {
        self.base_url(Service::Secrets).to_ascii_lowercase().starts_with("https:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_a_host_for_each_service() {
        let at = |name| Endpoints::Region(Region::named(name).unwrap());
        let iad = at("us-ashburn-1");
        assert_eq!(
            iad.base_url(Service::Secrets),
            "https://secrets.vaults.us-ashburn-1.oci.oraclecloud.com"
        );
        assert_eq!(iad.base_url(Service::KmsVaults), "https://kms.us-ashburn-1.oraclecloud.com");
        let identity = "https://identity.us-ashburn-1.oci.oraclecloud.com";
        assert_eq!(iad.base_url(Service::Identity), identity);
        let london = at("uk-gov-london-1").base_url(Service::Vaults);
        assert_eq!(london, "https://vaults.uk-gov-london-1.oci.oraclegovcloud.uk");
        assert!(iad.over_tls());
    }

    #[test]
    fn a_key_tells_where_its_vault_computes() {
        let iad = Endpoints::Region(Region::named("iad").unwrap());
        let of = |key_id: &str| iad.crypto_of(key_id).map(|url| url.to_string());
        let host = "https://bbpj22ilaaeuk-crypto.kms.us-ashburn-1.oraclecloud.com";
        assert_eq!(of("ocid1.key.oc1.iad.bbpj22ilaaeuk.abuwcx"), Ok(host.to_owned()));
        for wrong in [
            "",
            "k",
            "ocid1.vault.oc1.iad.bbpj22ilaaeuk.abuwcx",
            "ocid1.key.oc1.iad.abuwcx",
            "ocid1.key.oc1.phx.bbpj22ilaaeuk.abuwcx",
            "ocid1.key.oc1.iad.evil/x.abuwcx",
        ] {
            assert!(matches!(of(wrong), Err(ClientError::Endpoint(_))), "{wrong}");
        }
        let url: BaseUrl = "http://127.0.0.1:8790".parse().unwrap();
        assert_eq!(Endpoints::One(url.clone()).crypto_of("k"), Ok(url));
    }

    #[test]
    fn regions_that_are_not_in_the_table() {
        let told = RegionMetadata {
            realm_key: "OC99".to_owned(),
            realm_domain_component: "Cloud.Example".to_owned(),
            region_key: "XYZ".to_owned(),
            region_identifier: "xx-new-1".to_owned(),
        };
        let at = |name| {
            let found = Endpoints::named(name, std::slice::from_ref(&told), Some("r.example:8443"));
            found.map(|found| found.base_url(Service::Secrets))
        };
        let url = |text: &str| Some(text.to_owned());
        for name in ["xx-new-1", "xyz", "XX-NEW-1"] {
            assert_eq!(at(name), url("https://secrets.vaults.xx-new-1.oci.cloud.example"));
        }
        assert_eq!(at("r1.example:8443"), url("https://secrets.vaults.r1.example:8443"));
        assert_eq!(at("xx-other-1"), url("https://secrets.vaults.xx-other-1.oci.r.example:8443"));
        assert_eq!(at("IAD"), url("https://secrets.vaults.us-ashburn-1.oci.oraclecloud.com"));
        assert_eq!(Endpoints::named("xx-other-1", &[], None), None);
        for name in ["", "a b", "evil.example/x", "u@evil.example", "a?b"] {
            assert_eq!(at(name), None, "{name}");
        }
    }

    #[test]
    fn base_urls_are_hosts_with_nothing_hidden() {
        for text in ["http://127.0.0.1:8790", "https://vault.example/prefix/", "HTTP://h"] {
            let url: BaseUrl = text.parse().unwrap();
            assert_eq!(url.0, text.trim_end_matches('/'));
        }
        for text in [
            "",
            "127.0.0.1:8790",
            "ftp://h",
            "http://",
            "http:///p",
            "http://u:p@h",
            "http://h?x=1",
            "http://h/#f",
            "http://h h",
        ] {
            assert!(matches!(text.parse::<BaseUrl>(), Err(ClientError::Endpoint(_))), "{text}");
        }
    }
}
