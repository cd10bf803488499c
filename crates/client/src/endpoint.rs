use strongroom_model::Region;

/// Where the services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// One URL answers all services, as this product's vault does.
    One(String),
    /// Oracle's cloud in a region.
    Region(&'static Region),
}

/// A service that the client calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Vaults,
    Secrets,
}

impl Endpoints {
    /// Returns the base URL of a service.
    ///
    /// Source: OCI API reference, "API Endpoints".
    pub(crate) fn base_url(&self, service: Service) -> String {
        match (self, service) {
            (Self::One(url), _) => url.trim_end_matches('/').to_owned(),
            (Self::Region(region), Service::Vaults) => {
                format!("https://vaults.{}.oci.{}", region.name, region.realm.domain)
            }
            (Self::Region(region), Service::Secrets) => {
                format!("https://secrets.vaults.{}.oci.{}", region.name, region.realm.domain)
            }
        }
    }
}
