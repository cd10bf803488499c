use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_keyring::Sealed;
use strongroom_store::{Batch, Require};
use strongroom_wire::bodies::{ReadOnlyBody, RootKeyBody};
use strongroom_wire::{ErrorCode, Refusal, RootKeyDetails};

use super::Context;
use crate::ask::UpkeepAsk;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows::{self, NextRootKeyRow};

/// Runs the operation that `ask` names.
pub(super) async fn run(context: &Context<'_>, ask: UpkeepAsk) -> Result<Reply, Failure> {
    match ask {
        UpkeepAsk::UpdateReadOnly { is_read_only } => update_read_only(context, is_read_only).await,
        UpkeepAsk::RotateRootKey(details) => rotate_root_key(context, &details).await,
    }
}

/// `UpdateReadOnly`: answers when every change that was under way here is settled.
async fn update_read_only(context: &Context<'_>, is_read_only: bool) -> Result<Reply, Failure> {
    let body = ReadOnlyBody { is_read_only };
    if context.catalog.is_read_only == is_read_only {
        return Reply::of(&body);
    }
    let key = rows::read_only();
    let batch = if is_read_only {
        Batch::new().put(key, rows::encode(&context.record.time)?)
    } else {
        Batch::new().delete(key)
    };
    context.shared.commit_past_gate(batch, context.record).await?;
    context.shared.changes_settled().await;
    Ok(Reply::of(&body)?.recorded())
}

/// `RotateRootKey`: everything is sealed anew under the key that is given, beside the requests.
/// Asked again, it tells whether that is done.
async fn rotate_root_key(
    context: &Context<'_>,
    details: &RootKeyDetails,
) -> Result<Reply, Failure> {
    let (shared, roots) = (context.shared, &context.catalog.roots);
    if shared.root_file.is_none() {
        let message = "This server keeps its root key in the clear; there is nothing to rotate.";
        return Err(Refusal::new(ErrorCode::Conflict, message).into());
    }
    if let Some(rotation) = &roots.rotation {
        if *rotation.root_file == *details.root_file {
            return Reply::of(&RootKeyBody { is_done: false });
        }
        let message = "Another rotation of the root key is under way. Try again.";
        return Err(Refusal::new(ErrorCode::Conflict, message).into());
    }
    let (next, previous) = (sealed(&details.next), sealed(&details.previous));
    let is_done = roots.current.open_root(&previous).is_ok();
    if is_done {
        return Reply::of(&RootKeyBody { is_done });
    }
    let opened = roots.current.open_root(&next);
    let is_pair = opened.is_ok_and(|next| next.open_root(&previous).is_ok());
    if !is_pair {
        return Err(Refusal::invalid("next", "is not sealed under the root key in force").into());
    }
    let root_file = STANDARD.encode(&details.root_file);
    let key = rows::next_root_key();
    let row = rows::encode(&NextRootKeyRow { root_file, next, previous })?;
    let batch = Batch::new().require(key.clone(), Require::Absent).put(key, row);
    shared.commit(batch, context.record).await?;
    shared.resealing.notify_one();
    Ok(Reply::of(&RootKeyBody { is_done })?.recorded())
}

fn sealed(bytes: &[u8]) -> Sealed {
    Sealed::from_bytes(bytes.to_vec())
}
