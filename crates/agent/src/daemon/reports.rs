//! Tells the vault which versions this machine holds, so that a rotation knows when it has moved on.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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

/// What counts as told of each secret, by OCID; nothing if the vault knows of nothing either.
type Told = BTreeMap<String, Option<Report>>;

/// What was told of a secret.
#[derive(Debug)]
struct Report {
    version: u64,
    /// When; absent if an agent before this one told it.
    at: Option<Instant>,
    /// A newer version that is held, and since when.
    next: Option<(u64, Instant)>,
}

impl Report {
    fn new(version: u64, at: Option<Instant>) -> Self {
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

    /// Whether it counts as told still when this version is to be told.
    fn is_fresh(&self, version: u64, now: Instant) -> bool {
        self.version == version && self.at.is_some_and(|at| now - at < REPEAT)
    }
}

/// What this machine has of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    /// The oldest version that something here is known to have.
    oldest: Option<u64>,
    /// Whether it is known of everything here what it has.
    is_whole: bool,
    /// The newest version that was read.
    newest: u64,
}

impl Held {
    fn new(in_use: Option<u64>, read: u64) -> Self {
        Self { oldest: in_use, is_whole: in_use.is_some(), newest: read }
    }

    fn and(self, other: Self) -> Self {
        Self {
            oldest: self.oldest.into_iter().chain(other.oldest).min(),
            is_whole: self.is_whole && other.is_whole,
            newest: self.newest.max(other.newest),
        }
    }

    /// Returns the version to tell. While it is not known of everything what it has, what was told
    /// before is.
    fn to_tell(self, last: Option<&mut Report>, grace: Duration, now: Instant) -> Option<u64> {
        match (last, self.oldest) {
            (Some(report), Some(held)) if self.is_whole => {
                Some(report.version_in_use(held, grace, now))
            }
            (Some(report), _) => Some(report.version),
            (None, oldest) => oldest,
        }
    }
}

impl Reports {
    /// Tells for as long as the process lives, and takes back what it may when `ending` comes.
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
        let farewell = tokio::time::timeout(FAREWELL, self.take_back(&agent, &told)).await;
        if farewell.is_err() {
            tracing::warn!("the vault was not told that this consumer is gone");
        }
    }

    async fn tell(&self, agent: &Agent, told: &mut Told) {
        for (id, held) in held(agent).await {
            if let Err(error) = self.tell_of(&id, held, told).await {
                note(&id, &error);
            }
        }
    }

    async fn tell_of(&self, id: &str, held: Held, told: &mut Told) -> Result<(), ClientError> {
        let last = match told.entry(id.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            // What an agent before this one told goes on: whoever has that version has it still.
            Entry::Vacant(unknown) => {
                let before = self.told_before(id).await?;
                unknown.insert(before.map(|version| Report::new(version, None)))
            }
        };
        let now = Instant::now();
        let Some(version) = held.to_tell(last.as_mut(), self.grace, now) else { return Ok(()) };
        if last.as_ref().is_some_and(|report| report.is_fresh(version, now)) {
            return Ok(());
        }
        self.client.report_secret_version(id, &self.consumer, version, LIVE).await?;
        let report = last.get_or_insert_with(|| Report::new(version, None));
        (report.version, report.at) = (version, Some(now));
        Ok(())
    }

    /// Asks the vault which version this consumer holds by what it was told before. Another principal's
    /// of the same name counts too, for which one is the caller's own is not known here.
    async fn told_before(&self, id: &str) -> Result<Option<u64>, ClientError> {
        let consumers = match self.client.secret_consumers(id).await {
            // Who may not look at reports may be allowed to make them.
            Err(ClientError::Service(refusal)) if matches!(refusal.status, 403 | 404) => Vec::new(),
            consumers => consumers?,
        };
        let own =
            consumers.iter().filter(|known| known.is_live && known.consumer_name == self.consumer);
        Ok(own.map(|known| known.version_number).min())
    }

    /// Takes back what was told, but for versions older than what is held: whoever has one of these has
    /// it still when this process is gone, and [`LIVE`] is the time in which to begin anew.
    async fn take_back(&self, agent: &Agent, told: &Told) {
        let held = held(agent).await;
        for (id, report) in told {
            let Some(report) = report.as_ref().filter(|report| is_gone(report, held.get(id)))
            else {
                continue;
            };
            let gone = Duration::ZERO;
            if let Err(error) =
                self.client.report_secret_version(id, &self.consumer, report.version, gone).await
            {
                note(id, &error);
            }
        }
    }
}

