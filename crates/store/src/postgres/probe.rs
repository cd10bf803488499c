//! Freshness: a caller waits for the first probe that began after it came, with all who came by then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::hosts::{Failed, Life, Link, Slot, failed};
use super::walk::learn;
use crate::changes::Changes;
use crate::types::{Change, Revision, StoreError, Versioned};
use crate::warrant::Warrant;

/// Whoever is not answered by then is refused: better no answer than an old one.
const PROBE_TIME: Duration = Duration::from_secs(2);

pub(super) type Asking = oneshot::Sender<Result<(), StoreError>>;

/// Asks the database what became visible since it was asked last.
pub(super) struct Probe {
    pub(super) slot: Slot,
    pub(super) queue: mpsc::UnboundedReceiver<Asking>,
    pub(super) changes: Arc<Changes>,
    pub(super) warrant: Arc<Warrant>,
    /// What was visible at the last probe, and in which life of the server that was.
    pub(super) last: Option<(Life, String)>,
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
            let asked = self.slot.answer(&link, left, self.ask(&link)).await;
            let taken = match asked {
                Ok(Ok(told)) => self.take(&link, told).await,
                Ok(Err(failed)) => Err(failed),
                Err(why) => Err(Failed::Passing(why)),
            };
            let Err(failed) = taken else { return Ok(()) };
            // Whatever failed, it may have left a transaction that takes no more statements.
            self.slot.give_up(&link).await;
            match failed {
                Failed::Passing(_) if Instant::now() < until => {}
                failed => return Err(failed.told()),
            }
        }
    }

    async fn ask(&self, link: &Link) -> Result<Told, Failed> {
        let last = self.last.as_ref().filter(|(life, _)| *life == link.life);
        let snapshot = last.map(|(_, snapshot)| snapshot.as_str());
        let rows = link.client.query(&link.statements.probe, &[&snapshot]).await.map_err(failed)?;
        let mut changes = Vec::new();
        let mut now = None;
        let mut is_late = snapshot.is_none();
        for row in rows {
            now = Some(row.try_get::<_, String>(0).map_err(failed)?);
            is_late |= row.try_get::<_, Option<bool>>(1).map_err(failed)?.unwrap_or(false);
            let Some(key) = row.try_get::<_, Option<Vec<u8>>>(2).map_err(failed)? else { continue };
            let value: Option<Vec<u8>> = row.try_get(3).map_err(failed)?;
            let number: i64 = row.try_get(4).map_err(failed)?;
            let mac: Vec<u8> = row.try_get(5).map_err(failed)?;
            let revision = Revision(u64::try_from(number).unwrap_or_default());
            let checked = self.warrant.check_value(&key, value.as_deref(), (revision, &mac));
            checked.map_err(Failed::Lasting)?;
            let value = value.map(|value| Versioned { value, revision });
            changes.push((Change { key, value }, revision));
        }
        let now = now.ok_or_else(|| Failed::Passing("the probe answered nothing".to_owned()))?;
        Ok(Told { now, is_late, changes })
    }

    /// Publishes what was told. What was written before what is known of a row is no news: it was
    /// told late, or again by somebody else.
    async fn take(&mut self, link: &Link, told: Told) -> Result<(), Failed> {
        if told.is_late {
            learn(link, &self.changes, &self.warrant).await?;
            self.changes.reset();
        } else {
            let is_news = |(change, revision): &(Change, Revision)| {
                self.warrant.revision(&change.key) < *revision
            };
            let news: Vec<_> = told.changes.into_iter().filter(is_news).collect();
            for (change, revision) in &news {
                self.warrant.note_at(&change.key, *revision, change.value.is_some());
            }
            let news = news.into_iter().map(|(change, _)| change).collect();
            self.changes.publish(news);
        }
        self.last = Some((link.life.clone(), told.now));
        Ok(())
    }
}

/// What the database tells of what became visible.
struct Told {
    now: String,
    /// Whether it cannot tell everything.
    is_late: bool,
    changes: Vec<(Change, Revision)>,
}
