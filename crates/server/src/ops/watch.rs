use std::collections::BTreeSet;
use std::time::Duration;

use strongroom_model::Ocid;
use strongroom_wire::Etag;
use strongroom_wire::bodies::{SecretChangeBody, SecretChangesBody};
use tokio::time::{Instant, timeout};

use super::Context;
use crate::ask::WatchAsk;
use crate::authz::may_read_secret;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::feed::Since;
use crate::reply::Reply;
use crate::secret_deletion::find;

/// How long a commit of another process can stay unseen here.
const LOOK: Duration = Duration::from_secs(1);

/// `WatchSecrets`: answers when a secret changed that the caller may read the description of, or
/// when the time is over.
pub(crate) async fn watch(context: &Context<'_>, ask: &WatchAsk) -> Result<Reply, Failure> {
    let shared = context.shared;
    let mut pulse = shared.feed().subscribe();
    let until = Instant::now() + ask.wait;
    let mut after = ask.after.clone();
    loop {
        let is_last = pulse.borrow_and_update().is_last;
        let view = shared.view().await?;
        let Since { cursor, changed } = shared.feed().since(after.as_deref().unwrap_or_default());
        let is_reset = ask.after.is_some() && changed.is_none();
        let changes = shown(context, &view.catalog, changed.unwrap_or_default()).await?;
        let rest = until.saturating_duration_since(Instant::now());
        let is_over = rest.is_zero() || is_last || ask.after.is_none();
        if is_reset || is_over || !changes.is_empty() {
            return Reply::of(&SecretChangesBody { cursor, is_reset, changes });
        }
        after = Some(cursor);
        // Both ends of the wait lead back to the same look.
        drop(timeout(rest.min(LOOK), pulse.changed()).await);
    }
}

/// Those of the secrets that the caller may read the description of, as they are now.
async fn shown(
    context: &Context<'_>,
    catalog: &Catalog,
    ids: BTreeSet<Ocid>,
) -> Result<Vec<SecretChangeBody>, Failure> {
    let mut changes = Vec::new();
    for id in ids {
        let Some((secret, revision)) = find(context.shared, &id).await? else { continue };
        let Some(entry) = catalog.vaults.get(&secret.vault_id) else { continue };
        if may_read_secret(&context.wish(), &secret, catalog, context.shared) {
            let etag = Etag::of_revision(revision.0).to_string();
            changes.push(SecretChangeBody::new(&secret, &entry.vault, etag));
        }
    }
    Ok(changes)
}
