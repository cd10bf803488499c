//! Clients that use secrets and rights through any node, and note what they see.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_testkit::Dice;

use crate::history::{RightCall, RightInput, RightOutput, SecretCall, SecretInput, SecretOutput};
use crate::wgl::Call;
use strongroom_rig::{Answer, Client, Identity, NoAnswer, Request};
use strongroom_rig::{content, group_of, value_in};

/// Secrets that a history is about.
pub(crate) const SECRETS: usize = 6;
/// Pause of a client between its calls, at most.
const PAUSE_MS: usize = 40;
const ADMIN_PAUSE_MS: usize = 400;
/// The one answer that leaves open whether what was asked for happened; other failures are the server's.
pub(crate) const LOST: u16 = 503;

/// What a history is about, and what was seen so far.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) began: Instant,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) admin: Identity,
    /// A secret and the value it was made with.
    pub(crate) secrets: Vec<(String, u64)>,
    /// Who may read the first secret, as long as the policy says so.
    pub(crate) reader: Identity,
    pub(crate) reader_name: String,
    pub(crate) policy: String,
    pub(crate) values: AtomicU64,
    pub(crate) count: AtomicUsize,
    pub(crate) ends: AtomicBool,
    pub(crate) seen: Mutex<Seen>,
}

/// What clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of each secret.
    pub(crate) secrets: Vec<Vec<SecretCall>>,
    pub(crate) right: Vec<RightCall>,
    /// Answers that nothing explains.
    pub(crate) odd: Vec<String>,
    /// Answers 503 and connections that broke.
    pub(crate) unanswered: usize,
}

impl Field {
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls so far.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }
}

/// What became of a request.
enum Got {
    Answer(Answer),
    /// Whether it happened is not known.
    Unknown,
    /// It did not happen, or it does not matter.
    Nothing,
}

/// A client with a connection to each node.
struct Caller<'a> {
    field: &'a Field,
    dice: Dice,
    clients: Vec<Client>,
}

impl<'a> Caller<'a> {
    fn new(field: &'a Field, seed: u64) -> Self {
        let clients = field.addresses.iter().map(|address| Client::new(*address)).collect();
        Self { field, dice: Dice::new(Some(seed)), clients }
    }

