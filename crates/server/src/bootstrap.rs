//! The first rows of a store: a tenancy with its administrator and, on request, sample objects.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use strongroom_keyring::{Material, RootKey, SealError};
use strongroom_model::{
    AesLength, ApiKey, Compartment, CompartmentState, Group, Key, KeyShape, KeyState, KeyVersion,
    KeyVersionState, Ocid, OcidKind, Origin, Policy, ProtectionMode, Random, Region, Secret,
    SecretPlace, SecretVersion, Tags, Tenancy, Timestamp, User, Vault, VaultState, VaultTag,
    VaultType, Workload,
};
use strongroom_store::{Batch, Require, Store, StoreError};

use crate::catalog::{key_version_binding, vault_binding};
use crate::endpoints::reserve_port;
use crate::ops;
use crate::rows::{self, KeyRow, KeyVersionRow, SecretVersionRow, VaultRow};
use crate::secret_rows;

/// The one grant that a tenancy is born with. There is no bypass besides it.
const FIRST_STATEMENT: &str = "Allow group Administrators to manage all-resources in tenancy";

/// A tenancy to be founded.
#[derive(Debug)]
pub struct NewTenancy<'a> {
    /// Name of the tenancy.
    pub name: &'a str,
    /// Its home region.
    pub region: &'static Region,
    /// Fingerprint of the administrator's key.
    pub fingerprint: &'a str,
    /// The administrator's public key, PEM.
    pub public_key_pem: &'a str,
    /// When it is founded.
    pub now: Timestamp,
    /// Sample objects to make along with it.
    pub sample: Option<NewSample<'a>>,
}

/// Sample objects for a first look: a compartment, a vault, a key and a secret.
#[derive(Debug)]
pub struct NewSample<'a> {
    /// Content of the sample secret.
    pub content: &'a [u8],
    /// Port of the sample vault, see [`free_vault_port`].
    pub port: u16,
}

/// A founded tenancy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founded {
    /// OCID of the tenancy.
    pub tenancy_id: Ocid,
    /// OCID of the administrator.
    pub user_id: Ocid,
    /// The sample objects.
    pub sample: Option<Sample>,
}

/// The identifiers of the sample objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// OCID of the administrator.
    pub user_id: Ocid,
    /// OCID of the compartment.
    pub compartment_id: Ocid,
    /// OCID of the vault.
    pub vault_id: Ocid,
    /// OCID of the key.
    pub key_id: Ocid,
    /// OCID of the secret.
    pub secret_id: Ocid,
    /// OCID that a machine of this tenancy goes by.
    pub instance_id: Ocid,
}

/// Why a tenancy was not founded.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// The store did not take the rows; a conflict means that a tenancy is there already.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key was not made.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Finds a port for a vault that is not served yet.
///
/// # Errors
/// The system's error if no port could be bound.
pub async fn free_vault_port(address: IpAddr, random: &dyn Random) -> std::io::Result<u16> {
    Ok(reserve_port(address, random).await?.local_addr()?.port())
}

/// Returns the sample objects of a store, if it has any.
///
/// # Errors
/// A [`StoreError`] if the store cannot be read.
pub async fn sample_of(store: &dyn Store) -> Result<Option<Sample>, StoreError> {
    let key = rows::sample();
    let found = store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    found.map(|row| rows::decode(&key, &row.value)).transpose()
}

/// Returns by how many seconds the clock of a development server was turned.
///
/// # Errors
/// A [`StoreError`] if the store cannot be read.
pub async fn clock_turned(store: &dyn Store) -> Result<i64, StoreError> {
    let key = rows::clock_turned();
    let found = store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    found.map_or(Ok(0), |row| rows::decode(&key, &row.value))
}

/// Founds a tenancy, in one commit: tenancy, administrator with key, group, policy and sample.
///
/// # Errors
/// A [`FoundError`]; nothing is founded then.
pub async fn found_tenancy(
    store: &dyn Store,
    root_key: &RootKey,
    random: &dyn Random,
    new: &NewTenancy<'_>,
) -> Result<Founded, FoundError> {
    let founder = Founder { root_key, random, new };
    let id = Ocid::global(OcidKind::Tenancy, new.region, random);
    let tenancy = Tenancy {
        id,
        name: new.name.to_owned(),
        home_region: new.region.name.to_owned(),
        time_created: new.now,
    };
    let (user_id, batch) = founder.identity(&tenancy)?;
    let (sample, batch) = match &new.sample {
        None => (None, batch),
        Some(sample) => {
            let (made, batch) = founder.sample(&tenancy.id, &user_id, sample, batch)?;
            (Some(made), batch)
        }
    };
    store.commit(batch).await?;
    Ok(Founded { tenancy_id: tenancy.id, user_id, sample })
}

struct Founder<'a> {
    root_key: &'a RootKey,
    random: &'a dyn Random,
    new: &'a NewTenancy<'a>,
}

