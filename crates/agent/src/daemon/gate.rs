//! Who may come in at all: before anything of a request is looked at.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName};
use strongroom_signing::body_digest;

use super::Rules;

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// A process of this machine, as the kernel says.
    Process { uid: u32, gid: u32, pid: Option<i32> },
    /// Something that reached the loopback address.
    Loopback(IpAddr),
}

/// Headers that carry the token: ours, and those of the programs whose place this one takes.
const TOKEN: [&str; 3] = ["x-strongroom-token", "x-aws-parameters-secrets-token", "x-vault-token"];

/// Headers that a proxy or a browser adds: whoever asks is not the process it seems to be.
const FOREIGN: [&str; 9] = [
    "origin",
    "referer",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "sec-fetch-site",
];

/// Refuses a request over HTTP with a status and what is wrong with it.
pub(super) fn check_http(
    asker: IpAddr,
    (target, headers): (&Uri, &HeaderMap),
    rules: &Rules,
    needs_token: bool,
) -> Result<(), (u16, &'static str)> {
    if !asker.is_loopback() {
        return Err((403, "only this machine is answered"));
    }
    let forwarded = |name: &HeaderName| name.as_str().starts_with("x-forwarded-");
    if FOREIGN.iter().any(|name| headers.contains_key(*name)) || headers.keys().any(forwarded) {
        return Err((400, "a request that was forwarded, or is a browser's, is not answered"));
    }
    if target.authority().is_some() {
        return Err((400, "a request as to a proxy is not answered"));
    }
    let mut hosts = headers.get_all("host").iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).filter(|host| is_own(host));
    if host.is_none() || hosts.next().is_some() {
        return Err((400, "host must be 127.0.0.1, [::1] or localhost"));
    }
    if needs_token && !has_token(headers, rules) {
        return Err((403, "the token is missing or wrong"));
    }
    Ok(())
}

fn is_own(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "[::1]", "localhost"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Compares digests: how long that takes says nothing about the token.
fn has_token(headers: &HeaderMap, rules: &Rules) -> bool {
    let Some(token) = &rules.token else { return false };
    let mut given = TOKEN.iter().flat_map(|name| headers.get_all(*name));
    match (given.next(), given.next()) {
        (Some(given), None) => body_digest(given.as_bytes()) == body_digest(token.expose()),
        _ => false,
    }
}

/// Tells whether who asks may read a secret.
pub(super) fn may_read(asker: Asker, rules: &Rules, reference: &str) -> bool {
    match asker {
        Asker::Process { uid, gid, .. } => {
            rules.socket.iter().any(|rule| rule.admits(uid, gid, reference))
        }
        Asker::Loopback(_) => rules.http.iter().any(|pattern| pattern.covers(reference)),
    }
}
