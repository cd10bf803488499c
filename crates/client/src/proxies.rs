//! Proxies, and what is never reached through one.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::Authority;
use strongroom_model::Sensitive;

use crate::error::ClientError;

/// Instance metadata, over IPv6.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe);

/// Through whom requests go. This machine itself and its metadata service are always reached
/// directly.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Whom requests over plain HTTP go through, as they are.
    pub http: Option<Proxy>,
    /// Whom TLS goes through, in a tunnel (`CONNECT`, RFC 9110).
    pub https: Option<Proxy>,
    /// What is reached directly.
    pub exceptions: Exceptions,
}

/// An HTTP proxy: `http://[USER:PASSWORD@]HOST[:PORT]`, or without `http://`. User and password may be
/// percent-encoded.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub(crate) uri: Uri,
    /// Host and port.
    pub(crate) place: String,
    /// What it is told to know the caller: Basic (RFC 7617). Its `Debug` shows nothing.
    pub(crate) authorization: Option<HeaderValue>,
}

/// Hosts that are reached directly: names with all below them, addresses, networks in CIDR form, each
/// perhaps with a port; `*` is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exceptions(Vec<Exception>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    Below(String),
    Network(IpAddr, u32),
}

impl Proxies {
    /// Returns the proxy that leads to `uri`, if any does.
    pub(crate) fn to(&self, uri: &Uri) -> Option<&Proxy> {
        let host = uri.host()?.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let (proxy, usual_port) = match uri.scheme_str() {
            Some("https") => (self.https.as_ref()?, 443),
            _ => (self.http.as_ref()?, 80),
        };
        let port = uri.port_u16().unwrap_or(usual_port);
        let is_direct = is_here(&host) || self.exceptions.have(&host, port);
        (!is_direct).then_some(proxy)
    }
}

/// This machine, or what only it reaches: its metadata service is link-local.
fn is_here(host: &str) -> bool {
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address == METADATA,
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

impl fmt::Display for Proxy {
    /// Shows host and port, without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.place)
    }
}

impl FromStr for Proxy {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let refuse = ClientError::Endpoint;
        let rest = match text.trim().split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(refuse("the proxy's URL does not begin with http://")),
            None => text.trim(),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let place = place_of(place).ok_or(refuse("the proxy's URL names no host"))?;
        let uri = format!("http://{place}").parse();
        let uri = uri.map_err(|_error| refuse("the proxy's URL names no host"))?;
        let authorization = login.map(basic).transpose()?;
        Ok(Self { uri, place, authorization })
    }
}

/// Returns host and port.
fn place_of(text: &str) -> Option<String> {
    let authority: Authority = text.parse().ok()?;
    let host = Some(authority.host()).filter(|host| !host.is_empty())?;
    let port: u16 = match authority.as_str().strip_prefix(host)? {
        "" => 80,
        port => port.strip_prefix(':')?.parse().ok()?,
    };
    Some(format!("{host}:{port}"))
}

fn basic(login: &str) -> Result<HeaderValue, ClientError> {
    let refuse = |why| ClientError::Endpoint(why);
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let bent = || refuse("the proxy's user and password are not percent-encoded");
    let (user, password) = (unescape(user).ok_or_else(bent)?, unescape(password).ok_or_else(bent)?);
    if user.expose().contains(&b':') {
        return Err(refuse("the proxy's user has a colon"));
    }
    let both = Sensitive::new([user.expose(), b":", password.expose()].concat());
    let text = Sensitive::new(format!("Basic {}", STANDARD.encode(both.expose())).into_bytes());
    let mut value = HeaderValue::from_bytes(text.expose()).map_err(|_error| bent())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Decodes percent-encoding.
fn unescape(text: &str) -> Option<Sensitive> {
    let mut bytes = text.bytes();
    let mut decoded = Sensitive::new(Vec::with_capacity(text.len()));
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        };
        decoded.expose_mut().push(byte);
    }
    Some(decoded)
}

impl FromStr for Exceptions {
    type Err = ClientError;

    /// Reads a list with commas or blanks between.
    fn from_str(text: &str) -> Result<Self, ClientError> {
        let items = text.split([',', ' ', '\t']).filter(|item| !item.is_empty());
        items
            .map(|item| Exception::of(&item.to_ascii_lowercase()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Exceptions {
    /// Tells whether a host, in lower case and without brackets, is reached directly at a port.
    #[must_use]
    pub fn have(&self, host: &str, port: u16) -> bool {
        self.0.iter().any(|exception| {
            exception.port.is_none_or(|own| own == port) && exception.hosts.have(host)
        })
    }
}

impl Exception {
    fn of(item: &str) -> Result<Self, ClientError> {
        let (host, port) = match item.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let refused = ClientError::Endpoint("a port in the list of exceptions is none");
                (host, Some(port.parse().map_err(|_error| refused)?))
            }
            _ => (item, None),
        };
        Ok(Self { hosts: Hosts::of(host.trim_matches(['[', ']']))?, port })
    }
}

impl Hosts {
    fn of(text: &str) -> Result<Self, ClientError> {
        if text == "*" {
            return Ok(Self::All);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address, 128));
        }
        let Some((address, length)) = text.split_once('/') else {
            return Ok(Self::Below(
                text.trim_start_matches('*').trim_start_matches('.').to_owned(),
            ));
        };
        let refused = || ClientError::Endpoint("a network in the list of exceptions is none");
        let address: IpAddr = address.parse().map_err(|_error| refused())?;
        let length: u32 = length.parse().map_err(|_error| refused())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if length > bits { Err(refused()) } else { Ok(Self::Network(address, length)) }
    }

