//! Freshness: a caller waits for the first probe that began after it came, with all who came by then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::hosts::{Failed, Link, Slot, failed};
use crate::changes::Changes;
use crate::types::{Change, Revision, StoreError, Versioned};

/// Whoever is not answered by then is refused: better no answer than an old one.
const PROBE_TIME: Duration = Duration::from_secs(2);

pub(super) type Asking = oneshot::Sender<Result<(), StoreError>>;

/// Asks the database what became visible since it was asked last.
pub(super) struct Probe {
    pub(super) slot: Slot,
    pub(super) queue: mpsc::UnboundedReceiver<Asking>,
    pub(super) changes: Arc<Changes>,
    /// What was visible at the last probe, and on which timeline that was.
    pub(super) last: Option<(u32, String)>,
}

impl Probe {
    /// Serves callers until the store is closed.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let mut asking = vec![first];
            while let Ok(next) = self.queue.try_recv() {
                asking.push(next);
            }
            let probed = self.probe().await;
            for one in asking {
                // A caller that went away has no use for the answer.
                drop(one.send(probed.clone()));
            }
        }
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        let until = Instant::now() + PROBE_TIME;
        loop {
            let link = self.slot.link(until).await?;
            let left = until.saturating_duration_since(Instant::now());
            let asked = ask(&link, self.last.as_ref());
            let why = match self.slot.answer(&link, left, asked).await {
                Ok(Ok(told)) => {
                    self.take(&link, told);
                    return Ok(());
                }
                Ok(Err(Failed::Lasting(error))) => return Err(error),
                Ok(Err(Failed::Passing(why))) | Err(why) => why,
            };
            self.slot.give_up(&link).await;
            if Instant::now() >= until {
                return Err(StoreError::Io(why));
            }
        }
    }

    fn take(&mut self, link: &Link, Told { visible, is_late, changes }: Told) {
        self.last = Some((link.timeline, visible));
        if is_late {
            self.changes.reset();
        } else {
            self.changes.publish(changes);
        }
    }
}

/// What a probe told.
struct Told {
    visible: String,
    /// Whether more happened than is remembered.
    is_late: bool,
    changes: Vec<Change>,
}

async fn ask(link: &Link, last: Option<&(u32, String)>) -> Result<Told, Failed> {
    let last = last.filter(|(timeline, _)| *timeline == link.timeline);
    let snapshot = last.map(|(_, snapshot)| snapshot.as_str());
    let rows = link.client.query(&link.statements.probe, &[&snapshot]).await.map_err(failed)?;
    let mut changes = Vec::new();
    let mut visible = None;
    let mut is_late = snapshot.is_none();
    for row in rows {
        visible = Some(row.try_get::<_, String>(0).map_err(failed)?);
        is_late |= row.try_get::<_, Option<bool>>(1).map_err(failed)?.unwrap_or(false);
        let Some(key) = row.try_get::<_, Option<Vec<u8>>>(2).map_err(failed)? else { continue };
        let value: Option<Vec<u8>> = row.try_get(3).map_err(failed)?;
        let number: i64 = row.try_get(4).map_err(failed)?;
        let revision = Revision(u64::try_from(number).unwrap_or_default());
        changes.push(Change { key, value: value.map(|value| Versioned { value, revision }) });
    }
    let visible =
        visible.ok_or_else(|| Failed::Passing("the probe answered nothing".to_owned()))?;
    Ok(Told { visible, is_late, changes })
}
