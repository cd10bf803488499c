//! Histories of clients at several nodes, with failures of nodes, databases and the network between
//! them, checked for linearizability.

mod clients;
mod revocation;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use strongroom_testkit::Dice;

pub(crate) use self::clients::LOST;
use self::clients::{Field, SECRETS, Seen, change_right, statements, use_secrets};
use self::trouble::Trouble;
use crate::Outcome;
use crate::history::{RightOutput, SecretOutput, check_right, check_secret};
use crate::options::Options;
use crate::wgl::Verdict;
use strongroom_rig::Cluster;

const NODES: usize = 3;
const CLIENTS: u64 = 8;
const HISTORIES: u64 = 200;
const OPS: usize = 2_000;
const READS: usize = 100_000;
const SMOKE_OPS: usize = 200;
const SMOKE_READS: usize = 500;
/// How long no write may be acknowledged after the primary was lost.
const GAP_MAX: Duration = Duration::from_secs(20);

/// How a run of histories went.
#[derive(Debug, Default)]
struct Tally {
    histories: u64,
    ops: usize,
    unanswered: usize,
    gaps: Vec<Duration>,
    struck: BTreeMap<String, u64>,
    failures: usize,
}

/// Runs histories, checks each, lets all nodes verify what is in the store then, and says what was
/// found.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let first = if options.seed.is_none() && options.smoke { 0 } else { options.first() };
    let ops = options.ops.unwrap_or(if options.smoke { SMOKE_OPS } else { OPS });
    let began = Instant::now();
    let mut cluster = Cluster::start(NODES, true)?;
    let parts = cluster.parts();
    if !parts && !options.smoke {
        return Err("no network namespaces can be made here, and machines are to be parted".into());
    }
    let kinds = Trouble::all(parts);
    // Each failure once; histories without one are for a whole run.
    let failures = kinds.iter().filter(|kind| **kind != Trouble::Nothing).count();
    let count = options.count(u64::try_from(failures)?, HISTORIES);
    let mut tally = Tally::default();
    for seed in first..first + count {
        let mut dice = Dice::new(Some(seed));
        // In turn, so that each kind has its share, and one seed has always the same.
        let kind = usize::try_from(seed % u64::try_from(kinds.len())?)?;
        let trouble = kinds.get(kind).copied().unwrap_or(Trouble::Nothing);
        history(&mut cluster, seed, (&mut dice, trouble, ops), &mut tally)?;
    }
    let reads = options.reads.unwrap_or(if options.smoke { SMOKE_READS } else { READS });
    let allowed = revocation::run(&cluster, first, reads)?;
    // A node that starts verifies the store.
    for node in &mut cluster.nodes {
        node.kill()?;
        node.start()?;
    }
    tally.print(first, began.elapsed());
    println!("{reads} reads through other nodes after revocations: {allowed} allowed");
    println!("{} nodes started again, and found the store whole", cluster.nodes.len());
    let broken = tally.failures;
    println!(
        "linearize: {} histories from seed {first}, {} operations: {broken} failed; \
         {allowed} of {reads} reads allowed after a revocation{}",
        tally.histories,
        tally.ops,
        if parts { "" } else { "; nothing was parted: no network namespaces can be made here" },
    );
    if broken > 0 || allowed > 0 { Err("what was promised did not hold".into()) } else { Ok(()) }
}

/// Makes new secrets and rights, lets clients use them while something goes wrong, and checks.
fn history(
    cluster: &mut Cluster,
    seed: u64,
    (dice, trouble, ops): (&mut Dice, Trouble, usize),
    tally: &mut Tally,
) -> Outcome<()> {
    let field = prepare(cluster, seed)?;
    let struck = scope(|clients| {
        for number in 0..CLIENTS {
            let (field, seed) = (&field, seed.wrapping_mul(1_000_003) + number);
            clients.spawn(move || use_secrets(field, seed));
        }
        let changer = &field;
        clients.spawn(move || change_right(changer, seed));
        sleep(Duration::from_millis(300));
        let struck = trouble.strike(cluster, dice);
        let awaits = |lost: &Option<Instant>| {
            lost.is_some_and(|lost| lost.elapsed() < GAP_MAX && gap_after(lost, &field).is_none())
        };
        while struck.as_ref().is_ok_and(|lost| awaits(lost) || field.count() < ops) {
            sleep(Duration::from_millis(10));
        }
        field.ends.store(true, Ordering::Relaxed);
        struck
    });
    let lost = struck?;
    if lost.is_some() {
        cluster.repair()?;
    }
    tally.take(seed, trouble, &field, lost);
    Ok(())
}

