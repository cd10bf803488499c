//! Tells the vault which versions this machine holds, so that a rotation knows when it has moved on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use strongroom_client::{Client, ClientError};
use tokio::time::Instant;

use super::Agent;

/// How often is looked whether another version is held.
const PAUSE: Duration = Duration::from_secs(2);

/// How often the same is told again, and how long it counts.
const REPEAT: Duration = Duration::from_mins(1);
const LIVE: Duration = Duration::from_mins(3);

/// How long saying farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is told, and to whom.
#[derive(Debug)]
pub struct Reports {
    /// Name of this machine as a consumer.
    pub consumer: String,
    /// Whom to tell.
    pub client: Client,
    /// How long whoever has read a version may go on using it when another one is held.
    pub grace: Duration,
}

/// What was told of each secret, by OCID.
type Told = BTreeMap<String, Report>;

/// What was told of a secret.
#[derive(Debug)]
struct Report {
    version: u64,
    at: Instant,
    /// A newer version that is held, and since when.
    next: Option<(u64, Instant)>,
}

impl Report {
    fn new(version: u64, at: Instant) -> Self {
        Self { version, at, next: None }
    }

    /// Returns the version that is in use while this one is held: the one before it, for a while.
    fn version_in_use(&mut self, held: u64, grace: Duration, now: Instant) -> u64 {
        if held <= self.version {
            self.next = None;
            return held;
        }
        let since = match self.next {
            Some((next, since)) if next == held => since,
            _ => now,
        };
        self.next = Some((held, since));
        if now - since < grace { self.version } else { held }
    }
}

impl Reports {
    /// Tells for as long as the process lives, and takes everything back when `ending` comes.
    pub async fn keep(self, agent: Arc<Agent>, mut ending: tokio::sync::oneshot::Receiver<()>) {
        let mut told = Told::new();
        loop {
            let round = async {
                self.tell(&agent, &mut told).await;
                tokio::time::sleep(PAUSE).await;
            };
            tokio::select! {
                () = round => {}
                _ = &mut ending => break,
            }
        }
        let farewell = tokio::time::timeout(FAREWELL, self.take_back(&told)).await;
        if farewell.is_err() {
            tracing::warn!("the vault was not told that this consumer is gone");
        }
    }

    async fn tell(&self, agent: &Agent, told: &mut Told) {
        for (id, held) in held(agent).await {
            let now = Instant::now();
            let last = told.get_mut(&id);
            let version = last.map_or(held, |report| report.version_in_use(held, self.grace, now));
            let is_known = told
                .get(&id)
                .is_some_and(|report| report.version == version && now - report.at < REPEAT);
            if is_known {
                continue;
            }
            match self.client.report_secret_version(&id, &self.consumer, version, LIVE).await {
                Ok(_) => {
                    let report = told.entry(id).or_insert_with(|| Report::new(version, now));
                    (report.version, report.at) = (version, now);
                }
                Err(error) => note(&id, &error),
            }
        }
    }

    async fn take_back(&self, told: &Told) {
        for (id, report) in told {
            let gone = Duration::ZERO;
            if let Err(error) =
                self.client.report_secret_version(id, &self.consumer, report.version, gone).await
            {
                note(id, &error);
            }
        }
    }
}

/// Returns the oldest version of each secret that something here has, by OCID.
async fn held(agent: &Agent) -> BTreeMap<String, u64> {
    let mut keys = agent.in_force().rules.held.clone();
    keys.extend(agent.holdings.keys());
    let mut held = BTreeMap::new();
    for key in &keys {
        let Ok(found) = agent.cache().get(key).await else { continue };
        let (id, current) = (&found.bundle().secret_id, found.bundle().version_number);
        if let Some(version) = agent.holdings.version_in_use(key, (id, current)) {
            let oldest = held.entry(id.clone()).or_insert(version);
            *oldest = version.min(*oldest);
        }
    }
    held
}

fn note(secret_id: &str, error: &ClientError) {
    tracing::warn!(secret_id, %error, "the vault was not told which version is held");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_in_use_for_a_while_after_the_next_is_held() {
        let grace = Duration::from_secs(30);
        let began = Instant::now();
        let mut report = Report::new(3, began);
        let mut at =
            |secs, held| report.version_in_use(held, grace, began + Duration::from_secs(secs));
        for (secs, held, in_use) in
            [(0, 3, 3), (9, 4, 3), (38, 4, 3), (39, 4, 4), (39, 5, 3), (68, 5, 3), (69, 5, 5)]
        {
            assert_eq!(at(secs, held), in_use, "{held} held after {secs} s");
        }
        // What is taken back is in use at once, and what was waited for begins anew.
        assert_eq!((at(70, 3), at(90, 5), at(91, 2), at(119, 5), at(149, 5)), (3, 3, 2, 3, 5));
        assert_eq!(Report::new(1, began).version_in_use(2, Duration::ZERO, began), 2);
    }
}
