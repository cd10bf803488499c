//! The three ways to ask: ours, that of AWS's agent, and that of Vault's KV version 2.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use strongroom_client::SecretBundle;
use strongroom_model::Sensitive;

use super::Rules;
use super::known::Target;

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Wish {
    /// A secret, in one of the forms.
    Secret(Arc<Target>),
    /// Whether the process lives.
    Health,
    /// Whether it can answer.
    Ready,
    /// What it has done.
    Metrics,
}

/// How a secret is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The content, and nothing else.
    Bytes,
    /// JSON with the content in base64.
    Json,
    /// As AWS's agent answers `GetSecretValue`.
    Aws,
    /// As Vault answers a read of KV version 2.
    Vault,
}

impl Form {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Bytes => "application/octet-stream",
            Self::Json | Self::Aws | Self::Vault => "application/json",
        }
    }
}

/// Stages of AWS by ours.
const AWS_STAGES: [(&str, &str); 3] =
    [("AWSCURRENT", "current"), ("AWSPREVIOUS", "previous"), ("AWSPENDING", "pending")];

/// Why a request is refused: a status, and what is wrong in a sentence.
pub(super) type Refusal = (u16, String);

fn refuse<T>(status: u16, why: &str) -> Result<T, Refusal> {
    Err((status, why.to_owned()))
}

/// The form that answers at a path have, refusals included.
pub(super) fn form_of(path: &str) -> Form {
    match path {
        "/v1/secrets" => Form::Bytes,
        "/secretsmanager/get" => Form::Aws,
        _ if path.starts_with("/v1/") => Form::Vault,
        _ => Form::Bytes,
    }
}

/// Reads path and query of a request.
pub(super) fn read(path: &str, query: &str, rules: &Rules) -> Result<Wish, Refusal> {
    let Some(parameters) = parameters(query) else { return refuse(400, "the query is malformed") };
    let asked = Asked { parameters: &parameters, rules };
    match path {
        "/health" => Ok(Wish::Health),
        "/ready" => Ok(Wish::Ready),
        "/metrics" => Ok(Wish::Metrics),
        "/v1/secrets" => asked.own(),
        "/secretsmanager/get" => asked.aws(),
        _ => asked.vault(path),
    }
}

struct Asked<'a> {
    parameters: &'a [(String, String)],
    rules: &'a Rules,
}

impl Asked<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    fn target(&self, reference: String, form: Form) -> Wish {
        Wish::Secret(Arc::new(Target::new(reference, form, &*self.rules.references)))
    }

    fn own(&self) -> Result<Wish, Refusal> {
        let Some(reference) = self.parameter("ref") else { return refuse(400, "ref is missing") };
        let form = match self.parameter("format") {
            None | Some("bytes") => Form::Bytes,
            Some("json") => Form::Json,
            Some(_) => return refuse(400, "format must be bytes or json"),
        };
        Ok(self.target(reference.to_owned(), form))
    }

    fn aws(&self) -> Result<Wish, Refusal> {
        let Some(id) = self.parameter("secretId") else {
            return refuse(400, "secretId is missing");
        };
        let reference = named(self.rules, id)?;
        let reference = match (self.parameter("versionStage"), self.parameter("versionId")) {
            (None, None) => reference,
            (Some(stage), None) => match AWS_STAGES.iter().find(|(theirs, _)| *theirs == stage) {
                Some((_, ours)) => with_selector(&reference, "stage", ours),
                None => return refuse(400, "versionStage is unknown"),
            },
            (None, Some(number)) => with_selector(&reference, "version", number),
            (Some(_), Some(_)) => {
                return refuse(400, "versionStage and versionId exclude each other");
            }
        };
        Ok(self.target(reference, Form::Aws))
    }

    fn vault(&self, path: &str) -> Result<Wish, Refusal> {
        let place = path.strip_prefix("/v1/").and_then(|rest| rest.split_once("/data/"));
        let Some((mount, name)) = place else {
            return refuse(404, "nothing is answered at this path");
        };
        let Some(name) = decode(name) else { return refuse(400, "the path is malformed") };
        let whole = named(self.rules, &format!("{mount}/{name}"));
        let reference = whole.or_else(|_unknown| named(self.rules, &name))?;
        let reference = match self.parameter("version") {
            None | Some("0") => reference,
            Some(number) => with_selector(&reference, "version", number),
        };
        Ok(self.target(reference, Form::Vault))
    }
}

