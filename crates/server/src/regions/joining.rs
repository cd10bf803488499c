//! The first rows of a region that joins a tenancy.

use strongroom_keyring::{RegionKeys, RootKey};
use strongroom_model::{Region, Tenancy, Timestamp};
use strongroom_store::{Batch, Require, Store, StoreError};

use super::peers::{PeerRow, RegionIdentity, is_base_url};
use crate::rows;

/// A region that joins.
#[derive(Debug)]
pub struct NewRegion<'a> {
    /// The region.
    pub region: &'static Region,
    /// What the home region is known by.
    pub home: &'a RegionIdentity,
    /// Where the home region answers.
    pub url: &'a str,
    /// When it joins.
    pub now: Timestamp,
}

/// Why a region did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The store did not take the rows; a conflict means that a tenancy is there already.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the home region is said to be known by does not make sense.
    #[error("{0}")]
    Identity(&'static str),
}

/// Makes a store that of another region of a tenancy, and returns what the region is known by. What
/// the tenancy consists of comes from its home region, once this one has been added there.
///
/// # Errors
/// A [`JoinError`]; nothing is stored then.
pub async fn join_tenancy(
    store: &dyn Store,
    root_key: &RootKey,
    new: &NewRegion<'_>,
) -> Result<RegionIdentity, JoinError> {
    if new.home.keys().is_none() {
        return Err(JoinError::Identity("the identity of the home region holds no keys"));
    }
    if new.home.region != new.home.home_region {
        return Err(JoinError::Identity("join with the identity of the home region"));
    }
    if new.home.region == new.region.name {
        return Err(JoinError::Identity("the region is the home region; name another one"));
    }
    if !is_base_url(new.url) {
        return Err(JoinError::Identity(
            "the home region's URL must be http:// or https:// with a host, and no user or query",
        ));
    }
    let keys = RegionKeys::derive(root_key);
    let keys = keys.map_err(|_error| JoinError::Identity("the region's keys were not made"))?;
    let tenancy = Tenancy {
        id: new.home.tenancy_id.clone(),
        name: new.home.tenancy_name.clone(),
        home_region: new.home.region.clone(),
        time_created: new.now,
    };
    let peer = PeerRow { url: new.url.to_owned(), identity: new.home.clone(), time_added: new.now };
    let founded = b"meta/founded".to_vec();
    let batch = Batch::new()
        .require(founded.clone(), Require::Absent)
        .put(founded, rows::encode(&tenancy.id)?)
        .put(rows::tenancy(&tenancy.id), rows::encode(&tenancy)?)
        .put(rows::region_here(), rows::encode(&new.region.name)?)
        .put(rows::region_peer(&new.home.region), rows::encode(&peer)?);
    store.commit(batch).await?;
    let region = new.region.name.to_owned();
    Ok(RegionIdentity { region, ..new.home.clone() }.with_keys(keys.public()))
}
