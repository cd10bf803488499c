use std::collections::BTreeMap;
use std::io::IsTerminal;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::value::RawValue;
use strongroom_client::{SecretBundle, Selector};
use strongroom_model::Sensitive;

use super::output::{refused, write, write_json};
use super::reference::{Place, Reference, stage_named};
use super::settings::Connection;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};

/// Arguments of `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The secret: `secret://VAULT/NAME[?stage=…|version=…][#pointer]`, or an OCID
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// Read the version in this stage
    #[arg(long, value_name = "STAGE", conflicts_with = "version")]
    stage: Option<String>,
    /// Read the version with this number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
    /// Print what is known of the version too, as JSON with the value in base64
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Prints a secret's value: exactly its bytes, and a line break only for a person to see.
pub(crate) async fn run(
    arguments: &GetArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let mut reference: Reference = arguments.reference.parse()?;
    if let Some(stage) = &arguments.stage {
        reference.selector = stage_named(stage)?;
    }
    if let Some(number) = arguments.version {
        reference.selector = Selector::Number(number);
    }
    let session = arguments.connection.open(environment)?;
    let bundle = match &reference.place {
        Place::Id(id) => session.client.secret_bundle(id.as_str(), &reference.selector).await,
        Place::Named { vault, name } => {
            let vault_id = session.vault_id(vault)?;
            session.client.secret_bundle_by_name(&vault_id, name, &reference.selector).await
        }
    };
    let name = match &reference.place {
        Place::Id(id) => id.as_str(),
        Place::Named { name, .. } => name,
    };
    let bundle = bundle.map_err(|error| refused(&error, &format!("read secret `{name}`")))?;
    let value = match &reference.pointer {
        Some(pointer) => select(&bundle.content, pointer)?,
        None => bundle.content.clone(),
    };
    if arguments.json {
        return write_json(&document(&bundle, &value));
    }
    write(value.expose())?;
    if std::io::stdout().is_terminal() { write(b"\n") } else { Ok(()) }
}

fn document(bundle: &SecretBundle, value: &Sensitive) -> serde_json::Value {
    serde_json::json!({
        "secretId": bundle.secret_id,
        "versionNumber": bundle.version_number,
        "versionName": bundle.version_name,
        "stages": bundle.stages,
        "timeCreated": bundle.time_created,
        "metadata": bundle.metadata,
        "contentBase64": STANDARD.encode(value.expose()),
    })
}

/// Takes a value out of JSON content: a string without quotes, anything else as it is written there.
/// Messages name the pointer, never the content.
pub(crate) fn select(content: &Sensitive, pointer: &str) -> Result<Sensitive, Failure> {
    let refuse = |why: &str| {
        Failure::new(Exit::Failed, "bad-pointer", format!("cannot follow `#{pointer}`"))
            .because(why.to_owned())
    };
    let no_json = |_error| refuse("the secret's value is not JSON");
    let mut found: &RawValue = serde_json::from_slice(content.expose()).map_err(no_json)?;
    for step in steps(pointer) {
        found = below(found, &step).ok_or_else(|| refuse("the value has nothing there"))?;
    }
    let text = found.get();
    if text.starts_with('"') {
        let text: String = serde_json::from_str(text).map_err(no_json)?;
        return Ok(Sensitive::new(text.into_bytes()));
    }
    Ok(Sensitive::new(text.as_bytes().to_vec()))
}

/// Returns the names and numbers that a pointer goes through.
///
/// Source: RFC 6901 §4, if it begins with a slash.
fn steps(pointer: &str) -> Vec<String> {
    match pointer.strip_prefix('/') {
        Some(rest) => {
            rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
        }
        None => pointer.split('.').map(str::to_owned).collect(),
    }
}

fn below<'a>(value: &'a RawValue, step: &str) -> Option<&'a RawValue> {
    let text = value.get();
    if text.starts_with('{') {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
        return members.get(step).copied();
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let number: usize = step.parse().ok()?;
    // RFC 6901 §4: neither a sign nor leading zeros.
    elements.get(number).copied().filter(|_| number.to_string() == step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_select_inside_json() {
        let content = Sensitive::new(
            br#" {"user":{"name":"a\n"},"ports":[1,2 ],"x.y":true,"a/b":1.10,"":{"":null},
            "long":12345678901234567890123}"#
                .to_vec(),
        );
        for (pointer, expected) in [
            ("user.name", "a\n"),
            ("/user/name", "a\n"),
            ("ports.1", "2"),
            ("ports", "[1,2 ]"),
            ("/x.y", "true"),
            ("/a~1b", "1.10"),
            ("long", "12345678901234567890123"),
            ("/", r#"{"":null}"#),
            ("//", "null"),
        ] {
            assert_eq!(select(&content, pointer).unwrap().expose(), expected.as_bytes());
        }
        let failure = select(&content, "user.password").unwrap_err().to_string();
        assert!(failure.contains("#user.password") && !failure.contains("ports"), "{failure}");
        for pointer in ["ports.01", "ports.+1", "ports.2", "long.0", "user.name.0", "x.y"] {
            assert!(select(&content, pointer).is_err(), "{pointer}");
        }
        for text in ["plain", "{} x", "{", "\u{ff}"] {
            assert!(select(&Sensitive::new(text.as_bytes().to_vec()), "a").is_err(), "{text}");
        }
    }
}