/// What a name of another program means; a reference is its own name.
fn named(rules: &Rules, name: &str) -> Result<String, Refusal> {
    if name.starts_with("secret://") || name.starts_with("ocid1.vaultsecret") {
        return Ok(name.to_owned());
    }
    let unknown = || (404, "this name is not in [names] of the agent's configuration".to_owned());
    rules.names.get(name).cloned().ok_or_else(unknown)
}

fn with_selector(reference: &str, name: &str, value: &str) -> String {
    let (before, pointer) = match reference.split_once('#') {
        Some((before, pointer)) => (before, format!("#{pointer}")),
        None => (reference, String::new()),
    };
    let secret = before.split('?').next().unwrap_or_default();
    format!("{secret}?{name}={value}{pointer}")
}

fn parameters(query: &str) -> Option<Vec<(String, String)>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(&value.replace('+', " "))?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let text = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(text, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Renders a secret, or a part of it, in a form.
pub(super) fn render(
    form: Form,
    bundle: &SecretBundle,
    content: &[u8],
    reference: &str,
) -> Sensitive {
    let around = bundle.secret_id.len()
        + reference.len()
        + bundle.stages.iter().map(|stage| stage.len() + 8).sum::<usize>()
        + bundle.time_created.as_ref().map_or(0, String::len);
    match form {
        Form::Bytes => Sensitive::new(content.to_vec()),
        Form::Json => json(around, content, &OwnAnswer::of(bundle, content, reference)),
        Form::Aws => json(around, content, &AwsAnswer::of(bundle, content, reference)),
        Form::Vault => json(around, content, &VaultAnswer::of(bundle, content)),
    }
}

/// Writes JSON into one buffer that has room for it, so that no copy of the content is left behind,
/// and for little more, since all of it is wiped.
fn json(around: usize, content: &[u8], answer: &impl Serialize) -> Sensitive {
    let escaped = |byte: &u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    let text: usize = content.iter().map(escaped).sum();
    let room = text.max(content.len().div_ceil(3) * 4) + around + NAMES;
    let mut bytes = Sensitive::new(Vec::with_capacity(room));
    if serde_json::to_writer(bytes.expose_mut(), answer).is_err() {
        bytes.expose_mut().clear();
    }
    debug_assert!(bytes.expose().len() <= room, "the buffer was moved");
    bytes
}

/// Room for the names of fields, numbers, and what stands between.
const NAMES: usize = 224;

/// Content in base64, written where it is to stand.
struct Encoded<'a>(&'a [u8]);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// Content as text if it is text, else in base64.
fn text_or_encoded(content: &[u8]) -> Result<&str, Encoded<'_>> {
    std::str::from_utf8(content).map_err(|_error| Encoded(content))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnAnswer<'a> {
    reference: &'a str,
    secret_id: &'a str,
    version_number: u64,
    stages: &'a [String],
    content_base64: Encoded<'a>,
}

impl<'a> OwnAnswer<'a> {
    fn of(bundle: &'a SecretBundle, content: &'a [u8], reference: &'a str) -> Self {
        Self {
            reference,
            secret_id: &bundle.secret_id,
            version_number: bundle.version_number,
            stages: &bundle.stages,
            content_base64: Encoded(content),
        }
    }
}

/// `GetSecretValue` of AWS.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AwsAnswer<'a> {
    #[serde(rename = "ARN")]
    arn: &'a str,
    name: &'a str,
    version_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_string: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_binary: Option<Encoded<'a>>,
    #[serde(serialize_with = "aws_stages")]
    version_stages: &'a [String],
    created_date: Option<&'a str>,
}

impl<'a> AwsAnswer<'a> {
    fn of(bundle: &'a SecretBundle, content: &'a [u8], reference: &'a str) -> Self {
        let content = text_or_encoded(content);
        Self {
            arn: &bundle.secret_id,
            name: reference.split(['?', '#']).next().unwrap_or_default(),
            version_id: bundle.version_number.to_string(),
            secret_string: content.as_ref().ok().copied(),
            secret_binary: content.err(),
            version_stages: &bundle.stages,
            created_date: bundle.time_created.as_deref(),
        }
    }
}

