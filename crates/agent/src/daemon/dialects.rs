//! The three ways to ask: ours, that of AWS's agent, and that of Vault's KV version 2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_client::CachedSecret;
use strongroom_model::Sensitive;

use super::Rules;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// A secret, in one of the forms.
    Secret { reference: String, form: Form },
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

    fn own(&self) -> Result<Wish, Refusal> {
        let Some(reference) = self.parameter("ref") else { return refuse(400, "ref is missing") };
        let form = match self.parameter("format") {
            None | Some("bytes") => Form::Bytes,
            Some("json") => Form::Json,
            Some(_) => return refuse(400, "format must be bytes or json"),
        };
        Ok(Wish::Secret { reference: reference.to_owned(), form })
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
        Ok(Wish::Secret { reference, form: Form::Aws })
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
        Ok(Wish::Secret { reference, form: Form::Vault })
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

/// Renders a secret in a form: content type and body.
pub(super) fn render(
    form: Form,
    found: &CachedSecret,
    content: &Sensitive,
    reference: &str,
) -> (&'static str, Sensitive) {
    let json = |body: Value| {
        let mut bytes = Sensitive::new(Vec::with_capacity(content.expose().len() * 2 + 1024));
        let written = serde_json::to_writer(bytes.expose_mut(), &body);
        if written.is_err() {
            bytes.expose_mut().clear();
        }
        ("application/json", bytes)
    };
    let bundle = found.bundle();
    let text = std::str::from_utf8(content.expose()).ok();
    match form {
        Form::Bytes => ("application/octet-stream", content.clone()),
        Form::Json => json(json!({
            "reference": reference,
            "secretId": bundle.secret_id,
            "versionNumber": bundle.version_number,
            "stages": bundle.stages,
            "contentBase64": STANDARD.encode(content.expose()),
        })),
        Form::Aws => {
            let name = reference.split(['?', '#']).next().unwrap_or_default();
            let stages: Vec<&str> =
                bundle.stages.iter().filter_map(|stage| aws_stage(stage)).collect();
            let mut body = json!({
                "ARN": bundle.secret_id,
                "Name": name,
                "VersionId": bundle.version_number.to_string(),
                "VersionStages": stages,
                "CreatedDate": bundle.time_created,
            });
            let (field, value) = match text {
                Some(text) => ("SecretString", text.to_owned()),
                None => ("SecretBinary", STANDARD.encode(content.expose())),
            };
            if let Some(object) = body.as_object_mut() {
                object.insert(field.to_owned(), value.into());
            }
            json(body)
        }
        Form::Vault => {
            let parsed: Option<Value> = serde_json::from_slice(content.expose()).ok();
            let data = parsed.filter(Value::is_object).unwrap_or_else(|| {
                json!({ "value": text.map_or_else(|| STANDARD.encode(content.expose()), str::to_owned) })
            });
            json(json!({ "data": {
                "data": data,
                "metadata": {
                    "version": bundle.version_number,
                    "created_time": bundle.time_created,
                    "deletion_time": "",
                    "destroyed": false,
                },
            }}))
        }
    }
}

fn aws_stage(stage: &str) -> Option<&'static str> {
    let known = AWS_STAGES.iter().find(|(_, ours)| ours.eq_ignore_ascii_case(stage));
    known.map(|(theirs, _)| *theirs)
}
