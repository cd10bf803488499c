//! One server with a database of its own.

use std::path::PathBuf;

use crate::Outcome;
use strongroom_rig::{Node, SingleDatabase, Tenant};

/// A server, its tenant and its files.
#[derive(Debug)]
pub(crate) struct Alone {
    pub(crate) node: Node,
    pub(crate) tenant: Tenant,
    /// Where its database is, if it is a file.
    pub(crate) data: PathBuf,
    _database: Option<SingleDatabase>,
    _directory: tempfile::TempDir,
}

impl Alone {
    /// Founds a tenancy and starts.
    pub(crate) fn start(postgres: bool) -> Outcome<Self> {
        let database = postgres.then(|| SingleDatabase::start(false)).transpose()?;
        let directory = tempfile::tempdir()?;
        let place = directory.path().join("node");
        let data = place.join("data");
        let mut node = match &database {
            Some(database) => database.node(&place, 1)?,
            None => Node::of_this_machine(&place, &data)?,
        };
        let printed = node.init()?;
        node.start()?;
        let tenant = Tenant::furnish(&mut node.client(), &printed)?;
        Ok(Self { node, tenant, data, _database: database, _directory: directory })
    }
}