    fn pause(&mut self, most_ms: usize) {
        let ms = self.dice.roll(most_ms);
        sleep(Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    }

    /// Asks a node of chance, and tells between which times.
    fn ask(&mut self, who: &Identity, request: Request<'_>) -> (Got, u64, u64) {
        let node = self.dice.roll(self.clients.len());
        let began = self.field.now();
        let asked = self.clients.get_mut(node).map(|client| client.ask(who, request));
        let ended = self.field.now();
        self.field.count.fetch_add(1, Ordering::Relaxed);
        let got = match asked {
            Some(Ok(answer)) if answer.status < 500 => Got::Answer(answer),
            Some(Ok(answer)) => {
                if answer.status != LOST {
                    self.is_odd("a failure of the server", &answer);
                }
                Got::Unknown
            }
            Some(Err(NoAnswer::Lost)) => Got::Unknown,
            None | Some(Err(NoAnswer::Unreached)) => Got::Nothing,
        };
        if !matches!(got, Got::Answer(_)) {
            self.field.seen().unanswered += 1;
        }
        (got, began, ended)
    }

    fn is_odd(&self, what: &str, answer: &Answer) {
        self.field.seen().odd.push(format!("{what}: {} {}", answer.status, answer.body));
    }
}

/// Reads and updates secrets until the history ends.
pub(crate) fn use_secrets(field: &Field, seed: u64) {
    let mut caller = Caller::new(field, seed);
    // The version and etag that this client saw last of each secret.
    let mut held: Vec<Option<(u64, String)>> = vec![None; field.secrets.len()];
    while !field.is_over() {
        caller.pause(PAUSE_MS);
        let which = caller.dice.roll(field.secrets.len());
        let known = held.get(which).cloned().flatten();
        let is_first = which == 0;
        match caller.dice.roll(8) {
            0..=1 if is_first => use_right(&mut caller),
            0..=3 => {
                let saw = read_secret(&mut caller, which);
                if let (Some(saw), Some(place)) = (saw, held.get_mut(which)) {
                    *place = Some(saw);
                }
            }
            4..=5 => write_secret(&mut caller, which, None),
            _ => write_secret(&mut caller, which, known.as_ref()),
        }
    }
}

fn note(field: &Field, which: usize, call: SecretCall) {
    if let Some(calls) = field.seen().secrets.get_mut(which) {
        calls.push(call);
    }
}

fn read_secret(caller: &mut Caller<'_>, which: usize) -> Option<(u64, String)> {
    let field = caller.field;
    let (id, _) = field.secrets.get(which)?;
    let target = format!("/20190301/secretbundles/{id}");
    let (got, began, ended) = caller.ask(&field.admin, Request::get(&target));
    let Got::Answer(answer) = got else { return None };
    let version = answer.body.get("versionNumber").and_then(serde_json::Value::as_u64);
    let (Some(version), Some(value), Some(etag), 200) =
        (version, value_in(&answer.body), answer.etag.clone(), answer.status)
    else {
        caller.is_odd("a read", &answer);
        return None;
    };
    let output = Some(SecretOutput::Read { version, value, etag: etag.clone() });
    note(field, which, Call { input: SecretInput::Read, output, began, ended });
    Some((version, etag))
}

fn write_secret(caller: &mut Caller<'_>, which: usize, known: Option<&(u64, String)>) {
    let field = caller.field;
    let Some((id, _)) = field.secrets.get(which) else { return };
    let value = field.values.fetch_add(1, Ordering::Relaxed);
    let target = format!("/20180608/secrets/{id}");
    let body = json!({"secretContent": content(value)});
    let if_match = known.map(|(_, etag)| etag.as_str());
    let request = Request { if_match, ..Request::with("PUT", &target, &body) };
    let (got, began, ended) = caller.ask(&field.admin, request);
    let output = match got {
        Got::Nothing => return,
        Got::Unknown => None,
        Got::Answer(answer) => {
            let version = answer.body.get("currentVersionNumber");
            match (answer.status, version.and_then(serde_json::Value::as_u64)) {
                (200, Some(version)) => Some(SecretOutput::Wrote { version }),
                (412, _) if known.is_some() => Some(SecretOutput::Mismatch),
                // Others were faster again and again: it surely did not happen.
                (409, _) if known.is_none() => return,
                _ => return caller.is_odd("a write", &answer),
            }
        }
    };
    let input = match known {
        Some((seen, _)) => SecretInput::WriteIf { value, seen: *seen },
        None => SecretInput::Write { value },
    };
    note(field, which, Call { input, output, began, ended });
}

fn use_right(caller: &mut Caller<'_>) {
    let field = caller.field;
    let Some((id, _)) = field.secrets.first() else { return };
    let target = format!("/20190301/secretbundles/{id}");
    let (got, began, ended) = caller.ask(&field.reader, Request::get(&target));
    let Got::Answer(answer) = got else { return };
    let output = match answer.status {
        200 => RightOutput::Allowed,
        404 => RightOutput::Refused,
        _ => return caller.is_odd("a use of a right", &answer),
    };
    let call = Call { input: RightInput::Use, output: Some(output), began, ended };
    field.seen().right.push(call);
}

/// The statements of the policy, with which the reader may read and without.
pub(crate) fn statements(reader: &str, given: bool) -> Vec<String> {
    let group = group_of(reader);
    let verb = if given { "read" } else { "inspect" };
    vec![
        format!("Allow group {group} to {verb} secret-family in tenancy"),
        format!("Allow group {group} to use keys in tenancy"),
    ]
}

/// Gives and takes the reader's right until the history ends.
pub(crate) fn change_right(field: &Field, seed: u64) {
    let mut caller = Caller::new(field, seed);
    while !field.is_over() {
        caller.pause(ADMIN_PAUSE_MS);
        let given = caller.dice.roll(2) == 0;
        let body = json!({"statements": statements(&field.reader_name, given)});
        let target = format!("/20160918/policies/{}", field.policy);
        let (got, began, ended) = caller.ask(&field.admin, Request::with("PUT", &target, &body));
        let output = match got {
            Got::Nothing => continue,
            Got::Unknown => None,
            Got::Answer(answer) if answer.status == 200 => Some(RightOutput::Done),
            Got::Answer(answer) => {
                caller.is_odd("a change of a policy", &answer);
                continue;
            }
        };
        let input = if given { RightInput::Give } else { RightInput::Take };
        field.seen().right.push(Call { input, output, began, ended });
    }
}
