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
}

/// What was told of a secret, and when.
type Told = BTreeMap<String, (u64, Instant)>;

impl Reports {
    /// Tells for as long as the process lives, and takes everything back when `ending` comes.
    pub async fn keep(self, agent: Arc<Agent>, mut ending: tokio::sync::oneshot::Receiver<()>) {
        let mut told = Told::new();
        loop {
            self.tell(&agent, &mut told).await;
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = &mut ending => break,
            }
        }
        let farewell = tokio::time::timeout(FAREWELL, self.take_back(&told)).await;
        if farewell.is_err() {
            tracing::warn!("the vault was not told that this consumer is gone");
        }
    }

    async fn tell(&self, agent: &Agent, told: &mut Told) {
        for (id, version) in held(agent).await {
            let is_known =
                told.get(&id).is_some_and(|(last, at)| *last == version && at.elapsed() < REPEAT);
            if is_known {
                continue;
            }
            match self.client.report_secret_version(&id, &self.consumer, version, LIVE).await {
                Ok(_) => {
                    told.insert(id, (version, Instant::now()));
                }
                Err(error) => note(&id, &error),
            }
        }
    }

    async fn take_back(&self, told: &Told) {
        for (id, (version, _)) in told {
            let gone = Duration::ZERO;
            if let Err(error) =
                self.client.report_secret_version(id, &self.consumer, *version, gone).await
            {
                note(id, &error);
            }
        }
    }
}

/// Returns the oldest version of each secret that something here has, by OCID.
async fn held(agent: &Agent) -> BTreeMap<String, u64> {
    let mut keys = agent.rules().held.clone();
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
