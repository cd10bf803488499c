//! A scripted session of a server whose n-th write or sync fails, by strace's injection.

use std::collections::BTreeMap;

use strongroom_model::{Clock, SystemClock};

use super::alone::Alone;
use super::trace::Trace;
use super::writers::{Acknowledged, Unwritten, missing, update};
use crate::Outcome;
use crate::options::Options;

/// Writes of a session.
const WRITES: u64 = 12;
/// The first so many writes and syncs of a thread fail in turn.
const PLACES: u64 = 40;
const SMOKE_PLACES: [u64; 2] = [3, 9];
/// Of a sync that follows one in a lull.
const AFTER_LULL: u64 = 8;

/// The files whose writes and syncs fail.
const FILES: [&str; 2] = ["strongroom.db", "strongroom.db-wal"];

/// A place that no session comes to.
const NEVER: u64 = 60_000;

/// A way to fail.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    calls: &'static str,
    how: &'static str,
    /// Whether nothing may be acknowledged after it: what was to be on the disk may not be there.
    ends_writes: bool,
}

const fn kind(
    name: &'static str,
    calls: &'static str,
    how: &'static str,
    ends_writes: bool,
) -> Kind {
    Kind { name, calls, how, ends_writes }
}

const KINDS: [Kind; 5] = [
    kind("sync: EIO", "fsync,fdatasync", "error=EIO", true),
    kind("sync: ENOSPC", "fsync,fdatasync", "error=ENOSPC", true),
    kind("write: EIO", "pwrite64,write", "error=EIO", false),
    kind("write: ENOSPC", "pwrite64,write", "error=ENOSPC", false),
    // Nothing was written, and that is said: the shortest of short writes.
    kind("write: short", "pwrite64", "retval=0", false),
];

/// What a session came to.
#[derive(Debug, Default)]
struct Tally {
    sessions: u64,
    /// Sessions in which something was refused, or the server ended.
    hit: u64,
    /// Sessions of each kind in which a call failed, and those in which nobody waited for it.
    failed: BTreeMap<&'static str, u64>,
    failed_unasked: BTreeMap<&'static str, u64>,
    acknowledged: usize,
    wrong: Vec<String>,
}

/// Runs a session for each kind and place, restarts the server and compares.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let mut alone = Alone::start(false)?;
    let mut tally = Tally::default();
    let in_lull = control(&mut alone)?;
    for (number, kind) in (1..).zip(KINDS) {
        for place in places(options, kind, in_lull) {
            session(&mut alone, kind, (place, number * 1_000 + place), &mut tally)?;
        }
    }
    for what in tally.wrong.iter().take(20) {
        println!("FAILED: {what}");
    }
    println!(
        "faults syscalls: {} sessions, in {} of which something failed, in {} a sync that nobody waited for, \
         {} acknowledged writes: {} wrong",
        tally.sessions,
        tally.failed.values().sum::<u64>(),
        tally.failed_unasked.values().sum::<u64>(),
        tally.acknowledged,
        tally.wrong.len(),
    );
    for kind in KINDS {
        let tried = places(options, kind, in_lull);
        if options.seed.is_none() && !tally.failed.contains_key(kind.name) {
            return Err(format!("{}: nothing failed", kind.name).into());
        }
        let asked = !tally.failed_unasked.contains_key(kind.name);
        if kind.ends_writes && tried.contains(&in_lull) && asked {
            return Err(format!("{}: no sync failed that nobody waited for", kind.name).into());
        }
    }
    if tally.failed.is_empty() || tally.hit == 0 {
        return Err("nothing failed".into());
    }
    if tally.wrong.is_empty() { Ok(()) } else { Err("what was promised did not hold".into()) }
}

/// Which of a thread's calls fail. A short run has the sync of a deferred commit among them.
fn places(options: &Options, kind: Kind, in_lull: u64) -> Vec<u64> {
    match (options.seed, options.smoke) {
        (Some(one), _) => vec![one],
        (None, true) if kind.ends_writes => vec![in_lull, in_lull + AFTER_LULL],
        (None, true) => SMOKE_PLACES.to_vec(),
        (None, false) => (1..=options.seeds.unwrap_or(PLACES)).collect(),
    }
}

/// A session in which nothing fails, to see that the server runs under strace at all; returns which
/// sync of its thread is that of what the server deferred by itself.
fn control(alone: &mut Alone) -> Outcome<u64> {
    let mut tally = Tally::default();
    let in_lull = session(alone, KINDS[0], (NEVER, 0), &mut tally)?;
    let fine = tally.hit == 0 && u64::try_from(tally.acknowledged)? == WRITES;
    if fine && in_lull > 0 && tally.wrong.is_empty() {
        Ok(in_lull)
    } else {
        Err(format!("under strace: {tally:?}").into())
    }
}

