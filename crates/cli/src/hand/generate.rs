use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use strongroom_client::{NewContent, NewSecret, Selector};
use strongroom_model::private_file;

use super::output::{refused, write, write_json};
use super::reference::{Place, Reference};
use super::settings::Connection;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};

/// Arguments of `generate`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["passphrase", "bytes", "ssh_key"])))]
pub(crate) struct GenerateArguments {
    /// The secret: `secret://VAULT/NAME`
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// Generate a passphrase
    #[arg(long)]
    passphrase: bool,
    /// Generate so many random bytes
    #[arg(long, value_name = "COUNT", value_parser = ["512", "1024"])]
    bytes: Option<String>,
    /// Generate an RSA key pair of so many bits for SSH
    #[arg(long, value_name = "BITS", value_parser = ["2048", "3072", "4096"])]
    ssh_key: Option<String>,
    /// Length of the passphrase
    #[arg(long, value_name = "CHARACTERS", requires = "passphrase")]
    length: Option<u16>,
    /// Make a passphrase that Oracle's databases take
    #[arg(long, requires = "passphrase")]
    for_database: bool,
    /// Text around what is generated, such as `{"password":"%GENERATED_PASSPHRASE%"}`
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Compartment to make the secret in
    #[arg(long, value_name = "OCID")]
    compartment_id: Option<String>,
    /// Key to make the secret with
    #[arg(long, value_name = "OCID")]
    key_id: Option<String>,
    /// Print what was made as JSON, without its content
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Makes a secret whose content the vault generates; nobody sees it on the way.
pub(crate) async fn run(
    arguments: &GenerateArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let reference: Reference = arguments.reference.parse()?;
    let (Place::Named { vault, name }, Selector::Current, None) =
        (&reference.place, &reference.selector, &reference.pointer)
    else {
        return Err(Failure::new(
            Exit::Usage,
            "bad-reference",
            "cannot generate at this reference",
        )
        .because("a new secret has a vault and a name, and no version yet")
        .fix("strongroom generate secret://VAULT/NAME --passphrase"));
    };
    let context = arguments.context()?;
    let session = arguments.connection.open(environment).await?;
    let compartment_id = session.compartment_id(arguments.compartment_id.as_ref())?;
    let new = NewSecret {
        compartment_id: &compartment_id,
        vault_id: &session.vault_id(vault)?,
        key_id: &session.key_id(arguments.key_id.as_ref())?,
        name,
        content: NewContent::Generated(context),
    };
    let made = session.client.create_secret(&new).await;
    let made = made.map_err(|error| refused(&error, &format!("create secret `{name}`")))?;
    if arguments.json {
        let document = json!({
            "secretId": made.id, "secretName": made.secret_name, "versionNumber": 1,
        });
        return write_json(&document);
    }
    write(format!("{}  version 1  {}\n", made.secret_name, made.id).as_bytes())
}

impl GenerateArguments {
    /// `secretGenerationContext`.
    fn context(&self) -> Result<Value, Failure> {
        let mut context = match (&self.bytes, &self.ssh_key) {
            (Some(count), _) => {
                json!({ "generationType": "BYTES", "generationTemplate": format!("BYTES_{count}") })
            }
            (None, Some(bits)) => {
                json!({ "generationType": "SSH_KEY", "generationTemplate": format!("RSA_{bits}") })
            }
            (None, None) => {
                let template = if self.for_database {
                    "DBAAS_DEFAULT_PASSWORD"
                } else {
                    "SECRETS_DEFAULT_PASSWORD"
                };
                json!({ "generationType": "PASSPHRASE", "generationTemplate": template })
            }
        };
        let template = self.template.as_ref().map(|path| {
            let refused = |why: String| {
                let message = format!("cannot read the template `{}`", path.display());
                Failure::new(Exit::Failed, "no-template", message).because(why)
            };
            let bytes = private_file::read(path).map_err(|error| refused(error.to_string()))?;
            String::from_utf8(bytes).map_err(|_error| refused("not UTF-8".to_owned()))
        });
        if let Some(fields) = context.as_object_mut() {
            fields.extend(self.length.map(|length| ("passphraseLength".to_owned(), length.into())));
            let template = template.transpose()?;
            fields.extend(template.map(|text| ("secretTemplate".to_owned(), text.into())));
        }
        Ok(context)
    }
}
