//! Who may come in at all: before anything of a request is looked at.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderValue};
use strongroom_signing::is_same_secret;

use super::Rules;
use super::records::Who;

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// A process of this machine, as the kernel says.
    Process { uid: u32, gid: u32, pid: Option<i32> },
    /// Something that reached the loopback address.
    Loopback(IpAddr),
}

/// Whoever is at the other end of a connection.
pub(super) struct Caller {
    pub(super) asker: Asker,
    /// What lines of reads say of it.
    pub(super) record: Who,
}

impl From<Asker> for Caller {
    fn from(asker: Asker) -> Self {
        Self { asker, record: asker.into() }
    }
}

/// Headers that carry the token: ours, and those of the programs whose place this one takes.
const TOKEN: [&str; 3] = ["x-strongroom-token", "x-aws-parameters-secrets-token", "x-vault-token"];

/// Headers that a proxy or a browser adds, beside `x-forwarded-…`: whoever asks is not the process it
/// seems to be.
const FOREIGN: [&str; 6] = ["origin", "referer", "forwarded", "via", "x-real-ip", "sec-fetch-site"];

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
    let seen = Seen::of(headers);
    if seen.is_foreign {
        return Err((400, "a request that was forwarded, or is a browser's, is not answered"));
    }
    if target.authority().is_some() {
        return Err((400, "a request as to a proxy is not answered"));
    }
    if !seen.host.one().and_then(|host| host.to_str().ok()).is_some_and(is_own) {
        return Err((400, "host must be 127.0.0.1, [::1] or localhost"));
    }
    let is_right = || {
        let (given, token) = (seen.token.one(), rules.token.as_ref());
        given
            .zip(token)
            .is_some_and(|(given, token)| is_same_secret(given.as_bytes(), token.expose()))
    };
    if needs_token && !is_right() {
        return Err((403, "the token is missing or wrong"));
    }
    Ok(())
}

/// A header that must be given once.
#[derive(Clone, Copy)]
enum Given<'a> {
    Never,
    Once(&'a HeaderValue),
    Often,
}

impl<'a> Given<'a> {
    const fn add(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::Never => Self::Once(value),
            Self::Once(_) | Self::Often => Self::Often,
        };
    }

    const fn one(self) -> Option<&'a HeaderValue> {
        match self {
            Self::Once(value) => Some(value),
            Self::Never | Self::Often => None,
        }
    }
}

/// What counts among the headers of a request, found in one pass.
struct Seen<'a> {
    is_foreign: bool,
    host: Given<'a>,
    token: Given<'a>,
}

impl<'a> Seen<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut seen = Self { is_foreign: false, host: Given::Never, token: Given::Never };
        for (name, value) in headers {
            let name = name.as_str();
            if name == "host" {
                seen.host.add(value);
            } else if TOKEN.contains(&name) {
                seen.token.add(value);
            } else if FOREIGN.contains(&name) || name.starts_with("x-forwarded-") {
                seen.is_foreign = true;
            }
        }
        seen
    }
}

fn is_own(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "[::1]", "localhost"].iter().any(|own| name.eq_ignore_ascii_case(own))
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
