//! A scripted session of a server whose n-th write or sync fails, by strace's injection.

use super::alone::Alone;
use super::writers::{Acknowledged, Unwritten, missing, update};
use crate::Outcome;
use crate::options::Options;

/// Writes of a session.
const WRITES: u64 = 12;
/// The first so many writes and syncs of a thread fail in turn.
const PLACES: u64 = 40;
const SMOKE_PLACES: [u64; 2] = [3, 9];

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
    acknowledged: usize,
    wrong: Vec<String>,
}

/// Runs a session for each kind and place, restarts the server and compares.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let places: Vec<u64> = match (options.seed, options.smoke) {
        (Some(one), _) => vec![one],
        (None, true) => SMOKE_PLACES.to_vec(),
        (None, false) => (1..=options.seeds.unwrap_or(PLACES)).collect(),
    };
    let mut alone = Alone::start(false)?;
    let mut tally = Tally::default();
    control(&mut alone)?;
    for (number, kind) in (1..).zip(KINDS) {
        for place in &places {
            session(&mut alone, kind, (*place, number * 1_000 + place), &mut tally)?;
        }
    }
    for what in tally.wrong.iter().take(20) {
        println!("FAILED: {what}");
    }
    println!(
        "faults syscalls: {} sessions, in {} of which something failed, {} acknowledged writes: {} wrong",
        tally.sessions,
        tally.hit,
        tally.acknowledged,
        tally.wrong.len(),
    );
    if tally.hit == 0 {
        return Err("nothing failed".into());
    }
    if tally.wrong.is_empty() { Ok(()) } else { Err("what was promised did not hold".into()) }
}

/// A session in which nothing fails, to see that the server runs under strace at all.
fn control(alone: &mut Alone) -> Outcome<()> {
    let mut tally = Tally::default();
    session(alone, KINDS[0], (NEVER, 0), &mut tally)?;
    let fine = tally.hit == 0 && u64::try_from(tally.acknowledged)? == WRITES;
    if fine && tally.wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("under strace: {tally:?}").into())
    }
}

fn session(
    alone: &mut Alone,
    kind: Kind,
    (place, number): (u64, u64),
    tally: &mut Tally,
) -> Outcome<()> {
    let Kind { name, calls, how, .. } = kind;
    let inject = format!("inject={calls}:{how}:when={place}");
    let trace = format!("trace={calls}");
    // A disk fails, not the runtime's wakes, which are writes too.
    let files = FILES.map(|name| alone.data.join(name).display().to_string());
    let mut words = vec!["strace", "-D", "-f", "-qq", "-o", "/dev/null"];
    words.extend(files.iter().flat_map(|file| ["-P", file.as_str()]));
    words.extend(["-e", &trace, "-e", &inject]);
    alone.node.kill()?;
    alone.node.run_under(&words);
    tally.sessions += 1;
    let played = if alone.node.start().is_ok() {
        play(alone, kind, number * 1_000_000)?
    } else {
        Played { is_hit: true, ..Played::default() }
    };
    tally.hit += u64::from(played.is_hit);
    tally.acknowledged += played.told.len();
    alone.node.kill()?;
    alone.node.run_under(&[]);
    alone.node.start()?;
    let lost = missing(&alone.tenant, &mut alone.node.client(), &played.told)?;
    let wrong = played.wrong.into_iter().chain(lost);
    tally.wrong.extend(wrong.map(|what| format!("{name} {place}: {what}")));
    Ok(())
}

/// How a session went.
#[derive(Debug, Default)]
struct Played {
    told: Vec<Acknowledged>,
    /// Whether anything was refused, or the server did not start.
    is_hit: bool,
    wrong: Vec<String>,
}

/// Makes a secret and updates it until that is refused, and once more.
fn play(alone: &mut Alone, kind: Kind, first: u64) -> Outcome<Played> {
    let mut client = alone.node.client();
    let mut played = Played::default();
    let Ok(secret) = alone.tenant.secret(&mut client, &format!("f-{first}"), first) else {
        return Ok(Played { is_hit: true, ..played });
    };
    played.told.push(Acknowledged { secret: secret.clone(), version: 1, value: first });
    for next in 2..=WRITES {
        let value = first + next;
        match update(&alone.tenant, &mut client, &secret, value) {
            Ok(version) if played.is_hit && kind.ends_writes => {
                played.wrong.push(format!("version {version} acknowledged after a failed sync"));
            }
            // What was refused may have become a version all the same: no more is compared.
            Ok(_) if played.is_hit => break,
            Ok(version) => {
                played.told.push(Acknowledged { secret: secret.clone(), version, value });
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
