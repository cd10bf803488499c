use std::net::SocketAddr;

use strongroom_advice::doctor::{
    Circumstances, Fault, Finding, KeySeen, Listing, Outcome, Refusal, Signer,
};
use strongroom_client::probe::HostPort;
use strongroom_client::{
    Authorities, BaseUrl, Client, ClientError, Endpoints, InstancePrincipal, Network, Profile,
    Proxies, RegionMetadata, Secret, SecretSummary,
};
use strongroom_model::{Region, ResourcePrincipal};
use strongroom_signing::PrivateKey;

use super::DoctorArguments;
use crate::environment::{Environment, Variables};
use crate::failure::Failure;
use crate::hand::credentials::Auth;
use crate::hand::reference::Reference;
use crate::hand::session::{Bundles, Ground};

/// What has been seen so far. One question fills in what the next ones need.
pub(super) struct Examination<'a> {
    pub(super) arguments: &'a DoctorArguments,
    pub(super) variables: &'a Variables,
    pub(super) environment: &'a Environment,
    pub(super) given: Circumstances,
    pub(super) ground: Option<Ground<'a>>,
    pub(super) reference: Option<Reference>,
    pub(super) profile: Option<Profile>,
    pub(super) key: Option<PrivateKey>,
    pub(super) instance: Option<InstancePrincipal>,
    pub(super) machine: Option<ResourcePrincipal>,
    /// What the machine's metadata tell of its region.
    pub(super) home: Option<RegionMetadata>,
    pub(super) bundles: Option<Bundles>,
    pub(super) proxies: Option<Proxies>,
    /// The proxy on the way.
    pub(super) via: Option<HostPort>,
    pub(super) endpoints: Option<Endpoints>,
    /// Region that is called, as far as it is known.
    pub(super) region: Option<&'static Region>,
    pub(super) url: Option<BaseUrl>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) skew_secs: Option<i64>,
    /// What has run out by this machine's clock, should the service refuse it.
    pub(super) expired: Option<Finding>,
    /// A client that tries once, so that nothing passes unseen.
    pub(super) client: Option<Client>,
    pub(super) seen: Seen,
}

/// What calls have shown of the secret.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) secret: Option<Secret>,
    pub(super) listed: Option<SecretSummary>,
    pub(super) vault_id: Option<String>,
    pub(super) listing: Option<Listing>,
    pub(super) content: Option<Refusal>,
    pub(super) management: Option<BaseUrl>,
    pub(super) key: Option<KeySeen>,
    pub(super) suspect: Option<Finding>,
}

impl<'a> Examination<'a> {
    pub(super) fn new(
        arguments: &'a DoctorArguments,
        variables: &'a Variables,
        environment: &'a Environment,
    ) -> Self {
        let names_secret = arguments.reference.is_some();
        Self {
            arguments,
            variables,
            environment,
            given: Circumstances { names_secret, ..Circumstances::default() },
            ground: None,
            reference: None,
            profile: None,
            key: None,
            instance: None,
            machine: None,
            home: None,
            bundles: None,
            proxies: None,
            via: None,
            endpoints: None,
            region: None,
            url: None,
            addresses: Vec::new(),
            skew_secs: None,
            expired: None,
            client: None,
            seen: Seen::default(),
        }
    }

    /// How services are reached, as far as that is known.
    pub(super) fn network(&self) -> Network<'_> {
        let bundles = self.bundles.as_ref();
        Network {
            authorities: bundles.map_or(Authorities::System, Bundles::authorities),
            proxies: self.proxies.clone().unwrap_or_default(),
        }
    }

    /// What the secret is called.
    pub(super) fn label(&self) -> String {
        let known = self.seen.secret.as_ref().map(|secret| secret.secret_name.clone());
        known.unwrap_or_else(|| self.arguments.reference.clone().unwrap_or_default())
    }
}

/// Returns the kind of credentials as the tree knows it.
pub(super) const fn signer(auth: Auth) -> Signer {
    match auth {
        Auth::ApiKey => Signer::ApiKey,
        Auth::SecurityToken => Signer::Session,
        Auth::InstancePrincipal => Signer::Instance,
        Auth::ResourcePrincipal | Auth::OkeWorkloadIdentity => Signer::Resource,
    }
}

/// Makes a finding of what another command would fail with.
pub(super) fn finding_of(failure: &Failure) -> Finding {
    let fault = match failure.code() {
        "no-credentials" => Fault::NoCredentials,
        "bad-reference" => Fault::BadReference,
        "unknown-vault" => Fault::UnknownVault,
        "no-endpoint" => Fault::NoEndpoint,
        "unknown-region" => Fault::UnknownRegion,
        "bad-endpoint" => Fault::BadEndpoint,
        "bad-authorities" => Fault::BadAuthorities,
        "no-resource-principal" => Fault::NoResourcePrincipal,
        "bad-profile" => Fault::NoConfiguration,
        "bad-proxy" => Fault::BadProxy,
        _ => Fault::BadSettings,
    };
    let (message, why, fix) = failure.parts();
    let finding = Finding::certain(fault, message).because(why.unwrap_or_default());
    Finding { fix: fix.map(str::to_owned), ..finding }
}

/// Makes an outcome of it.
pub(super) fn failed(failure: &Failure) -> Outcome {
    Outcome::Found(finding_of(failure))
}

/// Says that a proxy does not pass requests on.
pub(super) fn refusing_proxy(place: &str, status: u16) -> Finding {
    let finding =
        Finding::certain(Fault::ProxyRefuses, format!("the proxy {place} does not pass calls on"));
    match status {
        407 => finding
            .because("407: it wants to know who calls")
            .fix("put user and password into the proxy's URL: http://USER:PASSWORD@HOST:PORT"),
        _ => finding
            .because(format!("it answers {status}"))
            .fix("let the proxy call the service, or list its host in NO_PROXY"),
    }
}

/// What a service answered, or why none did.
pub(super) enum Told {
    Refused(Refusal),
    /// It is a finding of its own.
    Broken(Finding),
}

/// Reads an error of a call.
pub(super) fn told(error: &ClientError) -> Told {
    match error {
        ClientError::Service(service) => Told::Refused(Refusal {
            status: service.status,
            code: service.code.clone(),
            message: service.message.clone(),
            request_id: service.request_id.clone(),
            retry_after_secs: service.retry_after_secs,
        }),
        ClientError::Unreachable { host, why, perhaps_arrived } => {
            let message = format!("no answer from {host} to a signed call");
            let fault = match why {
                why if why.contains("dns") => Fault::NameUnknown,
                _ if *perhaps_arrived => Fault::NoAnswer,
                why if why.contains("refused") => Fault::ConnectionRefused,
                _ => Fault::ConnectionTimeout,
            };
            Told::Broken(Finding::certain(fault, message).because(why))
        }
        ClientError::Proxy { place, status } => Told::Broken(refusing_proxy(place, *status)),
        ClientError::Answer(what) => {
            let message = "what answers is no service of OCI";
            let why = format!("its answer to {what} is not what OCI's API describes");
            let fix = "give --endpoint URL of a vault, or the region of one";
            Told::Broken(Finding::certain(Fault::NotOci, message).because(why).fix(fix))
        }
        other => Told::Broken(
            Finding::certain(Fault::BadSettings, "a call cannot be made")
                .because(other.to_string()),
        ),
    }
}
