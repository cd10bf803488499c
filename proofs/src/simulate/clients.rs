//! Clients of a simulated world.

use std::sync::Arc;

use serde_json::{Value, json};
use strongroom_testkit::Dice;
use tokio::time::sleep;

use super::world::{NODES, World, millis};
use crate::Outcome;
use crate::history::{RightInput, RightOutput, SecretInput, SecretOutput};
use crate::linearize::LOST;
use crate::wgl::Call;
use strongroom_rig::{Answer, Identity, NoAnswer, Request, text};
use strongroom_rig::{content, value_in};

/// Secrets that are used; the first is read by the reader as well.
pub(crate) const SECRETS: usize = 3;
const CLIENTS: usize = 4;
/// Names that several clients want for a secret of theirs.
const NAMES: usize = 4;
const PAUSE_MS: usize = 120;
/// A signature is good for five minutes: a clock that is off by more refuses all.
const SKEW_SECS: u64 = 300;

/// What clients work on.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) secrets: Vec<String>,
    reader: Identity,
    policy: String,
}

impl Field {
    /// Makes secrets, a reader and a policy, in good weather.
    pub(crate) async fn prepare(world: &World, reader: &Identity, user: &str) -> Outcome<Self> {
        let mut secrets = Vec::with_capacity(SECRETS);
        for number in 0..SECRETS {
            let body = new_secret(world, &format!("s{number}"), 0)?;
            let request = Request::with("POST", "/20180608/secrets", &body);
            secrets.push(text(&world.success(&world.admin, request).await?.body, "id")?);
        }
        let tenancy = world.founded.tenancy_id.to_string();
        let group = json!({"compartmentId": tenancy, "name": "readers", "description": "r"});
        let group = made(world, "/20160918/groups", &group).await?;
        made(world, "/20160918/userGroupMemberships", &json!({"userId": user, "groupId": group}))
            .await?;
        let policy = json!({
            "compartmentId": tenancy, "name": "p", "description": "p",
            "statements": statements(false),
        });
        let policy = made(world, "/20160918/policies", &policy).await?;
        Ok(Self { secrets, reader: reader.clone(), policy })
    }
}

/// Makes a user who signs with a key, and returns who it is and the user's identifier.
pub(crate) async fn new_user(
    world: &World,
    key: &Arc<strongroom_signing::PrivateKey>,
) -> Outcome<(Identity, String)> {
    let tenancy = world.founded.tenancy_id.to_string();
    let user = json!({"compartmentId": tenancy, "name": "reader", "description": "r"});
    let user = made(world, "/20160918/users", &user).await?;
    let public = key.public()?;
    let upload = json!({"key": public.to_pem()});
    let target = format!("/20160918/users/{user}/apiKeys");
    world.success(&world.admin, Request::with("POST", &target, &upload)).await?;
    let key_id = [tenancy, user.clone(), public.fingerprint()].join("/");
    Ok((Identity { key_id, key: Arc::clone(key) }, user))
}

async fn made(world: &World, target: &str, body: &Value) -> Outcome<String> {
    text(&world.success(&world.admin, Request::with("POST", target, body)).await?.body, "id")
}

fn new_secret(world: &World, name: &str, value: u64) -> Outcome<Value> {
    let sample = world.founded.sample.as_ref().ok_or("there is no sample")?;
    Ok(json!({
        "compartmentId": sample.compartment_id, "vaultId": sample.vault_id, "keyId": sample.key_id,
        "secretName": name, "secretContent": content(value),
    }))
}

fn statements(given: bool) -> [String; 2] {
    let verb = if given { "read" } else { "inspect" };
    [
        format!("Allow group readers to {verb} secret-family in tenancy"),
        "Allow group readers to use keys in tenancy".to_owned(),
    ]
}

/// One of the clients.
struct Caller {
    world: Arc<World>,
    field: Arc<Field>,
    number: usize,
    dice: Dice,
    /// The version and etag that this client saw last of each secret.
    held: Vec<Option<(u64, String)>>,
    writes: u64,
}

/// Lets clients do `ops` operations, together.
pub(crate) async fn work(world: &Arc<World>, field: &Arc<Field>, seed: u64, ops: usize) {
    let mut tasks = Vec::new();
    for number in 0..=CLIENTS {
        let caller = Caller {
            world: Arc::clone(world),
            field: Arc::clone(field),
            number,
            dice: Dice::new(Some(seed.wrapping_mul(31).wrapping_add(number as u64))),
            held: vec![None; SECRETS],
            writes: 0,
        };
        let own = ops / (CLIENTS + 1);
        tasks.push(tokio::spawn(caller.run(own)));
    }
    for task in tasks {
        if task.await.is_err() {
            world.seen().odd.push("a client panicked".to_owned());
        }
    }
}

impl Caller {
    async fn run(mut self, ops: usize) {
        for _ in 0..ops {
            sleep(millis(self.dice.roll(PAUSE_MS))).await;
            if self.number == CLIENTS {
                self.change_right().await;
                continue;
            }
            let which = self.dice.roll(SECRETS);
            match self.dice.roll(16) {
                0..5 => self.read(which).await,
                5..8 => self.write(which, None).await,
                8..11 => {
                    let seen = self.held.get(which).cloned().flatten();
                    self.write(which, seen).await;
                }
                11 => self.make().await,
                _ => self.use_right().await,
            }
        }
    }

