//! What the server vouches with: its certificate authority, and the keys that sign tokens. Each is
//! made when it is first needed, and renewed in time.

use std::sync::Arc;

use strongroom_keyring::AuthorityKey;
use strongroom_model::{Ocid, Random, Timestamp, Workload};
use strongroom_signing::{
    Certificate, Claims, NameField, NewCertificate, NewToken, PublicKey, ResourceClaims, Role,
};
use strongroom_store::{Batch, Require, StoreError, Versioned};

use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::roots::Roots;
use crate::rows::{self, AuthorityRow, TokenSignerRow};
use crate::schedule;
use crate::shared::Shared;

const DAY_SECS: i64 = 24 * 3600;

/// How long certificates are valid: the root's, those of authorities below it, and of workloads.
const ROOT_SECS: i64 = 20 * 365 * DAY_SECS;
const INTERMEDIATE_SECS: i64 = 2 * 365 * DAY_SECS;
const WORKLOAD_SECS: i64 = 30 * DAY_SECS;

/// How far the clock of who reads a certificate may be behind.
const BEHIND_SECS: i64 = 300;

/// How long a key signs tokens before another takes its place.
const SIGNER_SECS: i64 = 30 * DAY_SECS;

/// How long tokens of an earlier key hold: longer than any token.
const EARLIER_SECS: i64 = 2 * 3600;

/// How long a workload's token is valid. Source: tokens seen in public.
pub(crate) const TOKEN_SECS: i64 = 1200;

/// Source: tokens seen in public.
const ISSUER: &str = "authService.oracle.com";

/// The name of the authority that everything leads to.
pub(crate) const ROOT: &str = "root";

/// An authority that signs certificates.
#[derive(Debug)]
pub(crate) struct AuthorityEntry {
    pub(crate) certificate: Certificate,
    key: AuthorityKey,
}

/// A key that signs tokens.
#[derive(Debug)]
pub(crate) struct TokenSignerEntry {
    pub(crate) kid: String,
    pub(crate) time_created: Timestamp,
    pub(crate) public_key: PublicKey,
    key: AuthorityKey,
}

fn unopened(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} does not open"))
}

impl AuthorityEntry {
    pub(crate) fn read(
        roots: &Roots,
        (tenancy, name): (&Ocid, &str),
        row: &Versioned,
    ) -> Result<Self, StoreError> {
        let AuthorityRow { certificate, key } = rows::decode(&rows::authority(name), &row.value)?;
        let certificate = Certificate::from_text(&certificate);
        let key =
            roots.open(|root| AuthorityKey::open(root, (tenancy, &sealed_as("ca", name)), &key));
        match (certificate, key) {
            (Ok(certificate), Ok(key)) => Ok(Self { certificate, key }),
            _ => Err(unopened("a certificate authority")),
        }
    }

    /// Whether less than half of its time is left.
    fn is_waning(&self, now: Timestamp) -> bool {
        let left = self.certificate.not_after().map_or(0, |end| end.as_second() - now.as_second());
        left < INTERMEDIATE_SECS / 2
    }
}

impl TokenSignerEntry {
    pub(crate) fn read(
        roots: &Roots,
        (tenancy, kid): (&Ocid, &str),
        row: &Versioned,
    ) -> Result<Self, StoreError> {
        let read: TokenSignerRow = rows::decode(&rows::token_signer(kid), &row.value)?;
        let opened = roots
            .open(|root| AuthorityKey::open(root, (tenancy, &sealed_as("ts", kid)), &read.key));
        let key = opened.map_err(|_error| unopened("a key that signs tokens"))?;
        let public_key = public(&key).map_err(|_failure| unopened("a key that signs tokens"))?;
        Ok(Self { kid: kid.to_owned(), time_created: read.time_created, public_key, key })
    }

    fn age_secs(&self, now: Timestamp) -> i64 {
        now.as_second().saturating_sub(self.time_created.as_second())
    }

    /// Signs a token.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, Failure> {
        let refused = |why: String| Failure::internal(format!("a token was not signed: {why}"));
        let new = NewToken::new(&self.kid, claims).map_err(|error| refused(error.to_string()))?;
        let signature = self.key.sign(new.message()).map_err(|error| refused(error.to_string()))?;
        Ok(new.signed(&signature))
    }
}

