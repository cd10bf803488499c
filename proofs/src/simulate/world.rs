//! A world: a store, the nodes that share it, and what everybody saw.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strongroom_keyring::RootKey;
use strongroom_model::{Limits, Random, Region, Timestamp};
use strongroom_server::{
    Beat, Founded, InProcess, NewSample, NewTenancy, Parts, Semantics, Shared, Targets, WATCHED,
    found_tenancy,
};
use strongroom_signing::PrivateKey;
use strongroom_store::{Memory, Store};
use strongroom_testkit::Dice;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::lies::Lie;
use super::seeded::{MachineClock, SeededRandom, WorldTime};
use super::seen::Seen;
use super::store::{Way, Weather};
use crate::Outcome;
use strongroom_rig::{Answer, Identity, NoAnswer, Request, read, render};

pub(crate) const NODES: usize = 3;
const SIGNED_MAX: usize = 50_000;
const PATIENCE: Duration = Duration::from_secs(20);
/// What chance begins with in every world.
const FOUNDING: u64 = 1;
const HOST: &str = "127.0.0.1:1";

/// Keys of the administrator and of another user. Worlds share them, and requests that were signed:
/// both take long to make, and worlds are alike until their troubles begin.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) admin: Arc<PrivateKey>,
    pub(crate) reader: Arc<PrivateKey>,
    signed: Mutex<HashMap<Wanted, Arc<[u8]>>>,
}

/// What makes a signed request: who, the second, method and target, body and condition.
type Wanted = (String, i64, String, Option<String>, Option<String>);

impl People {
    pub(crate) fn generate() -> Outcome<Self> {
        let key = || PrivateKey::generate().map(Arc::new);
        Ok(Self { admin: key()?, reader: key()?, signed: Mutex::default() })
    }

    /// Signs a request, or returns it as it was signed before.
    fn signed(&self, who: &Identity, request: Request<'_>, now: Timestamp) -> Outcome<Arc<[u8]>> {
        let what = format!("{} {}", request.method, request.target);
        let body = request.body.map(ToString::to_string);
        let if_match = request.if_match.map(str::to_owned);
        let wanted = (who.key_id.clone(), now.as_second(), what, body, if_match);
        let all = || self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(message) = all().get(&wanted) {
            return Ok(Arc::clone(message));
        }
        let message: Arc<[u8]> = render(who, request, HOST, now)?.into();
        let mut all = all();
        if all.len() >= SIGNED_MAX {
            all.clear();
        }
        all.insert(wanted, Arc::clone(&message));
        Ok(message)
    }
}

/// A node, which may be down.
#[derive(Debug)]
struct Node {
    clock: MachineClock,
    running: Option<InProcess>,
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) time: WorldTime,
    pub(crate) store: Arc<Memory>,
    pub(crate) weather: Arc<Weather>,
    lie: Option<Lie>,
    pub(crate) founded: Founded,
    pub(crate) admin: Identity,
    people: Arc<People>,
    random: Arc<SeededRandom>,
    nodes: Mutex<Vec<Node>>,
    seen: Mutex<Seen>,
}

