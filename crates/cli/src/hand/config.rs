use std::path::PathBuf;

use clap::{Args, Subcommand};
use strongroom_client::Proxy;

use super::output::{write_json, write_table};
use super::session::{Session, of_server};
use super::settings::{Connection, Origin};
use crate::environment::{Environment, Named};
use crate::failure::Failure;
use crate::proxies::proxies;

/// Arguments of `config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print whom the other commands would call, as whom, and what they would take for granted
    Show(ShowArguments),
}

/// Arguments of `config show`.
#[derive(Debug, Args)]
struct ShowArguments {
    /// Print where each setting comes from too
    #[arg(long)]
    origin: bool,
    /// Print as JSON, with where each setting comes from
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// A setting with what it comes to.
struct Row {
    setting: String,
    value: String,
    origin: String,
}

/// Prints the settings.
pub(crate) async fn run(
    arguments: &ConfigArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let ConfigCommand::Show(arguments) = &arguments.command;
    let session = arguments.connection.open(environment).await?;
    let rows = rows(&session)?;
    if arguments.json {
        let object = |row: &Row| {
            serde_json::json!({
                "setting": row.setting,
                "value": row.value,
                "origin": row.origin,
            })
        };
        return write_json(&rows.iter().map(object).collect());
    }
    let columns = if arguments.origin { 3 } else { 2 };
    let cells = |row: Row| {
        let all = [row.setting, row.value, row.origin];
        all.into_iter().take(columns).collect()
    };
    let rows: Vec<Vec<String>> = rows.into_iter().map(cells).collect();
    let headings = ["SETTING", "VALUE", "ORIGIN"];
    write_table(headings.get(..columns).unwrap_or_default(), &rows)
}

fn rows(session: &Session<'_>) -> Result<Vec<Row>, Failure> {
    let (client, origins) = (&session.client, &session.origins);
    let by = format!("{} ({})", origins.credentials, origins.why);
    let mut rows = vec![whom(session), row("auth", client.credentials_name().to_owned(), by)];
    rows.extend(trust(session));
    rows.extend(roads(session.ground.environment)?);
    rows.extend(taken_for_granted(session));
    Ok(rows)
}

fn row(setting: &str, value: String, origin: impl Into<String>) -> Row {
    Row { setting: setting.to_owned(), value, origin: origin.into() }
}

fn whom(session: &Session<'_>) -> Row {
    let origins = &session.origins;
    let named = match (&session.ground.settings.endpoint, &session.ground.dev) {
        (Origin::Named(_), _) => session.ground.names.endpoint.map(str::to_owned),
        (_, Some(dev)) => Some(of_server(dev)),
        (_, None) => origins.region.clone(),
    };
    let endpoints = session.client.endpoints();
    let [_, (_, secrets), ..] = endpoints.urls();
    row("endpoint", secrets, named.unwrap_or_default())
}

fn trust(session: &Session<'_>) -> Vec<Row> {
    let (names, settings) = (session.ground.names, &session.ground.settings);
    let bundle = |setting, path: &Option<PathBuf>, name: Option<&'static str>| {
        let (path, name) = (path.as_ref()?, name?);
        Some(row(setting, path.display().to_string(), name))
    };
    let own = bundle("cert_bundle", &settings.cert_bundle, names.cert_bundle);
    let extra = bundle("extra_cert_bundle", &settings.extra_cert_bundle, names.extra_cert_bundle);
    own.into_iter().chain(extra).collect()
}

/// Proxies without what they hide.
fn roads(environment: &Environment) -> Result<Vec<Row>, Failure> {
    let found = proxies(environment)?;
    let proxies = [
        ("https_proxy", found.https, &environment.https_proxy),
        ("http_proxy", found.http, &environment.http_proxy),
    ];
    let shown = |(setting, proxy, named): (_, Option<Proxy>, &Option<Named>)| {
        Some(row(setting, proxy?.to_string(), named.as_ref()?.name))
    };
    Ok(proxies.into_iter().filter_map(shown).collect())
}

fn taken_for_granted(session: &Session<'_>) -> Vec<Row> {
    let of = |setting: &str, found: Option<(&String, String)>| {
        found.map(|(value, origin)| row(setting, value.clone(), origin))
    };
    let vaults = session.vaults().into_keys();
    let vaults =
        vaults.map(|alias| of(&format!("vaults.{alias}"), session.ground.known_vault(&alias)));
    let compartment = of("compartment_id", session.ground.known_compartment(None));
    let key = of("key_id", session.ground.known_key(None));
    vaults.chain([compartment, key]).flatten().collect()
}
