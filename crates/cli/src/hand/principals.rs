//! Credentials of machines and of what runs on them: of an instance, and of a resource.

use std::path::Path;
use std::sync::Arc;

use strongroom_client::{
    BaseUrl, ClientError, Credentials, FederatedResource, FileOrText, IMDS_URL, InstancePrincipal,
    Network, RegionMetadata, ResourcePrincipal, ServiceAccount, TokenPath, WorkloadIdentity,
};
use strongroom_keyring::SystemRandom;
use strongroom_model::{Sensitive, SystemClock};

use super::credentials::{Finder, Found, Home};
use super::settings::Origin;
use crate::failure::Failure;

/// The end of the federation service's URL, as Oracle's command line wants it.
const FEDERATION_PATH: &str = "/v1/x509";

/// Where Kubernetes puts what it gives a pod.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Finder<'_> {
    pub(super) async fn instance(&self, network: &Network<'_>) -> Result<Found, Failure> {
        let instance = self.machine(network)?;
        let region = self.region_beside(&instance).await?;
        let credentials = Credentials::of_instance(instance, Arc::new(SystemClock));
        let place = format!("metadata service `{}`", self.metadata_url());
        Ok(Found { credentials, region, place })
    }

    /// The URL of the machine's metadata service.
    pub(crate) fn metadata_url(&self) -> &str {
        self.environment.metadata_url.as_deref().unwrap_or(IMDS_URL)
    }

    /// This machine, of which nothing is asked yet.
    pub(crate) fn machine(&self, network: &Network<'_>) -> Result<InstancePrincipal, Failure> {
        let url = self.metadata_url();
        let federation = match &self.environment.federation_endpoint {
            Some(url) => {
                let base = url.trim_end_matches('/').trim_end_matches(FEDERATION_PATH);
                Some(endpoint(base, "OCI_CLI_FEDERATION_ENDPOINT")?)
            }
            None => self.own_endpoint().and_then(|url| url.parse().ok()),
        };
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let instance = InstancePrincipal::new(url, federation, network.clone(), clock, random);
        instance.map_err(|error| unusable("the metadata service", &error))
    }

    /// Asks the machine for its region, if nothing else tells whom to call.
    async fn region_beside(&self, instance: &InstancePrincipal) -> Result<Option<Home>, Failure> {
        if self.own_endpoint().is_some() || self.environment.oci_region.is_some() {
            return Ok(None);
        }
        self.machine_region(instance).await.map(Home::Told).map(Some)
    }

    async fn machine_region(
        &self,
        instance: &InstancePrincipal,
    ) -> Result<RegionMetadata, Failure> {
        let region = instance.region().await;
        region.map_err(|error| {
            Failure::configuration("no-endpoint", "cannot tell which vault to call")
                .because(error.to_string())
                .fix("export OCI_CLI_REGION=us-ashburn-1, or give --endpoint URL")
        })
    }

    /// One URL that answers all services answers this one too.
    fn own_endpoint(&self) -> Option<&str> {
        match (&self.settings.endpoint, self.dev) {
            (Origin::Named(url), _) => Some(url),
            (_, Some(dev)) => Some(&dev.base_url),
            (_, None) => None,
        }
    }

    pub(super) async fn resource(&self, network: &Network<'_>) -> Result<Found, Failure> {
        match self.environment.resource_version.as_deref() {
            Some("1.1") => self.federated_resource(network).await,
            Some("2.2") => self.given_resource(),
            Some(other) => {
                Err(no_resource(format!("its version is `{other}`, 1.1 and 2.2 are known")))
            }
            None => Err(no_resource("OCI_RESOURCE_PRINCIPAL_VERSION is not set".to_owned())),
        }
    }

    /// Version 1.1: tokens are asked for, by this machine.
    async fn federated_resource(&self, network: &Network<'_>) -> Result<Found, Failure> {
        const SERVICE: &str = "OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT";
        let environment = self.environment;
        let Some(service) = &environment.resource_token_endpoint else {
            return Err(no_resource(format!("{SERVICE} is not set")));
        };
        let service = endpoint(service, SERVICE)?;
        let federation = environment.resource_session_endpoint.as_deref();
        let federation =
            federation.map(|url| endpoint(url, "OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT"));
        let federation = federation.transpose()?;
        let path = match &environment.resource_token_path {
            Some(path) => TokenPath::of(path)
                .map_err(|error| unusable("OCI_RESOURCE_PRINCIPAL_RPT_PATH", &error))?,
            None => TokenPath::default(),
        };
        let path = match &environment.resource_token_id {
            Some(id) => path
                .with_id(id)
                .map_err(|error| unusable("OCI_RESOURCE_PRINCIPAL_RPT_ID", &error))?,
            None => path,
        };
        let instance = self.machine(network)?;
        let region = self.region_beside(&instance).await?;
        let place = format!("service `{service}`");
        let resource = FederatedResource::new(instance, service, federation, path);
        let credentials = Credentials::of_federated_resource(resource, Arc::new(SystemClock));
        Ok(Found { credentials, region, place })
    }

    /// Version 2.2: token and key are in variables or files.
    fn given_resource(&self) -> Result<Found, Failure> {
        let environment = self.environment;
        let part = |value: &Option<Sensitive>, name: &str| {
            let value = value.as_ref().ok_or_else(|| no_resource(format!("{name} is not set")))?;
            let text = std::str::from_utf8(value.expose());
            Ok::<_, Failure>(FileOrText::of(
                text.map_err(|_error| no_resource(format!("{name} is not text")))?,
            ))
        };
        let principal = ResourcePrincipal {
            token: part(&environment.resource_token, "OCI_RESOURCE_PRINCIPAL_RPST")?,
            key: part(&environment.resource_key, "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM")?,
            passphrase: match &environment.resource_passphrase {
                Some(_) => Some(part(
                    &environment.resource_passphrase,
                    "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE",
                )?),
                None => None,
            },
        };
        let credentials = Credentials::of_resource(principal, Arc::new(SystemClock));
        let region = environment.resource_region.clone().map(Home::Named);
        Ok(Found { credentials, region, place: "OCI_RESOURCE_PRINCIPAL_RPST".to_owned() })
    }

    /// A pod's token, which its cluster gives for that of its service account.
    pub(super) fn workload(&self) -> Result<Found, Failure> {
        let environment = self.environment;
        let Some(host) = &environment.cluster_host else {
            let message = "cannot sign as a pod of Oracle's Kubernetes service";
            return Err(Failure::configuration("no-workload-identity", message)
                .because("KUBERNETES_SERVICE_HOST is not set"));
        };
        let file = |named: &Option<String>, usual: &str| match named {
            Some(path) => environment.path(path),
            None => Path::new(ACCOUNT).join(usual),
        };
        let account = ServiceAccount {
            token: match &environment.account_token {
                Some(token) => FileOrText::Text(token.clone()),
                None => FileOrText::File(file(&environment.account_token_path, "token")),
            },
            authorities: file(&environment.account_cert_path, "ca.crt"),
        };
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let workload = WorkloadIdentity::new(host, account, clock, random)
            .map_err(|error| unusable("KUBERNETES_SERVICE_HOST", &error))?;
        let credentials = Credentials::of_workload(workload, Arc::new(SystemClock));
        let region = environment.resource_region.clone().map(Home::Named);
        Ok(Found { credentials, region, place: format!("cluster `{host}`") })
    }
}

fn endpoint(url: &str, variable: &str) -> Result<BaseUrl, Failure> {
    url.parse().map_err(|error| unusable(variable, &error))
}

fn unusable(what: &str, error: &ClientError) -> Failure {
    Failure::configuration("bad-endpoint", format!("cannot use {what}")).because(error.to_string())
}

fn no_resource(why: String) -> Failure {
    let message = "cannot sign as a resource principal";
    Failure::configuration("no-resource-principal", message).because(why)
}
