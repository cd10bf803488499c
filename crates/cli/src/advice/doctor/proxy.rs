use strongroom_advice::doctor::{Fault, Finding, Outcome, Signer};
use strongroom_client::BaseUrl;
use strongroom_client::probe::{self, HostPort};

use super::examination::Examination;
use crate::environment::Variables;

/// Variables that name a proxy, as Oracle's tools read them. This program calls without one.
const FOR_HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const FOR_HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Variables that list hosts which are called without a proxy.
const WITHOUT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy that a variable names. User and password of its URL are not kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    variable: &'static str,
    at: HostPort,
}

impl Proxy {
    /// Returns the proxy by which Oracle's tools would call a URL, if any.
    pub(super) fn of(variables: &Variables, url: &BaseUrl) -> Option<Self> {
        let names = if url.to_string().starts_with("https:") { FOR_HTTPS } else { FOR_HTTP };
        let (variable, text) =
            names.into_iter().find_map(|name| Some((name, variables.get(name)?)))?;
        let spared = WITHOUT.into_iter().find_map(|name| variables.get(name)).unwrap_or_default();
        let host = url.host_port().host;
        if spared.split(',').any(|pattern| spares(pattern.trim(), &host)) {
            return None;
        }
        Some(Self { variable, at: place(text)? })
    }

    fn shown(&self) -> String {
        format!("{}:{} ({})", self.at.host, self.at.port, self.variable)
    }
}

/// Tells whether an entry of `NO_PROXY` is about a host.
fn spares(pattern: &str, host: &str) -> bool {
    let name = pattern.trim_start_matches('.');
    let ends = || host.strip_suffix(name).is_some_and(|before| before.ends_with('.'));
    !name.is_empty() && (name == "*" || host == name || ends())
}

fn place(text: &str) -> Option<HostPort> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split('/').next()?;
    let authority = rest.rsplit_once('@').map_or(rest, |(_, authority)| authority);
    let url: BaseUrl = format!("http://{authority}").parse().ok()?;
    Some(url.host_port())
}

impl Examination<'_> {
    /// The proxies that the environment names for Oracle's tools.
    pub(super) async fn proxy(&self) -> Outcome {
        if let Some(finding) = self.metadata_by_proxy() {
            return Outcome::Found(finding);
        }
        let proxy = self.url.as_ref().and_then(|url| Proxy::of(self.variables, url));
        let Some(proxy) = proxy else { return Outcome::Skipped("") };
        let found = match probe::addresses(&proxy.at).await {
            Ok(addresses) => probe::connect(&addresses).await.map_err(|fault| format!("{fault:?}")),
            Err(why) => Err(why),
        };
        match found {
            Ok(_address) => Outcome::Passed(format!(
                "{} answers; Oracle's tools call through it, this program does not",
                proxy.shown()
            )),
            Err(why) => {
                let message = format!("the proxy {} does not answer", proxy.shown());
                let finding = Finding::certain(Fault::ProxyUnreachable, message).as_risk();
                let host = self.url.as_ref().map(|url| url.host_port().host).unwrap_or_default();
                Outcome::Found(
                    finding
                        .because(format!(
                            "{why}; Oracle's command line and SDKs send every call to it, this \
                             program calls without a proxy"
                        ))
                        .fix(format!("export NO_PROXY={host}, or unset {}", proxy.variable)),
                )
            }
        }
    }

    /// Metadata is of this machine: a proxy has that of another, or none.
    fn metadata_by_proxy(&self) -> Option<Finding> {
        let ground =
            self.ground.as_ref().filter(|_| self.given.signer == Some(Signer::Instance))?;
        let url: BaseUrl = ground.finder().metadata_url().parse().ok()?;
        let proxy = Proxy::of(self.variables, &url)?;
        let (shown, host) = (proxy.shown(), url.host_port().host);
        let message =
            format!("Oracle's tools would ask the proxy {shown} for this machine's metadata");
        let finding = Finding::certain(Fault::ProxyTakesMetadata, message).as_risk();
        let why = format!("NO_PROXY does not name {host}; this program calls without a proxy");
        Some(finding.because(why).fix(format!("export NO_PROXY={host}")))
    }

    /// Tells whether the host that cannot be called here can be called through the proxy.
    pub(super) async fn behind_proxy(&self) -> Option<Finding> {
        let url = self.url.as_ref()?;
        let proxy = Proxy::of(self.variables, url)?;
        let to = url.host_port();
        let status = probe::tunnel(&proxy.at, &to).await.ok()?;
        if !(200..300).contains(&status) {
            return None;
        }
        let message = format!("{}:{} can be called through a proxy only", to.host, to.port);
        Some(
            Finding::certain(Fault::ProxyNeeded, message)
                .because(format!(
                    "it cannot be called from here, and the proxy {} opens a way to it; this program \
                     uses no proxy",
                    proxy.shown()
                ))
                .fix("let this machine call it, or give --endpoint of one that it may call"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(set: &[(&str, &str)], url: &str) -> Option<String> {
        let given = set.iter().map(|(name, value)| (name.into(), value.into()));
        Proxy::of(&Variables::given(given), &url.parse().unwrap()).map(|proxy| proxy.shown())
    }

    #[test]
    fn proxies_are_found_as_oracles_tools_find_them() {
        let set = [
            ("HTTPS_PROXY", "http://ann:c4n4ry@proxy.test:3128/"),
            ("NO_PROXY", "a.test, .b.test"),
        ];
        let shown = Some("proxy.test:3128 (HTTPS_PROXY)".to_owned());
        assert_eq!(proxy(&set, "https://vault.test"), shown);
        for url in
            ["https://a.test:8443", "https://x.a.test", "https://x.b.test", "http://vault.test"]
        {
            assert_eq!(proxy(&set, url), None, "{url}");
        }
        assert_eq!(proxy(&set, "https://na.test"), shown);
        assert_eq!(proxy(&[("all_proxy", "p:1")], "http://h").as_deref(), Some("p:1 (all_proxy)"));
        assert_eq!(proxy(&[("HTTP_PROXY", "p:1"), ("no_proxy", "*")], "http://h"), None);
    }
}