impl Founder<'_> {
    fn global(&self, kind: OcidKind) -> Ocid {
        Ocid::global(kind, self.new.region, self.random)
    }

    fn identity(&self, tenancy: &Tenancy) -> Result<(Ocid, Batch), FoundError> {
        let now = self.new.now;
        let group = Group {
            id: self.global(OcidKind::Group),
            compartment_id: tenancy.id.clone(),
            name: Group::ADMINISTRATORS.to_owned(),
            description: "Administrators of the tenancy".to_owned(),
            time_created: now,
            tags: Tags::default(),
        };
        let user = User {
            id: self.global(OcidKind::User),
            compartment_id: tenancy.id.clone(),
            name: "admin".to_owned(),
            description: "The tenancy's first administrator".to_owned(),
            email: None,
            time_created: now,
            group_ids: vec![group.id.clone()],
            joined: BTreeMap::new(),
            tags: Tags::default(),
        };
        let api_key = ApiKey {
            user_id: user.id.clone(),
            fingerprint: self.new.fingerprint.to_owned(),
            public_key_pem: self.new.public_key_pem.to_owned(),
            time_created: now,
        };
        let policy = Policy {
            id: self.global(OcidKind::Policy),
            compartment_id: tenancy.id.clone(),
            name: Policy::TENANT_ADMIN.to_owned(),
            description: "Lets the administrators administer".to_owned(),
            statements: vec![FIRST_STATEMENT.to_owned()],
            resolved: vec![vec![group.id.clone(), tenancy.id.clone()]],
            version_date: None,
            time_created: now,
            tags: Tags::default(),
        };
        let founded = rows::FOUNDED.to_vec();
        let batch = Batch::new()
            .require(founded.clone(), Require::Absent)
            .put(founded, rows::encode(&tenancy.id)?)
            .put(rows::tenancy(&tenancy.id), rows::encode(tenancy)?)
            .put(rows::user_name(&user.name), rows::encode(&user.id)?)
            .put(rows::user(&user.id), rows::encode(&user)?)
            .put(rows::api_key(&user.id, &api_key.fingerprint), rows::encode(&api_key)?)
            .put(rows::group_name(&group.name.to_lowercase()), rows::encode(&group.id)?)
            .put(rows::group(&group.id), rows::encode(&group)?)
            .put(rows::policy_name(&policy.name.to_lowercase()), rows::encode(&policy.id)?)
            .put(rows::policy(&policy.id), rows::encode(&policy)?);
        Ok((user.id, batch))
    }

    fn sample(
        &self,
        tenancy_id: &Ocid,
        user_id: &Ocid,
        new: &NewSample<'_>,
        batch: Batch,
    ) -> Result<(Sample, Batch), FoundError> {
        let compartment = Compartment {
            id: self.global(OcidKind::Compartment),
            compartment_id: tenancy_id.clone(),
            name: "sample".to_owned(),
            description: "Sample objects of the development server".to_owned(),
            state: CompartmentState::Active,
            time_created: self.new.now,
            tags: Tags::default(),
        };
        let name_guard = rows::compartment_name(tenancy_id, &compartment.name);
        let batch = batch
            .put(name_guard, rows::encode(&compartment.id)?)
            .put(rows::compartment(&compartment.id), rows::encode(&compartment)?);
        let place = (tenancy_id, &compartment.id);
        let (secret, batch) = self.sample_secret(place, new, batch)?;
        let sample = Sample {
            user_id: user_id.clone(),
            compartment_id: compartment.id,
            vault_id: secret.vault_id,
            key_id: secret.key_id,
            secret_id: secret.id,
            instance_id: Ocid::regional(OcidKind::Instance, self.new.region, self.random),
        };
        let machine = Workload {
            id: sample.instance_id.clone(),
            compartment_id: sample.compartment_id.clone(),
            name: "dev".to_owned(),
            description: "The machine that the development server runs on".to_owned(),
            resource_type: Workload::INSTANCE.to_owned(),
            time_created: self.new.now,
            tags: Tags::default(),
        };
        let batch = batch
            .put(rows::sample(), rows::encode(&sample)?)
            .put(
                rows::workload_name(&machine.compartment_id, &machine.name),
                rows::encode(&machine.id)?,
            )
            .put(rows::workload(&machine.id), rows::encode(&machine)?);
        Ok((sample, batch))
    }

    fn sample_secret(
        &self,
        (tenancy_id, compartment_id): (&Ocid, &Ocid),
        new: &NewSample<'_>,
        batch: Batch,
    ) -> Result<(Secret, Batch), FoundError> {
        let (region, random, now) = (self.new.region, self.random, self.new.now);
        let tag = VaultTag::generate(random);
        let in_vault = |kind| Ocid::in_vault(kind, region, &tag, random);
        let (vault_id, key_id) = (in_vault(OcidKind::Vault), in_vault(OcidKind::Key));
        let version_id = in_vault(OcidKind::KeyVersion);
        let binding = vault_binding(tenancy_id, &vault_id);
        let (opened, vault_key) = self.root_key.new_vault_key(&binding, random)?;
        let binding = key_version_binding(tenancy_id, &vault_id, &version_id);
        let shape = KeyShape::Aes(AesLength::Aes256);
        let made = Material::generate(shape, random).map_err(|_error| SealError)?;
        let material = opened.seal_material(&binding, &made, random)?;
        let Material::Symmetric(master) = made else { return Err(SealError.into()) };
        let secret = sample_secret_at(self, compartment_id, &vault_id, &key_id);
        let sealed = master.seal_secret(
            &ops::content_binding(tenancy_id, &secret, 1),
            new.content,
            random,
        )?;
        let vault = sample_vault(&secret, tag, now);
        let vault =
            VaultRow { vault, port: new.port, replica_port: None, vault_key: Some(vault_key) };
        let key = KeyRow { key: sample_key(&secret, &version_id) };
        let key_version = KeyVersion {
            id: version_id.clone(),
            key_id: key_id.clone(),
            state: KeyVersionState::Enabled,
            time_created: now,
            time_of_deletion: None,
            origin: Origin::Internal,
            is_auto_rotated: false,
            public_key: None,
            restored_from: None,
        };
        let key_version = KeyVersionRow { key_version, material: Some(material) };
        let version = SecretVersionRow {
            secret_version: SecretVersion {
                number: 1,
                name: None,
                time_created: now,
                is_generated: false,
            },
            key_version_id: version_id.clone(),
            data_key: sealed.data_key,
            content: sealed.content,
            fingerprint: None,
        };
        let batch = batch
            .put(rows::vault(&vault_id), rows::encode(&vault)?)
            .put(rows::key(&key_id), rows::encode(&key)?)
            .put(rows::key_version(&key_id, &version_id), rows::encode(&key_version)?)
            .put(rows::secret_name(&vault_id, &secret.name), rows::encode(&secret.id)?)
            .put(rows::secret_version(&secret.id, 1), rows::encode(&version)?);
        let batch = secret_rows::write(batch, None, &secret)?;
        Ok((secret, batch))
    }
}

