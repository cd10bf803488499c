//! Carries the rotations of secrets on, step by step. Whatever a step brought is committed together
//! with the next step, so that a rotation goes on where it was after the process was killed.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use strongroom_model::{
    Ocid, RotationRun, RotationStep, Secret, SecretRotation, SecretState, SecretVersion, Sensitive,
    StageEvent, Timestamp, VaultState,
};
use strongroom_store::{Batch, Revision, StoreError};
use strongroom_wire::{ErrorCode, RequestId};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::catalog::Catalog;
use crate::consumers::lags_until;
use crate::duty::Shift;
use crate::failure::Failure;
use crate::ops::{NewContent, SecretHome, generated};
use crate::schedule::record_of_secret;
use crate::secret_deletion::{due, find};
use crate::secret_rows;
use crate::shared::Shared;
use crate::target::{StepFailure, StepOutcome, StepWork};

const PAUSE: Duration = Duration::from_secs(1);
const AT_ONCE_MAX: usize = 16;
const TRIES: usize = 32;
/// Steps that turning the clock waits for, so that a target that never ends cannot hold it.
const TURNS_MAX: usize = 256;

/// The rotations that are being carried on in this process.
#[derive(Debug, Default)]
pub(crate) struct Rotations {
    in_flight: Mutex<HashSet<Ocid>>,
    /// Secrets to look at although nothing of theirs is due.
    told: Mutex<BTreeSet<Ocid>>,
    pub(crate) wake: Notify,
}

/// A server, and its turn to do what falls due.
type OnDuty<'a> = (&'a Shared, &'a Shift);

/// The right to carry one secret's rotation on.
struct Turn<'a> {
    rotations: &'a Rotations,
    id: Ocid,
}

impl Rotations {
    /// Has a secret looked at soon: a consumer of it has moved on.
    pub(crate) fn look_at(&self, id: &Ocid) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        self.wake.notify_one();
    }

    /// Returns the secrets that are to be looked at: those, and what is due.
    async fn candidates(
        &self,
        shared: &Shared,
        now: Timestamp,
    ) -> Result<BTreeSet<Ocid>, StoreError> {
        if shared.is_read_only().await {
            return Ok(BTreeSet::new());
        }
        let due = due(shared, now).await?;
        Ok(self.told().into_iter().chain(due).collect())
    }

    fn told(&self) -> BTreeSet<Ocid> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells of how many a step is being done.
    pub(crate) fn running(&self) -> usize {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take(&self, id: &Ocid) -> Option<Turn<'_>> {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.insert(id.clone()).then(|| Turn { rotations: self, id: id.clone() })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let in_flight = self.rotations.in_flight.lock();
        in_flight.unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Looks now, every second and whenever a rotation begins, until the server is to stop. Steps that
/// are being done by then are finished.
pub(crate) async fn keep_rotating(shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let mut steps = JoinSet::new();
    loop {
        if let Some(shift) = shared.duty.shift() {
            begin_steps(&shared, shift, &mut steps).await;
        } else {
            hand_over(&shared).await;
        }
        tokio::select! {
            () = shared.rotations.wake.notified() => {}
            () = tokio::time::sleep(PAUSE) => {}
            _ = stopping.wait_for(|stops| *stops) => break,
        }
        while steps.try_join_next().is_some() {}
    }
    while steps.join_next().await.is_some() {}
}

async fn begin_steps(shared: &Arc<Shared>, shift: Shift, steps: &mut JoinSet<()>) {
    let now = shared.lifecycle_clock.now();
    let ids = shared.rotations.candidates(shared, now).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "rotations that are due were not looked for");
        BTreeSet::new()
    });
    for id in ids {
        if steps.len() >= AT_ONCE_MAX {
            steps.join_next().await;
        }
        let shared = Arc::clone(shared);
        steps.spawn(async move {
            if try_one(&shared, &shift, &id, now).await {
                shared.rotations.wake.notify_one();
            }
        });
    }
}

/// Another node is on duty: what this one was told about is made due, so that it looks.
async fn hand_over(shared: &Shared) {
    for id in shared.rotations.told() {
        if let Err(failure) = make_due(shared, &id).await {
            tracing::warn!(%id, reason = failure.reason, "the node on duty was not told");
        }
    }
}