/// Seals the key of an authority, or one that signs tokens, under the current root key; `None` if it
/// is already.
pub(crate) fn sealed_anew(
    catalog: &Catalog,
    key: &[u8],
    value: &[u8],
    random: &dyn Random,
) -> Result<Option<Vec<u8>>, StoreError> {
    let unsealed = |_error| StoreError::Corrupt("a signer's key was not sealed".to_owned());
    let name = std::str::from_utf8(key).map_err(|_error| unopened("a signer"))?;
    let place = (&catalog.tenancy.id, name);
    let current = &*catalog.roots.current;
    let is_new = |sealed| AuthorityKey::open(current, place, sealed).is_ok();
    let anew = |sealed| {
        let opened = catalog.roots.open(|root| AuthorityKey::open(root, place, sealed));
        opened
            .map_err(|_error| unopened("a signer"))?
            .seal(current, place, random)
            .map_err(unsealed)
    };
    if name.starts_with("ca/") {
        let row: AuthorityRow = rows::decode(key, value)?;
        let replaced = |sealed| rows::encode(&AuthorityRow { key: sealed, ..row.clone() });
        return if is_new(&row.key) { Ok(None) } else { replaced(anew(&row.key)?).map(Some) };
    }
    let row: TokenSignerRow = rows::decode(key, value)?;
    let replaced = |sealed| rows::encode(&TokenSignerRow { key: sealed, ..row.clone() });
    if is_new(&row.key) { Ok(None) } else { replaced(anew(&row.key)?).map(Some) }
}

/// A row of one kind never opens as one of another.
fn sealed_as(kind: &str, name: &str) -> String {
    format!("{kind}/{name}")
}

fn public(key: &AuthorityKey) -> Result<PublicKey, Failure> {
    PublicKey::from_der(key.public().as_der())
        .map_err(|error| Failure::internal(format!("a signer's key: {error}")))
}

async fn new_key() -> Result<AuthorityKey, Failure> {
    let made = tokio::task::spawn_blocking(AuthorityKey::generate).await;
    let made = made.map_err(|_error| Failure::internal("a key was not made"))?;
    made.map_err(|error| Failure::internal(format!("a key was not made: {error}")))
}

fn serial(random: &dyn Random) -> [u8; 16] {
    let mut serial = [0_u8; 16];
    random.fill(&mut serial);
    serial
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn after(now: Timestamp, secs: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_second(now.as_second().saturating_add(secs))
        .map_err(|_error| Failure::internal("a time out of range"))
}

/// The chain that a workload's certificate goes with.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) intermediate: Certificate,
    pub(crate) root: Certificate,
    pub(crate) not_after: Timestamp,
}

/// Certifies that `public_key` is a workload's.
pub(crate) async fn certify(
    shared: &Shared,
    workload: &Workload,
    public_key: &PublicKey,
    now: Timestamp,
) -> Result<Issued, Failure> {
    let (root, intermediate) = authorities(shared, now).await?;
    let tenancy = &shared.catalog().await?.tenancy;
    let unit = |text: String| (NameField::OrganizationalUnit, text);
    let subject = [
        (NameField::CommonName, workload.id.to_string()),
        unit(format!("opc-certtype:{}", workload.resource_type)),
        unit(format!("opc-compartment:{}", workload.compartment_id)),
        unit(format!("opc-instance:{}", workload.id)),
        unit(format!("opc-tenant:{}", tenancy.id)),
    ];
    let not_after = after(now, WORKLOAD_SECS)?;
    let new = NewCertificate {
        subject: &subject,
        issuer: Some(&intermediate.certificate),
        serial: serial(&*shared.random),
        not_before: after(now, -BEHIND_SECS)?,
        not_after,
        public_key,
        role: Role::Client,
    };
    let certificate = signed(&new, &intermediate.key)?;
    let (intermediate, root) = (intermediate.certificate.clone(), root.certificate.clone());
    Ok(Issued { certificate, intermediate, root, not_after })
}

fn signed(new: &NewCertificate<'_>, key: &AuthorityKey) -> Result<Certificate, Failure> {
    new.sign(|message| key.sign(message).ok())
        .map_err(|error| Failure::internal(format!("a certificate was not made: {error}")))
}

