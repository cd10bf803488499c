use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use strongroom_agent::{ClientOf, Identity, IdentityError, Imds, Renewal, serve};
use strongroom_client::{Authorities, BaseUrl, Client, Endpoints, Network, Proxies};
use strongroom_keyring::SystemRandom;
use strongroom_model::{SystemClock, private_file};
use tokio::net::TcpListener;

use super::dev::shell_quoted;
use super::memory;
use super::signals::EndSignals;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::logging::{Form, LogArguments};
use crate::proxies::proxies;

/// Arguments of `imds`.
#[derive(Debug, Args)]
pub(crate) struct ImdsArguments {
    /// File with the machine's identity, as `strongroom admin instance add` writes it
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Address to listen on; who can reach it can act as the machine
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8791")]
    listen: SocketAddr,
    /// Directory to keep the files of a resource principal in: rpst and private.pem
    #[arg(long, value_name = "DIR")]
    resource_principal: Option<PathBuf>,
    /// Certificate authorities to trust in place of the system's, PEM
    #[arg(long, value_name = "FILE")]
    cert_bundle: Option<PathBuf>,
    #[command(flatten)]
    log: LogArguments,
}

/// Serves a machine's metadata until the process is told to end.
pub(crate) async fn run(
    arguments: ImdsArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    arguments.log.start(Form::Lines, environment)?;
    memory::protect();
    let mut signals = EndSignals::catch()?;
    let identity = Identity::read(&arguments.identity)
        .map_err(|error| unusable(&arguments.identity, &error))?;
    let proxies = proxies(environment)?;
    let client = clients(&identity.endpoint, arguments.cert_bundle.as_deref(), proxies)?;
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| {
        let message = format!("cannot listen on `{}`", arguments.listen);
        Failure::configuration("port-busy", message).because(error.to_string())
    })?;
    let imds = Arc::new(Imds::new(identity));
    let renewal = Renewal {
        imds: Arc::clone(&imds),
        identity_file: arguments.identity,
        resource_principal: arguments.resource_principal,
        client,
        clock: Arc::new(SystemClock),
    };
    first_token(&renewal).await?;
    greet(&listener, &renewal)?;
    tokio::select! {
        () = serve(imds, listener) => {}
        () = renewal.keep() => {}
        () = signals.come() => {}
    }
    Ok(())
}

fn unusable(path: &Path, error: &IdentityError) -> Failure {
    let message = format!("cannot use the identity `{}`", path.display());
    let failure = Failure::configuration("bad-identity", message).because(error.to_string());
    match error {
        IdentityError::File(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            failure.fix(format!("chmod 600 {}", shell_quoted(path)))
        }
        IdentityError::File(error) if error.kind() == std::io::ErrorKind::NotFound => failure
            .fix(format!("strongroom admin instance add NAME --identity {}", shell_quoted(path))),
        _ => failure,
    }
}

/// Makes the maker of clients, and one of them to see that it can.
fn clients(
    endpoint: &BaseUrl,
    bundle: Option<&Path>,
    proxies: Proxies,
) -> Result<ClientOf, Failure> {
    let bad = |why: String| {
        Failure::configuration("bad-authorities", "cannot read certificate authorities")
            .because(why)
    };
    let bundle = bundle.map(private_file::read).transpose();
    let bundle = bundle.map_err(|error| bad(error.to_string()))?;
    let endpoint = endpoint.clone();
    Ok(Box::new(move |key| {
        let authorities = bundle.as_deref().map_or(Authorities::System, Authorities::Bundle);
        let network = Network { authorities, proxies: proxies.clone() };
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        Client::new(Endpoints::One(endpoint.clone()), network, key, clock, random)
    }))
}

/// The files of a resource principal are there before anything is told to be ready.
async fn first_token(renewal: &Renewal) -> Result<(), Failure> {
    let Some(directory) = &renewal.resource_principal else { return Ok(()) };
    renewal.write_token(directory).await.map_err(|error| {
        Failure::new(Exit::Failed, "no-token", "cannot get a token for the resource principal")
            .because(error.to_string())
    })
}

fn greet(listener: &TcpListener, renewal: &Renewal) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Failed, "no-output", "cannot write to standard output")
            .because(error.to_string())
    };
    let address = listener.local_addr().map_err(failed)?;
    let identity = renewal.imds.identity();
    let mut text = format!(
        "strongroom imds answers for {} at http://{address}/opc/v2\n\n\
         Its processes act as the machine with\n\n\
         \x20 export OCI_CLI_AUTH=instance_principal\n\
         \x20 export OCI_METADATA_BASE_URL=http://{address}/opc/v2\n\
         \x20 export OCI_CLI_FEDERATION_ENDPOINT={endpoint}/v1/x509\n\
         \x20 export OCI_CLI_ENDPOINT={endpoint}\n",
        identity.id,
        endpoint = identity.endpoint,
    );
    if let Some(directory) = &renewal.resource_principal {
        let file = |name: &str| shell_quoted(&directory.join(name));
        text = format!(
            "{text}\nor, as a resource principal, with\n\n\
             \x20 export OCI_RESOURCE_PRINCIPAL_VERSION=2.2\n\
             \x20 export OCI_RESOURCE_PRINCIPAL_RPST={}\n\
             \x20 export OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM={}\n\
             \x20 export OCI_RESOURCE_PRINCIPAL_REGION={}\n",
            file("rpst"),
            file("private.pem"),
            identity.region.name
        );
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(failed)
}
