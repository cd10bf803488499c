use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use strongroom_model::{Sensitive, private_file};
use strongroom_server::Ledger;
use strongroom_store::{Postgres, Sqlite, Store, Witness};

use super::directory::{DataDirectory, unreadable_store};
use crate::failure::Failure;

/// A database on other machines, in place of the one in the data directory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatabaseTable {
    /// `postgres://user@a:5432,b:5432/name`, without a password.
    url: Option<String>,
    /// File that has the URL, with the password: mode 0600.
    url_file: Option<PathBuf>,
    /// Certificate authorities of the hosts, PEM; every connection is over TLS then.
    authorities: Option<PathBuf>,
}

/// An open database.
pub(crate) enum Database {
    Own(Arc<Sqlite>),
    Shared(Arc<Postgres>),
}

impl Database {
    /// Opens the database that the configuration names, or the one in the directory.
    pub(crate) async fn open(
        directory: &DataDirectory,
        table: Option<&DatabaseTable>,
        ledger: &Ledger,
    ) -> Result<Self, Failure> {
        match table {
            Some(table) => Self::shared(table, Arc::new(ledger.clone())).await,
            None => Ok(Self::Own(Arc::new(directory.open_store(Arc::new(ledger.clone()))?))),
        }
    }

    /// Opens a database on other machines.
    pub(crate) async fn shared(
        table: &DatabaseTable,
        witness: Arc<dyn Witness>,
    ) -> Result<Self, Failure> {
        let url = table.url()?;
        let authorities = table.authorities.as_deref().map(private_file::read).transpose();
        let authorities = authorities.map_err(|error| refused(&format!("authorities: {error}")))?;
        let text = std::str::from_utf8(url.expose());
        let text = text.map_err(|_error| refused("the URL is not UTF-8"))?.trim();
        if authorities.is_none() && !is_of_this_machine(text) {
            return Err(refused("the database is on another machine: name its authorities"));
        }
        let watched = strongroom_server::WATCHED;
        let opened = Postgres::open(text, authorities.as_deref(), watched, witness).await;
        opened.map(|store| Self::Shared(Arc::new(store))).map_err(|error| unreadable_store(&error))
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Own(store) => Arc::<Sqlite>::clone(store),
            Self::Shared(store) => Arc::<Postgres>::clone(store),
        }
    }

    /// Ends without a word.
    pub(crate) fn close_quietly(&self) {
        if let Self::Own(store) = self {
            store.close();
        }
    }

    /// Ends, when nobody writes any more.
    pub(crate) fn close(&self) {
        if let Self::Own(store) = self {
            store.close();
            let stats = store.stats();
            let (commits, groups, syncs) = (stats.commits, stats.groups, stats.syncs);
            tracing::info!(commits, groups, syncs, "stopped");
        } else {
            tracing::info!("stopped");
        }
    }
}

impl DatabaseTable {
    fn url(&self) -> Result<Sensitive, Failure> {
        match (&self.url, &self.url_file) {
            (Some(url), None) if has_password(url) => {
                Err(refused("[database] url has a password: keep it in a url_file, mode 0600"))
            }
            (Some(url), None) => Ok(Sensitive::new(url.clone().into_bytes())),
            (None, Some(path)) => {
                let read = private_file::read_private(path);
                let named = |error| refused(&format!("`{}`: {error}", path.display()));
                read.map(Sensitive::new).map_err(named)
            }
            _ => Err(refused("[database] needs either url or url_file")),
        }
    }
}

fn refused(why: &str) -> Failure {
    Failure::configuration("bad-configuration", "cannot use the database").because(why)
}

fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || url.contains("password=")
}

/// Tells whether every host is reached within this machine.
fn is_of_this_machine(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let is_near = |host: &str| {
        let host = host.strip_prefix('[').map_or_else(
            || host.split(':').next().unwrap_or_default(),
            |rest| rest.split(']').next().unwrap_or_default(),
        );
        host == "localhost"
            || host.starts_with("%2F")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    !rest.contains("host=") && hosts.split(',').all(is_near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_other_machines_are_seen_in_urls() {
        for url in ["postgres://u:p@h/d", "postgres://u@h/d?password=p"] {
            assert!(has_password(url), "{url}");
        }
        assert!(!has_password("postgres://u@h:5432,i:5433/d"));
        for url in [
            "postgres://u@127.0.0.1:5432,localhost:5433/d",
            "postgres://u:p@[::1]:5432/d",
            "postgres://u@%2Frun%2Fpostgresql/d",
        ] {
            assert!(is_of_this_machine(url), "{url}");
        }
        for url in [
            "postgres://u@127.0.0.1,db.example/d",
            "postgres://u@db/d",
            "postgres:///d?host=db",
            "",
        ] {
            assert!(!is_of_this_machine(url), "{url}");
        }
    }
}