impl World {
    /// Founds a tenancy and starts the nodes, in good weather.
    pub(crate) async fn found(
        seed: u64,
        people: &Arc<People>,
        lie: Option<Lie>,
    ) -> Outcome<Arc<Self>> {
        let time = WorldTime::begin();
        let random = Arc::new(SeededRandom::new(FOUNDING));
        let store = Arc::new(Memory::new(WATCHED));
        let root_key = root_key();
        let public = people.admin.public()?;
        let new = NewTenancy {
            name: "simulated",
            region: Region::named("iad").ok_or("the region is unknown")?,
            fingerprint: &public.fingerprint(),
            public_key_pem: &public.to_pem(),
            now: time.now(),
            sample: Some(NewSample { content: b"0", port: 1 }),
        };
        let founded = found_tenancy(&*store, &root_key, &*random, &new).await?;
        let names = [founded.tenancy_id.to_string(), founded.user_id.to_string()].join("/");
        let key_id = format!("{names}/{}", public.fingerprint());
        let admin = Identity { key_id, key: Arc::clone(&people.admin) };
        let node = |_number| Node { clock: MachineClock::right(time), running: None };
        let world = Arc::new(Self {
            time,
            store,
            weather: Arc::new(Weather::good(seed)),
            lie,
            founded,
            admin,
            people: Arc::clone(people),
            random,
            nodes: Mutex::new((0..NODES).map(node).collect()),
            seen: Mutex::default(),
        });
        for number in 0..NODES {
            world.start(number).await;
        }
        Ok(world)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clock(&self, number: usize) -> Option<MachineClock> {
        self.nodes().get(number).map(|node| node.clock.clone())
    }

    /// Starts a node that is down, as often as it takes.
    pub(crate) async fn start(&self, number: usize) {
        let Some(clock) = self.clock(number) else { return };
        let shared = loop {
            if let Ok(shared) = Shared::load(self.parts(clock.clone())).await {
                break shared;
            }
            sleep(Duration::from_millis(100)).await;
        };
        let running = InProcess::start(shared);
        if let Some(node) = self.nodes().get_mut(number) {
            node.running = Some(running);
        }
    }

    /// Ends a node in the midst of whatever it does.
    pub(crate) fn crash(&self, number: usize) {
        let running = self.nodes().get_mut(number).and_then(|node| node.running.take());
        drop(running);
    }

    fn parts(&self, clock: MachineClock) -> Parts {
        let (store, weather) = (Arc::clone(&self.store), Arc::clone(&self.weather));
        let way = Way { store, weather, lie: self.lie };
        let random: Arc<dyn Random> = Arc::<SeededRandom>::clone(&self.random);
        Parts {
            store: Arc::new(way) as Arc<dyn Store>,
            root_key: root_key(),
            root_file: None,
            token: None,
            clock: Arc::new(clock),
            turnable_clock: None,
            random,
            semantics: Semantics::Strict,
            limits: Limits::WIDE,
            rates: strongroom_server::Rates::default(),
            secret_cache_bytes: 1 << 20,
            backup_places: Vec::new(),
            targets: Targets::new(),
            expected_networks: Vec::new(),
            machine_id: None,
            is_alone: false,
            beat: Beat::Timer,
            vouching: None,
            tracing: None,
        }
    }

    /// Asks a node.
    pub(crate) async fn ask(
        &self,
        number: usize,
        who: &Identity,
        request: Request<'_>,
    ) -> Result<Answer, NoAnswer> {
        let message = self.people.signed(who, request, self.time.now());
        let message = message.map_err(|_error| NoAnswer::Unreached)?;
        let connected = self
            .nodes()
            .get_mut(number)
            .and_then(|node| node.running.as_mut())
            .map(InProcess::connect);
        let mut stream = connected.ok_or(NoAnswer::Unreached)?;
        let exchange = async {
            stream.write_all(&message).await?;
            let mut received = Vec::new();
            let mut buffer = [0_u8; 8 * 1024];
            loop {
                let count = stream.read(&mut buffer).await?;
                received.extend_from_slice(buffer.get(..count).unwrap_or_default());
                match read(&received) {
                    Ok(Some(answer)) => return Ok(answer),
                    Ok(None) if count > 0 => {}
                    _ => return Err(std::io::Error::other("no answer")),
                }
            }
        };
        match timeout(PATIENCE, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(NoAnswer::Lost),
        }
    }

    /// Asks the first node, in good weather, and takes nothing but success.
    pub(crate) async fn success(&self, who: &Identity, request: Request<'_>) -> Outcome<Answer> {
        match self.ask(0, who, request).await {
            Ok(answer) if answer.status < 300 => Ok(answer),
            Ok(answer) => {
                let (method, target) = (request.method, request.target);
                Err(format!("{method} {target}: {} {}", answer.status, answer.body).into())
            }
            Err(why) => Err(format!("{}: {why:?}", request.target).into()),
        }
    }

    /// Turns the weather bad; from now on chance is this world's own.
    pub(crate) fn begin_trouble(&self, seed: u64) {
        self.random.begin_with(seed);
        self.weather.turn(true);
    }

    /// Lets nodes crash and clocks jump until it is dropped.
    pub(crate) async fn trouble(&self, mut dice: Dice) {
        loop {
            sleep(millis(dice.roll(800))).await;
            let number = dice.roll(NODES);
            if dice.roll(3) == 0 {
                let most = if dice.roll(3) == 0 { 600 } else { 0 };
                let off = i64::try_from(dice.roll(2 * most + 1)).unwrap_or(0);
                let off = off - i64::try_from(most).unwrap_or(0);
                self.seen().trace(&format!("{} clock {number} {off}", self.time.micros()));
                if let Some(clock) = self.clock(number) {
                    clock.put(off);
                }
            } else {
                self.seen().trace(&format!("{} crash {number}", self.time.micros()));
                self.crash(number);
                sleep(millis(dice.roll(500))).await;
                self.start(number).await;
            }
        }
    }

    /// Ends all trouble: good weather, right clocks, and every node started anew.
    pub(crate) async fn calm(&self) {
        self.weather.turn(false);
        for number in 0..NODES {
            self.crash(number);
            if let Some(clock) = self.clock(number) {
                clock.put(0);
            }
            self.start(number).await;
        }
    }
}

/// The root key, which every node has.
fn root_key() -> RootKey {
    RootKey::generate(&SeededRandom::new(!FOUNDING))
}

pub(crate) fn millis(count: usize) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
