//! The instance metadata service, version 2: what a machine can ask about itself.
//!
//! Source: OCI documentation, "Getting Instance Metadata"; the paths are those that Oracle's SDKs
//! read.

use std::net::IpAddr;

use serde::Serialize;
use strongroom_model::{Ocid, Region, Sensitive};

/// Where it begins.
const BASE: &str = "opc/v2";

/// Headers by which a proxy says that somebody else is asking.
pub const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "via"];

/// What a machine is.
#[derive(Debug)]
pub struct Machine<'a> {
    /// OCID of the instance.
    pub id: &'a Ocid,
    /// Name of the instance.
    pub name: &'a str,
    /// OCID of its compartment.
    pub compartment_id: &'a Ocid,
    /// OCID of its tenancy.
    pub tenancy_id: &'a Ocid,
    /// Its region.
    pub region: &'static Region,
    /// Its certificate, PEM.
    pub certificate: &'a str,
    /// What vouches for the certificate, PEM.
    pub intermediate: &'a str,
    /// The certificate's private key, PEM.
    pub private_key: &'a Sensitive,
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Method, in upper case.
    pub method: &'a str,
    /// Path, as on the request line.
    pub path: &'a str,
    /// `host`.
    pub host: Option<&'a str>,
    /// `authorization`.
    pub authorization: Option<&'a str>,
    /// Whether one of [`FORWARDED`] is there.
    pub is_forwarded: bool,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status of HTTP.
    pub status: u16,
    /// `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Sensitive,
}

const TEXT: &str = "text/plain";
const JSON: &str = "application/json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RegionInfo {
    realm_key: &'static str,
    realm_domain_component: &'static str,
    region_key: String,
    region_identifier: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Instance<'a> {
    id: &'a Ocid,
    display_name: &'a str,
    compartment_id: &'a Ocid,
    tenant_id: &'a Ocid,
    region: &'static str,
    canonical_region_name: &'static str,
    region_info: RegionInfo,
}

/// Tells whether a path is of this service. Doubled slashes are tolerated: Java's SDK makes them.
#[must_use]
pub fn is_metadata(path: &str) -> bool {
    place(path).is_some()
}

/// What follows the beginning of a path, without doubled slashes.
fn place(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let path = segments.join("/");
    let rest = path.strip_prefix(BASE)?;
    if rest.is_empty() { Some(String::new()) } else { rest.strip_prefix('/').map(str::to_owned) }
}

/// Answers a request. Who asks through a proxy or by a name is refused: a browser or a server that
/// was led here could be that.
#[must_use]
pub fn answer(asked: Asked<'_>, machine: &Machine<'_>) -> Answer {
    let refused = |status, why: &str| Answer {
        status,
        content_type: TEXT,
        body: Sensitive::new(format!("{why}\n").into_bytes()),
    };
    if asked.is_forwarded {
        return refused(400, "The metadata service answers no request that was forwarded.");
    }
    if !asked.host.is_some_and(is_address) {
        return refused(400, "host: must be an address or localhost.");
    }
    let bearer = asked.authorization.and_then(|value| value.split_once(' '));
    let is_known = bearer
        .is_some_and(|(scheme, who)| scheme.eq_ignore_ascii_case("bearer") && who == "Oracle");
    if !is_known {
        return refused(401, "authorization: must be `Bearer Oracle`.");
    }
    if asked.method != "GET" {
        return refused(405, "The metadata service takes GET.");
    }
    let found = place(asked.path).and_then(|place| machine.at(&place));
    found.unwrap_or_else(|| refused(404, "The metadata service has nothing at this path."))
}

