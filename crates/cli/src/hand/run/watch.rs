use std::time::Duration;

use strongroom_client::{
    Client, ClientError, FeedLoss, SecretBundle, SecretChanges, WATCH_TIME_MAX,
};
use strongroom_keyring::SystemRandom;
use strongroom_model::Random;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::super::output::{is_refusal, refused};
use super::super::values::{Plan, Source, read};
use crate::failure::warn;

/// How long a feed is left alone that could not tell what has changed.
const RESET_PAUSE: Duration = Duration::from_millis(500);

/// Watches secrets for new versions.
#[derive(Debug)]
pub(super) struct Watch {
    client: Client,
    sources: Vec<Source>,
    every: Duration,
    feed: Feed,
}

/// The feed of changes, as far as it is followed.
#[derive(Debug)]
enum Feed {
    /// There is none, or it does not tell enough.
    Absent,
    /// Nothing is known of what has changed before it is asked.
    Begins,
    /// It goes on from this cursor.
    GoesOn(String),
}

impl Feed {
    fn after(loss: FeedLoss, before: Self) -> Self {
        match loss {
            FeedLoss::Feed => Self::Absent,
            FeedLoss::Place => Self::Begins,
            FeedLoss::Nothing => before,
        }
    }
}

impl Watch {
    /// Begins to watch. Called before the first reading, so that no change falls between.
    pub(super) async fn begin(client: &Client, plan: &Plan, every: Duration) -> Self {
        let feed = match client.secret_changes(None, Duration::ZERO).await {
            Ok(told) => Feed::GoesOn(told.cursor),
            Err(error) => Feed::after(FeedLoss::of(&error), Feed::Begins),
        };
        let sources = plan.sources.clone();
        Self { client: client.clone(), sources, every, feed }
    }

    /// Goes on watching beside the caller, which receives what is read whenever a version is new.
    pub(super) async fn go_on(
        mut self,
        mut known: Vec<SecretBundle>,
    ) -> mpsc::Receiver<Vec<SecretBundle>> {
        if !matches!(self.feed, Feed::Absent) {
            self.feed = self.feed_of(&known).await;
        }
        let (sender, receiver) = mpsc::channel(1);
        drop(tokio::spawn(async move {
            while !sender.is_closed() {
                self.wait(&known).await;
                let now = self.look().await;
                if versions(&now) == versions(&known) {
                    continue;
                }
                known.clone_from(&now);
                if sender.send(now).await.is_err() {
                    return;
                }
            }
        }));
        receiver
    }

    /// Returns the feed as far as it can be relied on: it tells only of secrets whose description the
    /// caller may read, which reading a bundle does not need.
    async fn feed_of(&mut self, known: &[SecretBundle]) -> Feed {
        for bundle in known {
            match self.client.secret(&bundle.secret_id).await {
                Ok(_description) => {}
                Err(error) if is_refusal(&error) => return Feed::Absent,
                // Asked again when the feed begins anew.
                Err(_passing) => return Feed::Begins,
            }
        }
        std::mem::replace(&mut self.feed, Feed::Begins)
    }

    /// Returns when something may have changed.
    async fn wait(&mut self, known: &[SecretBundle]) {
        loop {
            let (told, has_begun) = match &self.feed {
                Feed::Absent => break,
                Feed::Begins => (self.client.secret_changes(None, Duration::ZERO).await, false),
                Feed::GoesOn(cursor) => {
                    (self.client.secret_changes(Some(cursor), WATCH_TIME_MAX).await, true)
                }
            };
            let before = std::mem::replace(&mut self.feed, Feed::Begins);
            match told {
                Ok(told) => {
                    let concerns = !has_begun || tells_of(&told, known);
                    if told.is_reset && has_begun {
                        // Another node may have answered, and may the next time.
                        sleep(RESET_PAUSE).await;
                    }
                    self.feed = Feed::GoesOn(told.cursor);
                    if told.is_reset || !has_begun {
                        // Rights may have changed.
                        self.feed = self.feed_of(known).await;
                    }
                    if !has_begun && matches!(self.feed, Feed::Begins) {
                        break;
                    }
                    if concerns {
                        return;
                    }
                }
                Err(error) => {
                    let loss = FeedLoss::of(&error);
                    self.feed = Feed::after(loss, before);
                    if loss == FeedLoss::Nothing || !has_begun {
                        break;
                    }
                }
            }
        }
        sleep(self.interval()).await;
    }

    /// Reads every secret. Warns once if one cannot be read, and tries again until it can.
    async fn look(&self) -> Vec<SecretBundle> {
        let mut is_warned = false;
        loop {
            let outcomes = read(&self.client, &self.sources).await;
            match outcomes.into_iter().collect::<Result<_, _>>() {
                Ok(bundles) => return bundles,
                Err(error) if !is_warned => warn_of(&error),
                Err(_) => {}
            }
            is_warned = true;
            sleep(self.interval()).await;
        }
    }

    /// Returns the interval, a tenth longer or shorter at random, so that many do not ask at once.
    fn interval(&self) -> Duration {
        let mut bytes = [0; 2];
        SystemRandom.fill(&mut bytes);
        jittered(self.every, u16::from_be_bytes(bytes))
    }
}

fn tells_of(told: &SecretChanges, known: &[SecretBundle]) -> bool {
    let is_held = |id: &String| known.iter().any(|bundle| bundle.secret_id == *id);
    told.is_reset || told.changes.iter().any(|one| is_held(&one.secret_id))
}

fn jittered(every: Duration, random: u16) -> Duration {
    every.mul_f64(0.9 + 0.2 * f64::from(random) / f64::from(u16::MAX))
}

fn versions(bundles: &[SecretBundle]) -> Vec<(&str, u64)> {
    bundles.iter().map(|bundle| (bundle.secret_id.as_str(), bundle.version_number)).collect()
}

fn warn_of(error: &ClientError) {
    let failure = refused(error, "look for new versions").to_string();
    warn("not-watched", "the command keeps the values that it has", &failure);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_differ_by_a_tenth() {
        let every = Duration::from_mins(1);
        assert_eq!(jittered(every, 0), Duration::from_secs(54));
        assert_eq!(jittered(every, u16::MAX).as_millis(), 66_000);
    }
}