/// Whether nobody has the version any more that was told when this process is gone.
fn is_gone(report: &Report, held: Option<&Held>) -> bool {
    held.is_none_or(|held| report.version >= held.newest)
}

/// Returns what this machine has of each secret, by OCID.
async fn held(agent: &Agent) -> BTreeMap<String, Held> {
    let mut keys = agent.in_force().rules.held.clone();
    keys.extend(agent.holdings.keys());
    let mut held = BTreeMap::new();
    for key in &keys {
        let Ok(found) = agent.cache().get(key).await else { continue };
        let (id, current) = (&found.bundle().secret_id, found.bundle().version_number);
        let of_key = Held::new(agent.holdings.version_in_use(key, (id, current)), current);
        held.entry(id.clone())
            .and_modify(|held: &mut Held| *held = held.and(of_key))
            .or_insert(of_key);
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
        let mut report = Report::new(3, Some(began));
        let mut at =
            |secs, held| report.version_in_use(held, grace, began + Duration::from_secs(secs));
        for (secs, held, in_use) in
            [(0, 3, 3), (9, 4, 3), (38, 4, 3), (39, 4, 4), (39, 5, 3), (68, 5, 3), (69, 5, 5)]
        {
            assert_eq!(at(secs, held), in_use, "{held} held after {secs} s");
        }
        // What is taken back is in use at once, and what was waited for begins anew.
        assert_eq!((at(70, 3), at(90, 5), at(91, 2), at(119, 5), at(149, 5)), (3, 3, 2, 3, 5));
        assert_eq!(Report::new(1, None).version_in_use(2, Duration::ZERO, began), 2);
    }

    #[test]
    fn an_agent_goes_on_with_what_the_one_before_it_told() {
        let (grace, began) = (Duration::from_secs(30), Instant::now());
        let at = |secs| began + Duration::from_secs(secs);
        let mut before = Report::new(3, None);
        // A command is still to be run: what was told stays, and is told again at once.
        let due = Held::new(None, 4);
        assert_eq!(due.to_tell(Some(&mut before), grace, at(0)), Some(3));
        assert!(!before.is_fresh(3, at(0)));
        before.at = Some(at(0));
        assert!(before.is_fresh(3, at(59)) && !before.is_fresh(3, at(60)));
        assert!(!before.is_fresh(4, at(1)));
        let done = Held::new(Some(4), 4);
        for (secs, told) in [(60, 3), (89, 3), (90, 4)] {
            assert_eq!(done.to_tell(Some(&mut before), grace, at(secs)), Some(told), "{secs} s");
        }
        // The first agent of all has nothing to wait for, and nothing to tell before a file is there.
        assert_eq!(done.to_tell(None, grace, at(0)), Some(4));
        assert_eq!(due.to_tell(None, grace, at(0)), None);
    }

    #[test]
    fn what_is_older_than_what_is_held_is_not_taken_back() {
        let (told, newer) = (Report::new(3, None), Held::new(Some(4), 4));
        for (held, gone) in [
            (None, true),
            (Some(Held::new(Some(3), 3)), true),
            (Some(newer), false),
            (Some(Held::new(Some(3), 4)), false),
            (Some(Held::new(None, 4)), false),
            (Some(Held::new(Some(2), 2)), true),
        ] {
            assert_eq!(is_gone(&told, held.as_ref()), gone, "{held:?}");
        }
    }

    #[test]
    fn the_oldest_of_several_versions_counts() {
        let (a, b) = (Held::new(Some(5), 5), Held::new(Some(3), 4));
        assert_eq!(a.and(b), Held { oldest: Some(3), is_whole: true, newest: 5 });
        let unknown = Held::new(None, 6);
        assert_eq!(unknown.and(a), Held { oldest: Some(5), is_whole: false, newest: 6 });
        let (now, grace) = (Instant::now(), Duration::ZERO);
        assert_eq!(unknown.and(a).to_tell(None, grace, now), Some(5));
        assert_eq!(unknown.and(a).to_tell(Some(&mut Report::new(4, None)), grace, now), Some(4));
    }
}