fn is_address(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

impl Machine<'_> {
    fn at(&self, place: &str) -> Option<Answer> {
        let info = self.region_info();
        Some(match place {
            "instance" => json(&self.instance()),
            "instance/id" => text(self.id.as_str()),
            "instance/displayName" => text(self.name),
            "instance/compartmentId" => text(self.compartment_id.as_str()),
            "instance/tenantId" => text(self.tenancy_id.as_str()),
            "instance/region" | "instance/canonicalRegionName" => text(self.region.name),
            "instance/regionInfo" => json(&info),
            "instance/regionInfo/realmKey" => text(info.realm_key),
            "instance/regionInfo/realmDomainComponent" => text(info.realm_domain_component),
            "instance/regionInfo/regionKey" => text(&info.region_key),
            "instance/regionInfo/regionIdentifier" => text(info.region_identifier),
            "identity/cert.pem" => text(self.certificate),
            "identity/intermediate.pem" => text(self.intermediate),
            "identity/key.pem" => {
                Answer { status: 200, content_type: TEXT, body: self.private_key.clone() }
            }
            _ => return None,
        })
    }

    fn region_info(&self) -> RegionInfo {
        RegionInfo {
            realm_key: self.region.realm.key,
            realm_domain_component: self.region.realm.domain,
            region_key: self.region.key.to_uppercase(),
            region_identifier: self.region.name,
        }
    }

    fn instance(&self) -> Instance<'_> {
        Instance {
            id: self.id,
            display_name: self.name,
            compartment_id: self.compartment_id,
            tenant_id: self.tenancy_id,
            region: self.region.name,
            canonical_region_name: self.region.name,
            region_info: self.region_info(),
        }
    }
}

fn text(body: &str) -> Answer {
    Answer { status: 200, content_type: TEXT, body: Sensitive::new(body.as_bytes().to_vec()) }
}

fn json<T: Serialize>(body: &T) -> Answer {
    let body = serde_json::to_vec(body).unwrap_or_default();
    Answer { status: 200, content_type: JSON, body: Sensitive::new(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(asked: Asked<'_>) -> (u16, String) {
        let id = |text: &str| -> Ocid { text.parse().unwrap() };
        let machine = Machine {
            id: &id("ocid1.instance.oc1.iad.i"),
            name: "web",
            compartment_id: &id("ocid1.compartment.oc1..c"),
            tenancy_id: &id("ocid1.tenancy.oc1..t"),
            region: Region::named("us-ashburn-1").unwrap(),
            certificate: "C",
            intermediate: "I",
            private_key: &Sensitive::new(b"K".to_vec()),
        };
        let answer = answer(asked, &machine);
        (answer.status, String::from_utf8_lossy(answer.body.expose()).into_owned())
    }

    const GOOD: Asked<'_> = Asked {
        method: "GET",
        path: "/opc/v2/identity/key.pem",
        host: Some("127.0.0.1:80"),
        authorization: Some("Bearer Oracle"),
        is_forwarded: false,
    };

    #[test]
    fn what_sdks_read_is_there() {
        assert_eq!(ask(GOOD), (200, "K".to_owned()));
        let at = |path| ask(Asked { path, ..GOOD });
        assert_eq!(at("//opc/v2//identity/cert.pem"), (200, "C".to_owned()));
        assert_eq!(at("/opc/v2/instance/region"), (200, "us-ashburn-1".to_owned()));
        assert_eq!(
            at("/opc/v2/instance/regionInfo"),
            (
                200,
                r#"{"realmKey":"oc1","realmDomainComponent":"oraclecloud.com","regionKey":"IAD","regionIdentifier":"us-ashburn-1"}"#
                    .to_owned()
            )
        );
        assert!(at("/opc/v2/instance/").1.contains(r#""displayName":"web""#));
        for host in ["localhost", "LOCALHOST:1", "[fd00:c1::a9fe:a9fe]", "169.254.169.254"] {
            assert_eq!(ask(Asked { host: Some(host), ..GOOD }).0, 200, "{host}");
        }
    }

    #[test]
    fn whoever_may_have_been_led_here_is_refused() {
        for (status, asked) in [
            (401, Asked { authorization: None, ..GOOD }),
            (401, Asked { authorization: Some("Bearer oracle"), ..GOOD }),
            (401, Asked { authorization: Some("Basic Oracle"), ..GOOD }),
            (400, Asked { is_forwarded: true, ..GOOD }),
            (400, Asked { host: Some("evil.example"), ..GOOD }),
            (400, Asked { host: None, ..GOOD }),
            (405, Asked { method: "POST", ..GOOD }),
            (404, Asked { path: "/opc/v2/identity/other", ..GOOD }),
            (404, Asked { path: "/opc/v1/identity/key.pem", ..GOOD }),
        ] {
            assert_eq!(ask(asked).0, status, "{asked:?}");
        }
        assert!(is_metadata("/opc/v2") && is_metadata("//opc/v2/x"));
        assert!(!is_metadata("/opc/v20/x") && !is_metadata("/x/opc/v2"));
    }
}