/// The root, and the authority below it that signs at the moment.
fn current(catalog: &Catalog) -> Option<(Arc<AuthorityEntry>, Arc<AuthorityEntry>)> {
    let root = catalog.authorities.get(ROOT)?;
    let below = catalog.authorities.iter().filter(|(name, _)| *name != ROOT);
    let (_, newest) = below.max_by_key(|(_, entry)| entry.certificate.not_after())?;
    Some((Arc::clone(root), Arc::clone(newest)))
}

async fn authorities(
    shared: &Shared,
    now: Timestamp,
) -> Result<(Arc<AuthorityEntry>, Arc<AuthorityEntry>), Failure> {
    let usable = |catalog: &Catalog| current(catalog).filter(|(_, below)| !below.is_waning(now));
    if let Some(found) = usable(&*shared.catalog().await?) {
        return Ok(found);
    }
    let _alone = shared.signers.lock().await;
    let catalog = shared.catalog().await?;
    if let Some(found) = usable(&catalog) {
        return Ok(found);
    }
    let batch = new_authorities(shared, &catalog, now).await?;
    let record = schedule::record(shared, "CreateAuthority", &catalog.tenancy.id);
    match shared.commit(batch, &record).await {
        // Another node was faster.
        Ok(_) | Err(StoreError::Conflict { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let absent = || Failure::internal("there is no certificate authority");
    current(&*shared.catalog().await?).ok_or_else(absent)
}

/// Makes an authority below the root, and the root too if there is none.
async fn new_authorities(
    shared: &Shared,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Batch, Failure> {
    let mut batch = catalog.roots.require_current(Batch::new());
    let made;
    let root = if let Some(root) = catalog.authorities.get(ROOT) {
        root
    } else {
        let (entry, grown) = new_authority(shared, (catalog, None), now, batch).await?;
        (made, batch) = (Arc::new(entry), grown);
        &made
    };
    let (_, batch) = new_authority(shared, (catalog, Some(root)), now, batch).await?;
    Ok(batch)
}

async fn new_authority(
    shared: &Shared,
    (catalog, issuer): (&Catalog, Option<&Arc<AuthorityEntry>>),
    now: Timestamp,
    batch: Batch,
) -> Result<(AuthorityEntry, Batch), Failure> {
    let tenancy = &catalog.tenancy.id;
    let (key, serial) = (new_key().await?, serial(&*shared.random));
    let (name, common, secs, below) = match issuer {
        None => (ROOT.to_owned(), "Strongroom root authority", ROOT_SECS, 1),
        Some(_) => (hex(&serial), "Strongroom authority", INTERMEDIATE_SECS, 0),
    };
    let subject = [
        (NameField::CommonName, format!("{common} {}", hex(serial.get(..4).unwrap_or_default()))),
        (NameField::OrganizationalUnit, format!("opc-tenant:{tenancy}")),
    ];
    let new = NewCertificate {
        subject: &subject,
        issuer: issuer.map(|issuer| &issuer.certificate),
        serial,
        not_before: after(now, -BEHIND_SECS)?,
        not_after: after(now, secs)?,
        public_key: &public(&key)?,
        role: Role::Authority(below),
    };
    let certificate = signed(&new, issuer.map_or(&key, |issuer| &issuer.key))?;
    let sealed = seal(catalog, &key, &sealed_as("ca", &name), &*shared.random)?;
    let row = AuthorityRow { certificate: certificate.to_pem(), key: sealed };
    let place = rows::authority(&name);
    let batch = batch.require(place.clone(), Require::Absent).put(place, rows::encode(&row)?);
    Ok((AuthorityEntry { certificate, key }, batch))
}

fn seal(
    catalog: &Catalog,
    key: &AuthorityKey,
    name: &str,
    random: &dyn Random,
) -> Result<strongroom_keyring::Sealed, Failure> {
    key.seal(&catalog.roots.current, (&catalog.tenancy.id, name), random)
        .map_err(|error| Failure::internal(error.to_string()))
}

/// Returns the newest key that signs tokens.
pub(crate) fn newest_signer(catalog: &Catalog) -> Option<&Arc<TokenSignerEntry>> {
    catalog.token_signers.values().max_by_key(|entry| (entry.time_created, &entry.kid))
}

/// Returns the key that signs tokens now.
pub(crate) async fn token_signer(
    shared: &Shared,
    now: Timestamp,
) -> Result<Arc<TokenSignerEntry>, Failure> {
    let usable = |catalog: &Catalog| {
        newest_signer(catalog).filter(|entry| entry.age_secs(now) < SIGNER_SECS).map(Arc::clone)
    };
    if let Some(found) = usable(&*shared.catalog().await?) {
        return Ok(found);
    }
    let _alone = shared.signers.lock().await;
    let catalog = shared.catalog().await?;
    if let Some(found) = usable(&catalog) {
        return Ok(found);
    }
    let batch = new_signer(shared, &catalog, now, false).await?;
    let record = schedule::record(shared, "RotateTokenSigner", &catalog.tenancy.id);
    shared.commit(batch, &record).await?;
    let absent = || Failure::internal("there is no key that signs tokens");
    newest_signer(&*shared.catalog().await?).map(Arc::clone).ok_or_else(absent)
}

/// Makes a key that signs tokens from now on. Earlier ones go: those whose tokens have all expired,
/// or all of them at once, and their tokens with them.
pub(crate) async fn new_signer(
    shared: &Shared,
    catalog: &Catalog,
    now: Timestamp,
    is_revoking: bool,
) -> Result<Batch, Failure> {
    let (key, kid) = (new_key().await?, format!("asw_{}", hex(&serial(&*shared.random))));
    let sealed = seal(catalog, &key, &sealed_as("ts", &kid), &*shared.random)?;
    let row = TokenSignerRow { time_created: now, key: sealed };
    let place = rows::token_signer(&kid);
    let batch = catalog.roots.require_current(Batch::new());
    let batch = batch.require(place.clone(), Require::Absent).put(place, rows::encode(&row)?);
    let is_over = |entry: &TokenSignerEntry| {
        let later = |other: &&Arc<TokenSignerEntry>| other.time_created > entry.time_created;
        let successor =
            catalog.token_signers.values().filter(later).map(|other| other.age_secs(now));
        is_revoking || successor.max().is_some_and(|secs| secs > EARLIER_SECS)
    };
    let over = catalog.token_signers.values().filter(|entry| is_over(entry));
    Ok(over.fold(batch, |batch, entry| batch.delete(rows::token_signer(&entry.kid))))
}

/// What a token says of a workload.
pub(crate) fn workload_claims(
    shared: &Shared,
    tenancy: &Ocid,
    workload: &Workload,
    session: &PublicKey,
    now: Timestamp,
) -> Result<Claims, Failure> {
    let (id, compartment) = (workload.id.to_string(), workload.compartment_id.to_string());
    let of_resource = ResourceClaims {
        cert_type: workload.resource_type.clone(),
        compartment: compartment.clone(),
        instance: id.clone(),
        tenant: tenancy.to_string(),
        res_tenant: tenancy.to_string(),
        res_compartment: compartment,
        res_type: workload.resource_type.clone(),
        res_id: id.clone(),
    };
    let ptype = if workload.resource_type == Workload::INSTANCE { "instance" } else { "resource" };
    let kinds = (ptype, "x509");
    let claims = claims(shared, (tenancy, &id), kinds, session, (now, TOKEN_SECS))?;
    Ok(Claims { of_resource: Some(of_resource), ..claims })
}

/// Names a token.
pub(crate) fn token_name(shared: &Shared) -> String {
    hex(&serial(&*shared.random))
}

/// What a token says of any principal.
pub(crate) fn claims(
    shared: &Shared,
    (tenancy, id): (&Ocid, &str),
    (ptype, ttype): (&str, &str),
    session: &PublicKey,
    (now, secs): (Timestamp, i64),
) -> Result<Claims, Failure> {
    let jwk = session.to_jwk(&session.fingerprint());
    let jwk = jwk.map_err(|error| Failure::internal(format!("a session's key: {error}")))?;
    let iat = now.as_second();
    Ok(Claims {
        sub: id.to_owned(),
        iss: ISSUER.to_owned(),
        aud: "oci".to_owned(),
        ptype: ptype.to_owned(),
        ttype: ttype.to_owned(),
        tenant: tenancy.to_string(),
        jti: token_name(shared),
        iat,
        exp: iat.saturating_add(secs),
        jwk,
        sess_exp: None,
        of_resource: None,
    })
}
