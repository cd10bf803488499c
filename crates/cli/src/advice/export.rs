use std::path::{Path, PathBuf};

use clap::Args;
use strongroom_model::private_file;

use super::tenancy::tenancy;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::hand::output::write;
use crate::hand::settings::Connection;

/// Arguments of `policy export`.
#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// File to write, or - for standard output; one that is there is replaced
    #[arg(value_name = "FILE|-")]
    path: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

/// Writes the tenancy and its policies to a file.
pub(super) async fn export(
    arguments: &ExportArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let path = &arguments.path;
    let unwritten = |why: String| {
        let message = format!("cannot write `{}`", path.display());
        Failure::new(Exit::Failed, "no-file", message).because(why)
    };
    let session = arguments.connection.open(environment).await?;
    let file = tenancy(&session.client).await?;
    let text = file.written().map_err(|error| unwritten(error.to_string()))?;
    if path == Path::new("-") {
        return write(text.as_bytes());
    }
    private_file::replace(path, text.as_bytes()).map_err(|error| unwritten(error.to_string()))?;
    let (policies, statements) = (file.policies.len(), file.statement_count());
    let said = format!("{policies} policies with {statements} statements\n");
    write(said.as_bytes())
}
