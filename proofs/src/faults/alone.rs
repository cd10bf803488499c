//! One server with a database of its own.

use crate::Outcome;
use crate::cluster::{Node, SingleDatabase, Tenant};

/// A server, its tenant and its files.
#[derive(Debug)]
pub(crate) struct Alone {
    pub(crate) node: Node,
    pub(crate) tenant: Tenant,
    _database: Option<SingleDatabase>,
    _directory: tempfile::TempDir,
}

impl Alone {
    /// Founds a tenancy and starts.
    pub(crate) fn start(postgres: bool) -> Outcome<Self> {
        let database = postgres.then(SingleDatabase::start).transpose()?;
        let directory = tempfile::tempdir()?;
        let place = directory.path().join("node");
        let mut node = match &database {
            Some(database) => database.node(&place)?,
            None => Node::of_this_machine(&place)?,
        };
        let printed = node.init()?;
        node.start()?;
        let tenant = Tenant::furnish(&mut node.client(), &printed)?;
        Ok(Self { node, tenant, _database: database, _directory: directory })
    }
}
