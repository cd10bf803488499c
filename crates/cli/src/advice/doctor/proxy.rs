use strongroom_advice::doctor::{Fault, Finding, Outcome, Signer};
use strongroom_client::probe::{self, ConnectFault, HostPort};
use strongroom_client::{BaseUrl, Proxies};

use super::examination::{Examination, failed};
use crate::proxies::proxies;

impl Examination<'_> {
    /// The proxies that the environment names, and whether one leads to the service.
    pub(super) fn proxy(&mut self) -> Outcome {
        let Some(url) = &self.url else { return Outcome::Skipped("endpoint") };
        let proxies = match proxies(self.environment) {
            Ok(proxies) => proxies,
            Err(failure) => return failed(&failure),
        };
        self.via = probe::proxy_to(url, &proxies);
        let spared = probe::spared_proxy(url, &proxies);
        self.proxies = Some(proxies);
        if let Some(finding) = self.metadata_by_proxy() {
            return Outcome::Found(finding);
        }
        match (&self.via, spared) {
            (Some(via), _) => Outcome::Passed(format!("calls go through {via}")),
            (None, Some(spared)) => {
                Outcome::Passed(format!("NO_PROXY has this host, so that {spared} is not used"))
            }
            (None, None) => Outcome::Skipped(""),
        }
    }

    /// Metadata is of this machine: a proxy has that of another, or none. This program asks for it
    /// without one.
    fn metadata_by_proxy(&self) -> Option<Finding> {
        let ground =
            self.ground.as_ref().filter(|_| self.given.signer == Some(Signer::Instance))?;
        let (proxies, named) = (self.proxies.as_ref()?, self.environment.no_proxy.as_ref());
        proxies.http.as_ref()?;
        let at = ground.finder().metadata_url().parse::<BaseUrl>().ok()?.host_port();
        if is_spared(proxies, &at) {
            return None;
        }
        let host = at.host;
        let spared = named.map(|named| String::from_utf8_lossy(named.value.expose()).into_owned());
        let spared = spared.unwrap_or_default();
        let message = format!("Oracle's tools ask a proxy for this machine's metadata at {host}");
        let finding = Finding::certain(Fault::ProxyTakesMetadata, message).as_risk();
        let why = "NO_PROXY does not list it; this program asks without a proxy all the same";
        let list = if spared.is_empty() { host } else { format!("{spared},{host}") };
        Some(finding.because(why).fix(format!("export NO_PROXY={list}")))
    }

    /// Tells whether the host that cannot be called here can be called through the proxy that is
    /// spared for it.
    pub(super) async fn behind_proxy(&self) -> Option<Finding> {
        let (url, proxies) = (self.url.as_ref()?, self.proxies.as_ref()?);
        let proxy = probe::spared_proxy(url, proxies)?;
        let to = url.host_port();
        let status = probe::tunnel(&proxy, &to).await.ok()?;
        if !(200..300).contains(&status) {
            return None;
        }
        let message = format!("{to} can be called through a proxy only");
        Some(
            Finding::certain(Fault::ProxyNeeded, message)
                .because(format!(
                    "it cannot be called from here, the proxy {proxy} opens a way to it, and \
                     NO_PROXY says not to use it"
                ))
                .fix(format!("take {} out of NO_PROXY", to.host)),
        )
    }
}

/// Tells whether `NO_PROXY` lists a place, as other tools read it too: by name, address or network.
fn is_spared(proxies: &Proxies, at: &HostPort) -> bool {
    proxies.exceptions.have(&at.host.to_ascii_lowercase(), at.port)
}

/// Says that the proxy on the way does not answer.
pub(super) fn silent(proxy: &HostPort, fault: &ConnectFault) -> Finding {
    let why = match fault {
        ConnectFault::Refused => "nothing listens there",
        ConnectFault::TimedOut => "no answer came",
        ConnectFault::Other(why) => why,
    };
    Finding::certain(Fault::ProxyUnreachable, format!("the proxy {proxy} does not answer"))
        .because(format!("{why}; the environment names it for this host"))
        .fix("correct HTTPS_PROXY or HTTP_PROXY, or list the host in NO_PROXY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_spared_by_address_and_by_network() {
        let at = "http://169.254.169.254/opc/v2".parse::<BaseUrl>().unwrap().host_port();
        for (list, expected) in [
            ("169.254.169.254", true),
            ("example.com,169.254.169.254:80", true),
            ("example.com\t169.254.169.254", true),
            ("169.254.0.0/16", true),
            ("*", true),
            ("", false),
            ("10.0.0.0/8", false),
            ("169.254.169.254:8080", false),
        ] {
            let proxies = Proxies { exceptions: list.parse().unwrap(), ..Proxies::default() };
            assert_eq!(is_spared(&proxies, &at), expected, "{list}");
        }
    }
}
