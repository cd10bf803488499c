use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use strongroom_model::Region;

use crate::error::ClientError;

/// Where the services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// One URL answers all services, as this product's vault does.
    One(BaseUrl),
    /// Oracle's cloud in a region.
    Region(&'static Region),
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
}

impl Endpoints {
    /// Returns the base URL of a service.
    ///
    /// Source: OCI API reference, "API Endpoints".
    pub(crate) fn base_url(&self, service: Service) -> String {
        let region = match self {
            Self::One(url) => return url.0.clone(),
            Self::Region(region) => region,
        };
        let (name, domain) = (region.name, region.realm.domain);
        match service {
            Service::Vaults => format!("https://vaults.{name}.oci.{domain}"),
            Service::Secrets => format!("https://secrets.vaults.{name}.oci.{domain}"),
            Service::KmsVaults => format!("https://kms.{name}.{domain}"),
            Service::Auth => format!("https://auth.{name}.{domain}"),
            Service::Identity => format!("https://identity.{name}.oci.{domain}"),
        }
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
