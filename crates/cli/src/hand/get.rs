use std::io::IsTerminal;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use strongroom_client::{SecretBundle, Selector};
use strongroom_model::Sensitive;

use super::output::{refused, write, write_json};
use super::reference::{Place, Reference};
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
    #[arg(long, value_name = "NUMBER")]
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
        reference.selector = Selector::Stage(stage.to_uppercase());
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
    let bundle = bundle.map_err(|error| refused(&error, "read", name))?;
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
        "contentBase64": STANDARD.encode(value.expose()),
    })
}

/// Takes a value out of JSON content. Strings come without quotes. Messages name the pointer, never
/// the content.
fn select(content: &Sensitive, pointer: &str) -> Result<Sensitive, Failure> {
    let refuse = |why: &str| {
        Failure::new(Exit::Failed, "bad-pointer", format!("cannot follow `#{pointer}`"))
            .because(why.to_owned())
    };
    let document: serde_json::Value = serde_json::from_slice(content.expose())
        .map_err(|_error| refuse("the secret's value is not JSON"))?;
    let path = if pointer.starts_with('/') {
        pointer.to_owned()
    } else {
        let steps = pointer.split('.').map(|step| step.replace('~', "~0").replace('/', "~1"));
        steps.fold(String::new(), |path, step| format!("{path}/{step}"))
    };
    let found = document.pointer(&path).ok_or_else(|| refuse("the value has nothing there"))?;
    let bytes = match found {
        serde_json::Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    };
    Ok(Sensitive::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_select_inside_json() {
        let content = Sensitive::new(br#"{"user":{"name":"a"},"ports":[1,2],"x.y":true}"#.to_vec());
        for (pointer, expected) in [
            ("user.name", "a"),
            ("/user/name", "a"),
            ("ports.1", "2"),
            ("ports", "[1,2]"),
            ("/x.y", "true"),
        ] {
            assert_eq!(select(&content, pointer).unwrap().expose(), expected.as_bytes());
        }
        let failure = select(&content, "user.password").unwrap_err().to_string();
        assert!(failure.contains("#user.password") && !failure.contains("ports"), "{failure}");
        assert!(select(&Sensitive::new(b"plain".to_vec()), "a").is_err());
    }
}