fn sample_secret_at(
    founder: &Founder<'_>,
    compartment_id: &Ocid,
    vault_id: &Ocid,
    key_id: &Ocid,
) -> Secret {
    let place = SecretPlace {
        compartment_id: compartment_id.clone(),
        vault_id: vault_id.clone(),
        key_id: key_id.clone(),
    };
    let id = Ocid::regional(OcidKind::Secret, founder.new.region, founder.random);
    let description = Some("A secret to read first".to_owned());
    Secret { description, ..Secret::new(id, place, "sample", founder.new.now) }
}

fn sample_vault(secret: &Secret, tag: VaultTag, now: Timestamp) -> Vault {
    Vault {
        id: secret.vault_id.clone(),
        tag,
        compartment_id: secret.compartment_id.clone(),
        display_name: "dev".to_owned(),
        vault_type: VaultType::Default,
        state: VaultState::Active,
        time_created: now,
        time_of_deletion: None,
        restored_from: None,
        replica: None,
        source: None,
        tags: Tags::default(),
    }
}

fn sample_key(secret: &Secret, version_id: &Ocid) -> Key {
    Key {
        id: secret.key_id.clone(),
        compartment_id: secret.compartment_id.clone(),
        vault_id: secret.vault_id.clone(),
        display_name: "master".to_owned(),
        shape: KeyShape::Aes(AesLength::Aes256),
        protection_mode: ProtectionMode::Software,
        current_key_version: version_id.clone(),
        state: KeyState::Enabled,
        time_created: secret.time_created,
        time_of_deletion: None,
        state_before_deletion: None,
        auto_rotation: None,
        restored_from: None,
        tags: Tags::default(),
    }
}

#[cfg(test)]
impl Founded {
    /// Founds a tenancy with a sample, whose home region is `us-ashburn-1`.
    pub(crate) async fn in_test(store: &dyn Store, root_key: &RootKey) -> Self {
        use strongroom_keyring::SystemRandom;
        use strongroom_model::{Clock, SystemClock};
        let public = strongroom_signing::PrivateKey::generate().unwrap().public().unwrap();
        let new = NewTenancy {
            name: "test",
            region: Region::named("us-ashburn-1").unwrap(),
            fingerprint: &public.fingerprint(),
            public_key_pem: &public.to_pem(),
            now: SystemClock.now(),
            sample: Some(NewSample { content: b"c4n4ry", port: 1 }),
        };
        found_tenancy(store, root_key, &SystemRandom, &new).await.unwrap()
    }
}