async fn make_due(shared: &Shared, id: &Ocid) -> Result<(), Failure> {
    let now = shared.lifecycle_clock.now();
    let Some((secret, revision)) = find(shared, id).await? else { return Ok(()) };
    if secret.state != SecretState::Active || secret.rotation.run.is_none() {
        return Ok(());
    }
    let next = Secret { rotation: secret.rotation.put_off(now), ..secret.clone() };
    let batch = secret_rows::write(Batch::new(), Some((&secret, revision)), &next)?;
    match shared.commit_unrecorded(batch).await {
        Ok(_) => Ok(()),
        Err(StoreError::Conflict { .. }) => {
            shared.rotations.look_at(id);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Carries on what is due until nothing is.
pub(crate) async fn run_due(shared: &Shared, shift: &Shift) -> Result<(), Failure> {
    for _ in 0..TURNS_MAX {
        let now = shared.lifecycle_clock.now();
        let mut moved = false;
        for id in shared.rotations.candidates(shared, now).await? {
            moved |= try_one(shared, shift, &id, now).await;
        }
        if !moved {
            break;
        }
    }
    Ok(())
}

/// Carries a rotation on by one step; tells whether anything moved.
async fn try_one(shared: &Shared, shift: &Shift, id: &Ocid, now: Timestamp) -> bool {
    let Some(_turn) = shared.rotations.take(id) else { return false };
    carry_on((shared, shift), id, now).await.unwrap_or_else(|failure| {
        tracing::warn!(%id, reason = failure.reason, "a rotation was not carried on");
        false
    })
}

async fn carry_on((shared, shift): OnDuty<'_>, id: &Ocid, now: Timestamp) -> Result<bool, Failure> {
    let catalog = shared.catalog().await?;
    let Some((secret, revision)) = find(shared, id).await? else { return Ok(false) };
    let vault = catalog.vaults.get(&secret.vault_id);
    let alive = vault.is_some_and(|entry| entry.vault.state == VaultState::Active);
    let is_due = secret.rotation.due().is_some_and(|at| at <= now);
    let retires = |run: &RotationRun| run.step == RotationStep::RetirePreviousVersion;
    let may_move = is_due || secret.rotation.run.as_ref().is_some_and(retires);
    if secret.state != SecretState::Active || secret.is_replica() || !alive || !may_move {
        return Ok(false);
    }
    let Some(run) = &secret.rotation.run else {
        let next = Secret { rotation: begun(new_id(shared), &secret, now), ..secret.clone() };
        let moved = Moved::before_step(next, "begun");
        return write((shared, shift), (&secret, revision), moved).await;
    };
    if let Some(until) = waits_for_consumers(shared, &secret, now).await? {
        if !is_due {
            return Ok(false);
        }
        let rotation = secret.rotation.put_off(until);
        let next = Secret { rotation, ..secret.clone() };
        let moved = Moved::before_step(next, "waits for consumers of the previous version");
        return write((shared, shift), (&secret, revision), moved).await;
    }
    if !shared.duty.holds(shift) {
        return Ok(false);
    }
    let outcome = work(shared, &catalog, &secret, run).await?;
    settle((shared, shift), &secret, run, outcome).await
}

/// A new `opc-work-request-id`.
pub(crate) fn new_id(shared: &Shared) -> String {
    RequestId::compose(None, &*shared.random).as_str().replace('/', "")
}

/// The rotation with a run of this id that begins now.
pub(crate) fn begun(id: String, secret: &Secret, now: Timestamp) -> SecretRotation {
    let run = Some(RotationRun::begin(id, now));
    SecretRotation { run, last_failure: None, ..secret.rotation.clone() }
}

/// Until when the last step is put off, if somebody still holds an older version.
async fn waits_for_consumers(
    shared: &Shared,
    secret: &Secret,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let run = secret.rotation.run.as_ref();
    let run = run.filter(|run| run.step == RotationStep::RetirePreviousVersion);
    let Some((run, deadline)) = run.and_then(|run| Some((run, run.retire_by?))) else {
        return Ok(None);
    };
    if now >= deadline || run.retires(&secret.stages).is_none() {
        return Ok(None);
    }
    let promoted = run.version.unwrap_or(secret.stages.current);
    let until = lags_until(&*shared.store, &secret.id, promoted, now).await?;
    Ok(until.map(|until| until.min(deadline)))
}

/// Tells whether the target system may take the run's version: it waits for its promotion, or the
/// target has promoted it.
fn is_to_be_taken(secret: &Secret, version: u64) -> bool {
    secret.stages.pending == Some(version) || secret.stages.current == version
}

fn overtaken() -> StepFailure {
    StepFailure::lasting("another version was made current or pending meanwhile")
}

/// Has the target system do the step of a run.
async fn work(
    shared: &Shared,
    catalog: &Catalog,
    secret: &Secret,
    run: &RotationRun,
) -> Result<Result<StepOutcome, StepFailure>, Failure> {
    let Some(config) = &secret.rotation.config else {
        return generate(shared, secret, run).await;
    };
    let id = config.target.id();
    let Some(target) = shared.targets.get(id) else {
        let message = format!("this server has no target system {id} in its configuration");
        return Ok(Err(StepFailure::lasting(message)));
    };
    if !target.is_for(&secret.compartment_id) {
        let message = format!(
            "the target system {id} is not for secrets of the compartment {}",
            secret.compartment_id
        );
        return Ok(Err(StepFailure::lasting(message)));
    }
    let current = secret.stages.current;
    let version = match run.step {
        RotationStep::VerifyConnection | RotationStep::CreatePendingVersion => current,
        RotationStep::UpdateTargetSystem | RotationStep::PromotePendingVersion => {
            let version = run.version.unwrap_or(current);
            if !is_to_be_taken(secret, version) {
                return Ok(Err(overtaken()));
            }
            version
        }
        RotationStep::RetirePreviousVersion => match run.retires(&secret.stages) {
            Some(previous) => previous,
            None => return Ok(Ok(StepOutcome::Done)),
        },
    };
    let (step, secret_id) = (run.step, secret.id.clone());
    let mut work = StepWork { step, secret_id, version, content: None, in_use: None };
    if target.system.takes_content() {
        let home = SecretHome::of(shared, catalog, secret)?;
        if let Err(failure) = add_contents(&home, secret, &mut work).await {
            return Ok(Err(StepFailure::passing(failure.reason)));
        }
    }
    Ok(target.system.step(&work).await)
}

async fn add_contents(
    home: &SecretHome<'_>,
    secret: &Secret,
    work: &mut StepWork,
) -> Result<(), Failure> {
    work.content = Some(home.open(secret, work.version).await?);
    if work.step == RotationStep::RetirePreviousVersion {
        work.in_use = Some(home.open(secret, secret.stages.current).await?);
    }
    Ok(())
}

/// A secret without target system: its content is generated, and that is all.
async fn generate(
    shared: &Shared,
    secret: &Secret,
    run: &RotationRun,
) -> Result<Result<StepOutcome, StepFailure>, Failure> {
    match (&secret.generation, run.step) {
        (Some(generation), RotationStep::CreatePendingVersion) => {
            let made = generated(shared, generation).await;
            Ok(made
                .map(StepOutcome::Content)
                .map_err(|failure| StepFailure::lasting(failure.reason)))
        }
        (None, _) => Ok(Err(StepFailure::lasting("the secret has no generation context any more"))),
        (Some(_), _) => Ok(Ok(StepOutcome::Done)),
    }
}

/// A state that a step leads to.
struct Moved {
    next: Secret,
    version: Option<u64>,
    batch: Batch,
    said: String,
    /// What kind of failure it is, if the step failed.
    failure: Option<ErrorCode>,
}

impl Moved {
    /// A state in which a step is still to be done.
    fn before_step(next: Secret, said: &str) -> Self {
        Self { next, version: None, batch: Batch::new(), said: said.to_owned(), failure: None }
    }
}

/// Commits what a step brought, unless the rotation is another one by now.
async fn settle(
    (shared, shift): OnDuty<'_>,
    seen: &Secret,
    run: &RotationRun,
    outcome: Result<StepOutcome, StepFailure>,
) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        let Some((secret, revision)) = find(shared, &seen.id).await? else { return Ok(false) };
        let same =
            |now: &RotationRun| now.work_request_id == run.work_request_id && now.step == run.step;
        if secret.state != SecretState::Active || !secret.rotation.run.as_ref().is_some_and(same) {
            return Ok(false);
        }
        let now = shared.lifecycle_clock.now();
        let moved = match &outcome {
            Ok(outcome) => succeeded(shared, &secret, run, outcome).await?,
            Err(failure) => Err(failure.clone()),
        };
        let moved = moved.unwrap_or_else(|StepFailure { message, is_final }| {
            let said = format!("{} failed: {message}", run.step.name());
            let rotation = secret.rotation.step_failed(message, is_final, now);
            let next = Secret { rotation, ..secret.clone() };
            // What may pass is tried again.
            let code = if is_final { ErrorCode::Conflict } else { ErrorCode::ServiceUnavailable };
            let (version, batch) = (run.version, Batch::new());
            Moved { next, version, batch, said, failure: Some(code) }
        });
        if write((shared, shift), (&secret, revision), moved).await? {
            return Ok(true);
        }
    }
    Err(StoreError::Conflict { key: Vec::new() }.into())
}

/// The state after a step that succeeded; what it brought may be of no use.
async fn succeeded(
    shared: &Shared,
    secret: &Secret,
    run: &RotationRun,
    outcome: &StepOutcome,
) -> Result<Result<Moved, StepFailure>, Failure> {
    let now = shared.lifecycle_clock.now();
    let moment = shared.moment(now);
    let mut batch = Batch::new();
    let (mut next, version) = match (run.step, outcome) {
        (RotationStep::CreatePendingVersion, StepOutcome::Content(content)) => {
            let roomy = secret.with_room(moment);
            if roomy.active_versions() >= moment.active_versions_max {
                let message = "the secret has as many versions as it may, and all are in use";
                return Ok(Err(StepFailure::passing(message)));
            }
            let next = roomy.with_stages(StageEvent::AddPending, now);
            batch = match add_pending(shared, &next, content, now).await {
                Ok(batch) => batch,
                Err(failure) => return Ok(Err(StepFailure::passing(failure.reason))),
            };
            let number = next.stages.latest;
            (next, Some(number))
        }
        (RotationStep::CreatePendingVersion, StepOutcome::Version(number)) => {
            if secret.stages.pending != Some(*number) {
                let message = format!("version {number} is not the pending one");
                return Ok(Err(StepFailure::passing(message)));
            }
            (secret.clone(), Some(*number))
        }
        (RotationStep::CreatePendingVersion, StepOutcome::Done) => {
            return Ok(Err(StepFailure::passing("the step made no version")));
        }
        (RotationStep::PromotePendingVersion, _) => match promoted(secret, run.version, now) {
            Ok(next) => (next, run.version),
            Err(failure) => return Ok(Err(failure)),
        },
        (RotationStep::RetirePreviousVersion, _) if run.retires(&secret.stages).is_some() => {
            (secret.with_stages(StageEvent::RetirePrevious, now), run.version)
        }
        _ => (secret.clone(), run.version),
    };
    next.rotation = next.rotation.step_done(version, now);
    let said = format!("{} done", run.step.name());
    Ok(Ok(Moved { next, version, batch, said, failure: None }))
}

/// The secret with the pending version promoted, unless the target system has done so.
fn promoted(secret: &Secret, version: Option<u64>, now: Timestamp) -> Result<Secret, StepFailure> {
    let next = match version {
        Some(number) if secret.stages.current == number => secret.clone(),
        Some(number) if secret.stages.pending == Some(number) => {
            secret.with_stages(StageEvent::Promote(number), now)
        }
        _ => return Err(overtaken()),
    };
    Ok(Secret { rotation: next.rotation.replacing(next.stages.previous), ..next })
}

async fn add_pending(
    shared: &Shared,
    next: &Secret,
    content: &Sensitive,
    now: Timestamp,
) -> Result<Batch, Failure> {
    let catalog = shared.catalog().await?;
    let version = SecretVersion {
        number: next.stages.latest,
        name: None,
        time_created: now,
        is_generated: true,
    };
    let new = NewContent { version, plaintext: content };
    SecretHome::of(shared, &catalog, next)?.add_version(next, new).await
}

/// Writes a state with its record; tells whether nobody was faster.
async fn write(
    (shared, shift): OnDuty<'_>,
    seen: (&Secret, Revision),
    moved: Moved,
) -> Result<bool, Failure> {
    let batch = secret_rows::write(moved.batch, Some(seen), &moved.next)?;
    let mut record = record_of_secret(shared, "RotateSecret", &moved.next);
    record.version_number = moved.version;
    tracing::info!(id = %moved.next.id, said = moved.said, "rotation");
    match moved.failure {
        Some(code) => record.note_failure(code, &moved.said),
        None => record.reason = Some(moved.said),
    }
    match shared.commit_on(shift, batch, &record).await {
        Ok(_) => Ok(true),
        Err(error) if Shift::is_over(&error) => Err(error.into()),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