    /// Asks a node of chance. Nothing comes back if nothing happened; no answer, if it may have.
    async fn ask(
        &mut self,
        who: &Identity,
        request: Request<'_>,
    ) -> Option<(Option<Answer>, u64, u64)> {
        let node = self.dice.roll(NODES);
        let began = self.world.time.micros();
        let off = |world: &World| world.clock(node).map_or(0, |clock| clock.off_secs());
        let off_before = off(&self.world);
        let said = self.world.ask(node, who, request).await;
        let ended = self.world.time.micros();
        let is_off =
            off_before.unsigned_abs().max(off(&self.world).unsigned_abs()) >= SKEW_SECS - 30;
        let mut seen = self.world.seen();
        seen.ops += 1;
        let status = said.as_ref().map(|answer| answer.status);
        let (number, method) = (self.number, request.method);
        seen.trace(&format!("{began} {ended} {number} {node} {method} {status:?}"));
        match said {
            Ok(answer) if answer.status == LOST => Some((None, began, ended)),
            Ok(answer) => {
                seen.answer(&answer);
                match answer.status {
                    401 if is_off => None,
                    500.. => Some((None, began, ended)),
                    _ => Some((Some(answer), began, ended)),
                }
            }
            Err(NoAnswer::Lost) => Some((None, began, ended)),
            Err(NoAnswer::Unreached) => None,
        }
    }

    fn odd(&self, what: &str, answer: &Answer) {
        self.world.seen().odd.push(format!("{what}: {} {}", answer.status, answer.body));
    }

    fn value(&mut self) -> u64 {
        self.writes += 1;
        self.number as u64 * 1_000_000 + self.writes
    }

    async fn read(&mut self, which: usize) {
        let Some(id) = self.field.secrets.get(which).cloned() else { return };
        let target = format!("/20190301/secretbundles/{id}");
        let admin = self.world.admin.clone();
        let asked = self.ask(&admin, Request::get(&target)).await;
        let Some((Some(answer), began, ended)) = asked else { return };
        let version = answer.body.get("versionNumber").and_then(Value::as_u64);
        let (Some(version), Some(value), Some(etag), 200) =
            (version, value_in(&answer.body), answer.etag.clone(), answer.status)
        else {
            return self.odd("a read", &answer);
        };
        if let Some(held) = self.held.get_mut(which) {
            *held = Some((version, etag.clone()));
        }
        let mut seen = self.world.seen();
        seen.trace(&format!("{which} is {version} {value}"));
        let output = Some(SecretOutput::Read { version, value, etag });
        if let Some(calls) = seen.secrets.get_mut(which) {
            calls.push(Call { input: SecretInput::Read, output, began, ended });
        }
    }

    async fn write(&mut self, which: usize, held: Option<(u64, String)>) {
        let Some(id) = self.field.secrets.get(which).cloned() else { return };
        let value = self.value();
        let target = format!("/20180608/secrets/{id}");
        let body = json!({"secretContent": content(value)});
        let if_match = held.as_ref().map(|(_, etag)| etag.as_str());
        let request = Request { if_match, ..Request::with("PUT", &target, &body) };
        let admin = self.world.admin.clone();
        let Some((answer, began, ended)) = self.ask(&admin, request).await else { return };
        let output = match answer {
            None => None,
            Some(answer) => {
                let version = answer.body.get("currentVersionNumber").and_then(Value::as_u64);
                match (answer.status, version) {
                    (200, Some(version)) => Some(SecretOutput::Wrote { version }),
                    (412, _) if held.is_some() => Some(SecretOutput::Mismatch),
                    // Others were faster again and again: it surely did not happen.
                    (409, _) if held.is_none() => return,
                    _ => return self.odd("a write", &answer),
                }
            }
        };
        let input = match held {
            Some((seen, _)) => SecretInput::WriteIf { value, seen },
            None => SecretInput::Write { value },
        };
        if let Some(calls) = self.world.seen().secrets.get_mut(which) {
            calls.push(Call { input, output, began, ended });
        }
    }

    /// Makes a secret whose name others may want at the same time.
    async fn make(&mut self) {
        let name = format!("wanted-{}", self.dice.roll(NAMES));
        let Ok(body) = new_secret(&self.world, &name, 0) else { return };
        let admin = self.world.admin.clone();
        let request = Request::with("POST", "/20180608/secrets", &body);
        let Some((Some(answer), ..)) = self.ask(&admin, request).await else { return };
        match (answer.status, text(&answer.body, "id")) {
            (200, Ok(id)) => self.world.seen().made.entry(name).or_default().push(id),
            // Somebody else has it.
            (400 | 409, _) => {}
            _ => self.odd("a new secret", &answer),
        }
    }

    async fn use_right(&mut self) {
        let Some(id) = self.field.secrets.first() else { return };
        let target = format!("/20190301/secretbundles/{id}");
        let reader = self.field.reader.clone();
        let Some((Some(answer), began, ended)) = self.ask(&reader, Request::get(&target)).await
        else {
            return;
        };
        let output = match answer.status {
            200 => RightOutput::Allowed,
            404 => RightOutput::Refused,
            _ => return self.odd("a use of a right", &answer),
        };
        let call = Call { input: RightInput::Use, output: Some(output), began, ended };
        self.world.seen().right.push(call);
    }

    async fn change_right(&mut self) {
        let given = self.dice.roll(2) == 0;
        let body = json!({"statements": statements(given)});
        let target = format!("/20160918/policies/{}", self.field.policy);
        let admin = self.world.admin.clone();
        let asked = self.ask(&admin, Request::with("PUT", &target, &body)).await;
        let Some((answer, began, ended)) = asked else { return };
        let output = match answer {
            None => None,
            Some(answer) if answer.status == 200 => Some(RightOutput::Done),
            Some(answer) => return self.odd("a change of a policy", &answer),
        };
        let input = if given { RightInput::Give } else { RightInput::Take };
        self.world.seen().right.push(Call { input, output, began, ended });
    }
}