fn aws_stages<S: Serializer>(stages: &[String], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(stages.iter().filter_map(|stage| aws_stage(stage)))
}

/// A read of Vault's KV version 2.
#[derive(Serialize)]
struct VaultAnswer<'a> {
    data: VaultData<'a>,
}

#[derive(Serialize)]
struct VaultData<'a> {
    data: VaultContent<'a>,
    metadata: VaultMetadata<'a>,
}

/// A JSON object as it is; anything else as the one field `value`.
#[derive(Serialize)]
#[serde(untagged)]
enum VaultContent<'a> {
    Object(BTreeMap<String, &'a RawValue>),
    Text { value: &'a str },
    Binary { value: Encoded<'a> },
}

#[derive(Serialize)]
struct VaultMetadata<'a> {
    version: u64,
    created_time: Option<&'a str>,
    deletion_time: &'static str,
    destroyed: bool,
}

impl<'a> VaultAnswer<'a> {
    fn of(bundle: &'a SecretBundle, content: &'a [u8]) -> Self {
        let data = match serde_json::from_slice(content) {
            Ok(object) => VaultContent::Object(object),
            Err(_) => match text_or_encoded(content) {
                Ok(value) => VaultContent::Text { value },
                Err(value) => VaultContent::Binary { value },
            },
        };
        let metadata = VaultMetadata {
            version: bundle.version_number,
            created_time: bundle.time_created.as_deref(),
            deletion_time: "",
            destroyed: false,
        };
        Self { data: VaultData { data, metadata } }
    }
}

fn aws_stage(stage: &str) -> Option<&'static str> {
    let known = AWS_STAGES.iter().find(|(_, ours)| ours.eq_ignore_ascii_case(stage));
    known.map(|(theirs, _)| *theirs)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use serde_json::{Value, json};

    use super::*;

    fn bundle() -> SecretBundle {
        SecretBundle {
            secret_id: format!("ocid1.vaultsecret.oc1.iad.{}", "a".repeat(60)),
            version_number: u64::MAX,
            version_name: None,
            stages: ["CURRENT", "LATEST", "PENDING", "PREVIOUS"].map(str::to_owned).to_vec(),
            time_created: Some("2026-11-25T10:00:00.000Z".to_owned()),
            metadata: BTreeMap::new(),
            content: Sensitive::new(Vec::new()),
        }
    }

    #[test]
    fn answers_hold_the_content_whole_and_fit_the_room_made_for_them() {
        let (bundle, reference) = (bundle(), format!("secret://v/{}", "n".repeat(255)));
        let object = br#"{"user":"x","a\u0001\"":[1.50,"\u00e9"]}"#;
        let texts: [&[u8]; 7] =
            [b"", b"s3cr3t", b"\x00\x1f\n\"\\", "päss".as_bytes(), b"\xff\xfe", b"[1]", object];
        let long = [b"\"".repeat(25_000), b"\x01".repeat(25_000), b"\xff".repeat(25_000)];
        for content in texts.into_iter().chain(long.iter().map(Vec::as_slice)) {
            let read = |form| -> Value {
                let rendered = render(form, &bundle, content, &reference);
                serde_json::from_slice(rendered.expose()).unwrap()
            };
            let text = std::str::from_utf8(content).ok();
            let encoded = STANDARD.encode(content);
            assert_eq!(read(Form::Json)["contentBase64"], json!(encoded));
            let aws = read(Form::Aws);
            assert_eq!(aws["VersionStages"], json!(["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"]));
            match text {
                Some(text) => assert_eq!(aws["SecretString"], json!(text)),
                None => assert_eq!(aws["SecretBinary"], json!(encoded)),
            }
            let object = serde_json::from_slice::<Value>(content).ok().filter(Value::is_object);
            let data = object.unwrap_or_else(|| json!({"value": text.unwrap_or(&encoded)}));
            assert_eq!(read(Form::Vault)["data"]["data"], data);
        }
    }
}