fn prepare(cluster: &Cluster, seed: u64) -> Outcome<Field> {
    let tenant = &cluster.tenant;
    let mut client = cluster.nodes.first().ok_or("there is no node")?.client();
    let mut secrets = Vec::with_capacity(SECRETS);
    for number in 0..SECRETS {
        let value = u64::try_from(number)?;
        let id = tenant.secret(&mut client, &format!("s-{seed}-{number}"), value)?;
        secrets.push((id, value));
    }
    let reader_name = format!("reader-{seed}");
    let reader = tenant.user(&mut client, &reader_name)?;
    let policy =
        tenant.policy(&mut client, &format!("p-{seed}"), &statements(&reader_name, false))?;
    Ok(Field {
        began: Instant::now(),
        addresses: cluster.nodes.iter().map(strongroom_rig::Node::address).collect(),
        admin: tenant.admin.clone(),
        seen: Mutex::new(Seen { secrets: vec![Vec::new(); secrets.len()], ..Seen::default() }),
        secrets,
        reader,
        reader_name,
        policy,
        values: AtomicU64::new(1_000),
        count: AtomicUsize::new(0),
        ends: AtomicBool::new(false),
    })
}

impl Tally {
    fn take(&mut self, seed: u64, trouble: Trouble, field: &Field, lost: Option<Instant>) {
        let gap = lost.map(|lost| gap_after(lost, field));
        let noted = field.seen();
        let mut wrong: Vec<String> = noted.odd.iter().take(3).cloned().collect();
        for ((id, value), calls) in field.secrets.iter().zip(&noted.secrets) {
            let verdict = check_secret(*value, calls);
            if verdict != Verdict::Linearizable {
                wrong.push(format!("{verdict:?}: {} calls about {id}", calls.len()));
            }
        }
        let verdict = check_right(false, &noted.right);
        if verdict != Verdict::Linearizable {
            wrong.push(format!("{verdict:?}: {} calls about a right", noted.right.len()));
        }
        if gap.is_some_and(|gap| gap.is_none_or(|gap| gap > GAP_MAX)) {
            let most = GAP_MAX.as_secs();
            wrong.push(format!("no write was acknowledged within {most} s of the primary's end"));
        }
        let gap = gap.flatten();
        let ops = field.count();
        let uses = noted.right.iter().filter(|call| call.output == Some(RightOutput::Allowed));
        println!(
            "seed {seed}: {trouble:?}, {ops} operations, {} unanswered, {} uses allowed{}: {}",
            noted.unanswered,
            uses.count(),
            gap.map(|gap| format!(", {} ms without a write", gap.as_millis())).unwrap_or_default(),
            if wrong.is_empty() { "linearizable" } else { "FAILED" },
        );
        self.histories += 1;
        self.ops += ops;
        self.unanswered += noted.unanswered;
        self.gaps.extend(gap);
        *self.struck.entry(format!("{trouble:?}")).or_default() += 1;
        // At once: a run that is stopped has told what it found.
        for what in &wrong {
            println!("FAILED: seed {seed}: {what}");
        }
        self.failures += wrong.len();
    }

    fn print(&mut self, first: u64, took: Duration) {
        self.gaps.sort_unstable();
        let middle = self.gaps.get(self.gaps.len() / 2).map_or(0, Duration::as_millis);
        let longest = self.gaps.last().map_or(0, Duration::as_millis);
        println!(
            "{} failovers: {middle} ms without an acknowledged write (median), {longest} ms at most",
            self.gaps.len()
        );
        println!(
            "{:?} in {} s from seed {first}; {} requests unanswered",
            self.struck,
            took.as_secs(),
            self.unanswered
        );
    }
}

/// How long after the primary was lost the first write was acknowledged that began after it.
fn gap_after(lost: Instant, field: &Field) -> Option<Duration> {
    let seen = field.seen();
    let lost = u64::try_from(lost.duration_since(field.began).as_nanos()).ok()?;
    let wrote = |output: &Option<SecretOutput>| matches!(output, Some(SecretOutput::Wrote { .. }));
    let calls = seen.secrets.iter().flatten();
    let ends = calls.filter(|call| call.began > lost && wrote(&call.output)).map(|call| call.ended);
    ends.min().map(|end| Duration::from_nanos(end - lost))
}