    fn have(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::Below(name) => host
                .strip_suffix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            Self::Network(network, length) => match (network, host.parse::<IpAddr>()) {
                (IpAddr::V4(network), Ok(IpAddr::V4(address))) => {
                    let differ = network.to_bits() ^ address.to_bits();
                    differ.leading_zeros() >= *length.min(&32)
                }
                (IpAddr::V6(network), Ok(IpAddr::V6(address))) => {
                    let differ = network.to_bits() ^ address.to_bits();
                    differ.leading_zeros() >= *length
                }
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_urls_of_a_host_that_hide_their_password() {
        let login = "Basic dXNlcjpjNG40cnkvQA==";
        for (text, place, authorization) in [
            ("http://proxy:3128", "proxy:3128", None),
            ("proxy.example", "proxy.example:80", None),
            ("HTTP://user:c4n4ry%2F%40@proxy:3128/", "proxy:3128", Some(login)),
            ("user:c4n4ry/@@[::1]:1", "[::1]:1", Some(login)),
            ("http://user@p", "p:80", Some("Basic dXNlcjo=")),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!(proxy.place, place);
            let told = proxy.authorization.as_ref().map(|value| value.to_str().unwrap());
            assert_eq!(told, authorization, "{text}");
            let shown = format!("{proxy:?} {proxy}");
            assert!(!shown.contains("c4n4ry") && !shown.contains("dXNl"), "{shown}");
        }
        for wrong in [
            "",
            "http://",
            "https://c4n4ry",
            "socks5://c4n4ry:1",
            "http://c4n4ry/path",
            "http://u:c4n4ry%@h",
            "http://u:c4n4ry%0g@h",
            "http://a%3Ab:c4n4ry@h",
            "http://u:c4n4ry@",
            "http://c4n4ry:x",
        ] {
            let error = wrong.parse::<Proxy>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("c4n4ry"), "{wrong}");
        }
    }

    fn goes_through(exceptions: &str, url: &str) -> bool {
        let proxy: Proxy = "p".parse().unwrap();
        let proxies = Proxies {
            http: Some(proxy.clone()),
            https: Some(proxy),
            exceptions: exceptions.parse().unwrap(),
        };
        proxies.to(&url.parse().unwrap()).is_some()
    }

    #[test]
    fn this_machine_and_its_metadata_are_never_reached_through_a_proxy() {
        for url in [
            "http://127.0.0.1:8790/x",
            "https://127.9.9.9/",
            "http://[::1]:1/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost:1/",
            "https://vault.localhost./",
            "http://169.254.169.254/opc/v2",
            "http://[fd00:c1::a9fe:a9fe]/opc/v2",
        ] {
            assert!(!goes_through("", url), "{url}");
        }
        assert!(goes_through("", "https://127.0.0.1.example/"));
        let none = Proxies::default();
        assert!(none.to(&"https://h/".parse().unwrap()).is_none());
    }

    #[test]
    fn exceptions_are_names_addresses_and_networks() {
        for (exceptions, url, expected) in [
            ("example.com", "https://example.com/", false),
            ("example.com", "https://vault.EXAMPLE.com/", false),
            (".example.com", "https://example.com/", false),
            ("*.example.com", "https://a.example.com/", false),
            ("example.com", "https://badexample.com/", true),
            ("example.com", "https://example.com.evil/", true),
            ("a, b\texample.com", "https://example.com/", false),
            ("example.com:8443", "https://example.com:8443/", false),
            ("example.com:443", "https://example.com/", false),
            ("example.com:8443", "https://example.com/", true),
            ("10.0.0.0/8", "http://10.200.3.4/", false),
            ("10.0.0.0/8", "http://11.0.0.1/", true),
            ("10.1.2.3", "http://10.1.2.3/", false),
            ("10.1.2.3", "http://10.1.2.4/", true),
            ("0.0.0.0/0", "http://10.1.2.4/", false),
            ("fd00::/8", "http://[fd12::1]:8080/", false),
            ("[fd12::1]:80", "http://[fd12::1]/", false),
            ("fd12::1", "http://[fd12::2]/", true),
            ("*", "https://anything/", false),
            ("", "https://anything/", true),
        ] {
            assert_eq!(goes_through(exceptions, url), expected, "{exceptions} {url}");
        }
        for wrong in ["10.0.0.0/33", "10.0.0/8", "fd00::/129", "h/8", "h:x"] {
            assert!(wrong.parse::<Exceptions>().is_err(), "{wrong}");
        }
    }
}
