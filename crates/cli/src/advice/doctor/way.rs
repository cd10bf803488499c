use std::net::{IpAddr, SocketAddr};

use strongroom_advice::doctor::{Fault, Finding, Outcome, Signer};
use strongroom_client::probe::{self, AnswerFault, ConnectFault};
use strongroom_client::{BaseUrl, Endpoints};
use strongroom_model::{Clock, SystemClock};

use super::examination::{Examination, failed, refusing_proxy};
use super::proxy;
use crate::hand::credentials::Home;

/// Seconds that clocks may differ before signatures do not hold.
const SKEW_SECS_MAX: i64 = 300;

impl Examination<'_> {
    /// Where to call.
    pub(super) fn endpoint(&mut self) -> Outcome {
        let Some(ground) = &self.ground else { return Outcome::Skipped("settings") };
        match ground.bundles() {
            Ok(bundles) => self.bundles = Some(bundles),
            Err(failure) => return failed(&failure),
        }
        let home = match self.given.signer {
            Some(Signer::ApiKey | Signer::Session) => {
                ground.finder().profile().ok().and_then(|profile| profile.region).map(Home::Named)
            }
            Some(Signer::Resource) => self.environment.resource_region.clone().map(Home::Named),
            Some(Signer::Instance) | None => self.home.clone().map(Home::Told),
        };
        let endpoints = match ground.endpoints(home) {
            Ok(endpoints) => endpoints,
            Err(failure) => return failed(&failure),
        };
        let urls = endpoints.urls();
        let url = urls.iter().find(|(service, _)| *service == "secrets");
        self.url = url.and_then(|(_, url)| url.parse().ok());
        if let Endpoints::Region(region) = endpoints {
            self.region = Some(region);
        }
        self.endpoints = Some(endpoints);
        Outcome::Passed(self.url.as_ref().map(ToString::to_string).unwrap_or_default())
    }

    /// The name of the host, or of the proxy on the way to it.
    pub(super) async fn name(&mut self) -> Outcome {
        let Some(url) = &self.url else { return Outcome::Skipped("endpoint") };
        let place = self.via.clone().unwrap_or_else(|| url.host_port());
        match probe::addresses(&place).await {
            Ok(addresses) => {
                self.addresses = addresses;
                if place.host.parse::<IpAddr>().is_ok() {
                    return Outcome::Passed(format!("{} is an address", place.host));
                }
                let ips = self.addresses.iter().map(|address| address.ip().to_string());
                Outcome::Passed(format!("{} is {}", place.host, ips.collect::<Vec<_>>().join(", ")))
            }
            Err(why) if self.via.is_some() => {
                Outcome::Found(proxy::silent(&place, &ConnectFault::Other(why)))
            }
            Err(why) => {
                let message = format!("the name {} leads to no address", place.host);
                let unknown = Finding::certain(Fault::NameUnknown, message).because(why).fix(
                    "see /etc/resolv.conf and the spelling of endpoint and region; in a subnet of \
                     Oracle's cloud, whether it has a service gateway",
                );
                Outcome::Found(self.behind_proxy().await.unwrap_or(unknown))
            }
        }
    }

    /// The address.
    pub(super) async fn connection(&mut self) -> Outcome {
        let fault = match probe::connect(&self.addresses).await {
            Ok(address) => return Outcome::Passed(address.to_string()),
            Err(fault) => fault,
        };
        if let Some(via) = &self.via {
            return Outcome::Found(proxy::silent(via, &fault));
        }
        let found = unconnected(&self.addresses, &fault);
        Outcome::Found(self.behind_proxy().await.unwrap_or(found))
    }

    /// The first answer, which shows TLS, the service's clock, and how long the way is.
    pub(super) async fn answer(&mut self) -> Outcome {
        let Some(url) = self.url.clone() else { return Outcome::Skipped("endpoint") };
        match probe::answer(&url, &self.network()).await {
            Ok(answered) => {
                let now = SystemClock.now().as_second();
                self.skew_secs = answered.date.map(|date| date.as_second() - now);
                let (status, took) = (answered.status, answered.took.as_millis());
                Outcome::Passed(format!("{status} to an unsigned call, in {took} ms"))
            }
            Err(fault) => Outcome::Found(self.unanswered(&url, fault).await),
        }
    }

    /// The clocks. That they differ is a fault only if it shows.
    pub(super) fn clock(&self) -> Outcome {
        match self.skew_secs {
            None => Outcome::Open("the service does not tell the time".to_owned()),
            Some(secs) if secs.abs() < SKEW_SECS_MAX => {
                Outcome::Passed(format!("it differs by {} s from the service's", secs.abs()))
            }
            Some(secs) => Outcome::Open(format!(
                "it differs by {} s from the service's, {SKEW_SECS_MAX} at most are allowed",
                secs.abs()
            )),
        }
    }

    async fn unanswered(&self, url: &BaseUrl, fault: AnswerFault) -> Finding {
        let host = url.host_port().host;
        let found = |fault, message: String| Finding::certain(fault, message);
        match fault {
            AnswerFault::Authorities(why) => found(
                Fault::BadAuthorities,
                "the certificate authorities cannot be used".to_owned(),
            )
            .because(why)
            .fix("--cert-bundle FILE, with certificates in PEM"),
            AnswerFault::TimedOut => found(Fault::NoAnswer, format!("{host} does not answer"))
                .because("it takes connections, and says nothing for ten seconds"),
            AnswerFault::UnknownAuthority => {
                let message =
                    format!("nobody who is trusted vouches for the certificate of {host}");
                found(Fault::UnknownAuthority, message)
                    .because("it was issued by an authority of an organization, or by a proxy on the way")
                    .fix("--cert-bundle FILE (STRONGROOM_CERT_BUNDLE), with that authority in PEM")
            }
            AnswerFault::CertificateNotNow(why) => {
                let message = format!("the certificate of {host} is not valid now");
                Finding::likely(Fault::ServerCertificateExpired, message)
                    .because(format!("{why}; this machine's clock says {}", SystemClock.now()))
                    .fix("renew the service's certificate, or set this machine's clock")
            }
            AnswerFault::CertificateOfOtherName(why) => {
                let message = format!("the certificate of {host} is of another name");
                found(Fault::ServerCertificateOfOtherName, message)
                    .because(why)
                    .fix("call the service by a name that its certificate has (--endpoint)")
            }
            AnswerFault::NotTls => found(Fault::NotTls, format!("{url} does not speak TLS"))
                .because("the answer to a TLS greeting is none")
                .fix(other_scheme(url)),
            AnswerFault::Tls(why) => {
                found(Fault::TlsFailed, format!("TLS with {host} fails")).because(why)
            }
            AnswerFault::Proxy { place, status } => refusing_proxy(&place, status),
            AnswerFault::NotHttp(why) => self.no_http(url, why).await,
        }
    }

    /// What is not HTTP may be TLS.
    async fn no_http(&self, url: &BaseUrl, why: String) -> Finding {
        let over_tls =
            url.by_other_scheme().filter(|other| other.to_string().starts_with("https:"));
        if let Some(other) = over_tls {
            let answered = probe::answer(&other, &self.network()).await;
            let speaks = !matches!(
                answered,
                Err(AnswerFault::NotTls | AnswerFault::NotHttp(_) | AnswerFault::TimedOut)
            );
            if speaks {
                return Finding::certain(
                    Fault::TlsExpected,
                    format!("{url} is called without TLS"),
                )
                .because("the service speaks TLS")
                .fix(other_scheme(url));
            }
        }
        Finding::certain(Fault::NotOci, format!("what listens at {url} does not speak HTTP"))
            .because(why)
    }
}

fn other_scheme(url: &BaseUrl) -> String {
    let other = url.by_other_scheme().map(|other| other.to_string()).unwrap_or_default();
    format!("--endpoint {other}")
}

fn unconnected(addresses: &[SocketAddr], fault: &ConnectFault) -> Finding {
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let shown = shown.join(", ");
    match fault {
        ConnectFault::Refused => {
            Finding::certain(Fault::ConnectionRefused, format!("nothing listens at {shown}"))
                .because("the connection was refused")
                .fix("start the service there, or give --endpoint URL")
        }
        ConnectFault::TimedOut => Finding::certain(
            Fault::ConnectionTimeout,
            format!("{shown} does not answer"),
        )
        .because("no connection within five seconds: a firewall, a route, a machine that is down")
        .fix("let TCP out to this address: security list, route table, service gateway"),
        ConnectFault::Other(why) => {
            Finding::certain(Fault::ConnectionTimeout, format!("{shown} cannot be called"))
                .because(why)
        }
    }
}