/// Returns the syncs until the first request, of the thread that made the last of them.
fn session(
    alone: &mut Alone,
    kind: Kind,
    (place, number): (u64, u64),
    tally: &mut Tally,
) -> Outcome<u64> {
    let Kind { name, calls, how, .. } = kind;
    let inject = format!("inject={calls}:{how}:when={place}");
    let traced = format!("trace={calls}");
    let trace = Trace(alone.data.with_file_name("calls"));
    let told_in = trace.0.display().to_string();
    // A disk fails, not the runtime's wakes, which are writes too.
    let files = FILES.map(|name| alone.data.join(name).display().to_string());
    let mut words = vec!["strace", "-D", "-f", "-ttt", "-qq", "-o", &told_in];
    words.extend(files.iter().flat_map(|file| ["-P", file.as_str()]));
    words.extend(["-e", &traced, "-e", &inject]);
    alone.node.kill()?;
    alone.node.run_under(&words);
    tally.sessions += 1;
    let played = if alone.node.start().is_ok() {
        play(alone, &trace, kind, number * 1_000_000)?
    } else {
        Played { is_hit: true, ..Played::default() }
    };
    alone.node.kill()?;
    let failed_at = trace.failed_at()?;
    tally.hit += u64::from(played.is_hit);
    if let Some(failed_at) = failed_at {
        *tally.failed.entry(name).or_default() += 1;
        if failed_at < played.began {
            *tally.failed_unasked.entry(name).or_default() += 1;
        }
    }
    tally.acknowledged += played.told.len();
    alone.node.run_under(&[]);
    alone.node.start()?;
    let lost = missing(&alone.tenant, &mut alone.node.client(), &played.told)?;
    let late = if kind.ends_writes { played.late(failed_at) } else { Vec::new() };
    let wrong = played.wrong.into_iter().chain(late).chain(lost);
    tally.wrong.extend(wrong.map(|what| format!("{name} {place}: {what}")));
    Ok(played.syncs_before)
}

/// How a session went.
#[derive(Debug, Default)]
struct Played {
    told: Vec<Acknowledged>,
    /// When each request began that was acknowledged, in microseconds since the epoch.
    asked_at: Vec<i64>,
    /// Whether anything was refused, or the server did not start.
    is_hit: bool,
    /// When the first request began, and how many syncs there were before.
    began: i64,
    syncs_before: u64,
    wrong: Vec<String>,
}

impl Played {
    fn note(&mut self, acknowledged: Acknowledged, asked_at: i64) {
        self.told.push(acknowledged);
        self.asked_at.push(asked_at);
    }

    /// What was acknowledged though it was asked for after a call failed, whether the server told of
    /// that or not.
    fn late(&self, failed_at: Option<i64>) -> Vec<String> {
        let Some(failed_at) = failed_at else { return Vec::new() };
        let asked = self.told.iter().zip(&self.asked_at);
        let late = asked.filter(|(_, asked_at)| **asked_at > failed_at);
        late.map(|(told, asked_at)| {
            let after = asked_at - failed_at;
            format!("version {} acknowledged, {after} µs after a failed sync", told.version)
        })
        .collect()
    }
}

/// Waits for what the server defers by itself, makes a secret and updates it until that is refused,
/// and once more.
fn play(alone: &mut Alone, trace: &Trace, kind: Kind, first: u64) -> Outcome<Played> {
    let now = || SystemClock.now().as_microsecond();
    let mut played = Played::default();
    if kind.ends_writes {
        trace.lull()?;
        played.syncs_before = trace.syncs()?;
    }
    played.began = now();
    let mut client = alone.node.client();
    let Ok(secret) = alone.tenant.secret(&mut client, &format!("f-{first}"), first) else {
        return Ok(Played { is_hit: true, ..played });
    };
    let made = Acknowledged { secret: secret.clone(), version: 1, value: first };
    played.note(made, played.began);
    for next in 2..=WRITES {
        let value = first + next;
        let asked_at = now();
        match update(&alone.tenant, &mut client, &secret, value) {
            Ok(version) if played.is_hit && kind.ends_writes => {
                played.wrong.push(format!("version {version} acknowledged after a failed sync"));
            }
            // What was refused may have become a version all the same: no more is compared.
            Ok(_) if played.is_hit => break,
            Ok(version) => {
                played.note(Acknowledged { secret: secret.clone(), version, value }, asked_at);
            }
            Err(Unwritten::Refused(503)) => played.is_hit = true,
            Err(Unwritten::Refused(status)) => {
                played.is_hit = true;
                played.wrong.push(format!("answered {status}"));
            }
            Err(Unwritten::NoAnswer(_)) => {
                played.is_hit = true;
                if alone.node.ended_well()? != Some(false) {
                    played
                        .wrong
                        .push("no answer, and the server did not end with a failure".into());
                }
                break;
            }
        }
    }
    Ok(played)
}
