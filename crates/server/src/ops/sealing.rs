//! How content becomes a version of a secret.

use std::sync::Arc;

use strongroom_keyring::generate_content;
use strongroom_model::{KeyAlgorithm, Secret, SecretGeneration, SecretVersion, Sensitive};
use strongroom_store::{Batch, Order, prefix_range};
use strongroom_wire::{CONTENT_BYTES_MAX, Refusal};

use super::bundles::{binding, material, usable_version};
use super::changing::KeyPlace;
use super::crypto::unused;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::rows::{self, SecretVersionRow};
use crate::secret_rows;
use crate::shared::Shared;

/// Where a secret's content is sealed.
#[derive(Debug)]
pub(crate) struct SecretHome<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) catalog: &'a Catalog,
    pub(crate) key: KeyPlace,
}

/// A version that is to be made.
#[derive(Debug)]
pub(crate) struct NewContent<'a> {
    pub(crate) version: SecretVersion,
    pub(crate) plaintext: &'a Sensitive,
}

impl<'a> SecretHome<'a> {
    /// The home of `secret`, as of `catalog`.
    pub(crate) fn of(
        shared: &'a Shared,
        catalog: &'a Catalog,
        secret: &Secret,
    ) -> Result<Self, Failure> {
        Ok(Self { shared, catalog, key: KeyPlace::find(catalog, &secret.key_id)? })
    }

    /// Opens the content of a version, for a target system.
    pub(crate) async fn open(&self, secret: &Secret, number: u64) -> Result<Sensitive, Failure> {
        Ok(self.open_version(secret, number).await?.1)
    }

    /// Opens the content of a version, and says what is known of the version beside it.
    pub(crate) async fn open_version(
        &self,
        secret: &Secret,
        number: u64,
    ) -> Result<(SecretVersion, Sensitive), Failure> {
        let key = rows::secret_version(&secret.id, number);
        let found = self.shared.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
        let row = found.ok_or_else(|| Failure::not_found("the secret has no such version"))?;
        let row: SecretVersionRow = rows::decode(&key, &row.value)?;
        let key_version = usable_version(self.catalog, &self.key, &row.key_version_id)?;
        let binding = binding(&self.catalog.tenancy.id, secret, number);
        let opened = material(&key_version)?.open_secret(&binding, row.sealed()).await;
        let opened = opened.map_err(|error| unused(error, "keyId", "cannot decrypt"))?;
        Ok((row.secret_version, opened))
    }

    /// Seals content as a version of `secret` and puts its rows, if the secret's rules allow it.
    pub(crate) async fn add_version(
        &self,
        secret: &Secret,
        new: NewContent<'_>,
    ) -> Result<Batch, Failure> {
        let fingerprint = self.fingerprint(secret, &new)?;
        self.check_reuse(secret, &fingerprint).await?;
        self.put_version(Batch::new(), secret, new).await
    }

    /// By which equal contents of the secret are known.
    fn fingerprint(&self, secret: &Secret, new: &NewContent<'_>) -> Result<String, Failure> {
        let binding = binding(&self.catalog.tenancy.id, secret, new.version.number);
        let vault_key = self.key.vault.key.as_ref();
        let vault_key = vault_key.ok_or_else(|| Failure::internal("a vault without its key"))?;
        let fingerprint = vault_key.fingerprint(&binding, new.plaintext);
        let fingerprint = fingerprint.map_err(|error| Failure::internal(error.to_string()))?;
        Ok(hex(&fingerprint))
    }

    /// Seals content as a version of `secret` and puts its rows.
    pub(crate) async fn put_version(
        &self,
        mut batch: Batch,
        secret: &Secret,
        new: NewContent<'_>,
    ) -> Result<Batch, Failure> {
        let fingerprint = self.fingerprint(secret, &new)?;
        let NewContent { version, plaintext } = new;
        let key = &self.key.key.key;
        if key.shape.algorithm() != KeyAlgorithm::Aes {
            return Err(Refusal::invalid("keyId", "must name an AES key").into());
        }
        let key_version = usable_version(self.catalog, &self.key, &key.current_key_version)?;
        let binding = binding(&self.catalog.tenancy.id, secret, version.number);
        let random = &*self.shared.random;
        let sealed = material(&key_version)?.seal_secret(&binding, plaintext, random).await;
        let sealed = sealed.map_err(|error| unused(error, "keyId", "cannot encrypt"))?;
        if let Some(name) = &version.name {
            let guard = rows::version_name(&secret.id, name);
            batch = secret_rows::claim(batch, guard, rows::encode(&version.number)?);
        }
        let number = version.number;
        let row = SecretVersionRow {
            secret_version: version,
            key_version_id: key.current_key_version.clone(),
            data_key: sealed.data_key,
            content: sealed.content,
            fingerprint: Some(fingerprint.clone()),
        };
        Ok(batch
            .put(rows::secret_version(&secret.id, number), rows::encode(&row)?)
            .put(rows::fingerprint(&secret.id, &fingerprint, number), Vec::new()))
    }

    /// Refuses content that a version has, or had, if the secret's rules say so.
    async fn check_reuse(&self, secret: &Secret, fingerprint: &str) -> Result<(), Failure> {
        let Some(rule) = secret.rules.reuse else { return Ok(()) };
        let range = prefix_range(&rows::fingerprinted(&secret.id, fingerprint));
        let found = self.shared.store.scan(range, Order::Ascending, usize::MAX).await?;
        let mut numbers = found.iter().filter_map(|(key, _)| {
            let digits = key.rsplit(|byte| *byte == b'/').next()?;
            std::str::from_utf8(digits).ok()?.parse::<u64>().ok()
        });
        if !numbers.any(|number| rule.on_deleted_versions || secret.knows_version(number)) {
            return Ok(());
        }
        let rule = "was the content of another version of the secret, which its \
                    SECRET_REUSE_RULE does not allow";
        Err(Refusal::invalid("secretContent.content", rule).into())
    }
}

/// Makes content, off the threads that answer.
pub(crate) async fn generated(
    shared: &Shared,
    generation: &SecretGeneration,
) -> Result<Sensitive, Failure> {
    let (generation, random) = (generation.clone(), Arc::clone(&shared.random));
    let making = tokio::task::spawn_blocking(move || generate_content(&generation, &*random));
    let made = making.await.map_err(|_error| Failure::internal("generation ended early"))?;
    let made = made.map_err(|error| Failure::internal(error.to_string()))?;
    if made.expose().len() > CONTENT_BYTES_MAX {
        let rule = format!("makes content of more than {CONTENT_BYTES_MAX} bytes");
        return Err(Refusal::invalid("secretGenerationContext.secretTemplate", &rule).into());
    }
    Ok(made)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
