//! Rotations with a target system that can fail, and time that passes at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_model::{RotationStep, Sensitive};
use strongroom_server::{
    ConfiguredTarget, Semantics, StepAnswer, StepFailure, StepOutcome, StepWork, TargetSystem,
    Targets,
};
use tokio::time::Instant;

use crate::house::House;

const FUNCTION: &str = "ocid1.fnfunc.oc1.iad.f";

/// Remembers its work, and fails when it is told to.
#[derive(Debug, Default)]
struct Scripted {
    done: Mutex<Vec<(RotationStep, u64, Vec<u8>)>>,
    fails_at: Mutex<Option<RotationStep>>,
}

impl Scripted {
    /// Tells how often it was asked to do a step.
    fn times(&self, step: RotationStep) -> usize {
        self.done.lock().unwrap().iter().filter(|(done, ..)| *done == step).count()
    }
}

impl TargetSystem for Scripted {
    fn takes_content(&self) -> bool {
        true
    }

    fn step<'a>(&'a self, work: &'a StepWork) -> StepAnswer<'a> {
        let content = work.content.as_ref().unwrap().expose().to_vec();
        assert_eq!(work.in_use.is_some(), work.step == RotationStep::RetirePreviousVersion);
        let mut done = self.done.lock().unwrap();
        done.push((work.step, work.version, content.clone()));
        let outcome = if *self.fails_at.lock().unwrap() == Some(work.step) {
            Err(StepFailure::passing("the target does not answer"))
        } else if work.step == RotationStep::CreatePendingVersion {
            Ok(StepOutcome::Content(Sensitive::new([content, b"+".to_vec()].concat())))
        } else {
            Ok(StepOutcome::Done)
        };
        Box::pin(std::future::ready(outcome))
    }
}

async fn house() -> (House, Arc<Scripted>) {
    house_with_target_for(None).await
}

/// A house whose target system is for secrets of a compartment alone.
async fn house_with_target_for(compartment: Option<&str>) -> (House, Arc<Scripted>) {
    let target = Arc::new(Scripted::default());
    let system: Arc<dyn TargetSystem> = Arc::<Scripted>::clone(&target);
    let compartments = compartment.map(|id| [id.parse().unwrap()].into());
    let targets =
        Targets::from([(FUNCTION.parse().unwrap(), ConfiguredTarget { system, compartments })]);
    (House::with_targets(Semantics::Strict, targets).await, target)
}

fn url(house: &House, rest: &str) -> String {
    format!("/20180608/secrets/{}{rest}", house.sample.secret_id)
}

async fn get(house: &House) -> Value {
    house.send(Some(&house.admin), &url(house, ""), "GET", None).await.body
}

async fn read(house: &House) -> (u16, Vec<u8>) {
    let url = format!("/20190301/secretbundles/{}", house.sample.secret_id);
    let answer = house.send(Some(&house.admin), &url, "GET", None).await;
    let content = answer.body["secretBundleContent"]["content"].as_str().unwrap_or_default();
    (answer.status, STANDARD.decode(content).unwrap())
}

async fn configure(house: &House, scheduled: bool) {
    let config = json!({ "rotationConfig": {
        "isScheduledRotationEnabled": scheduled, "rotationInterval": "P7D",
        "targetSystemDetails": { "targetSystemType": "FUNCTION", "functionId": FUNCTION },
    }});
    let answer = house.send(Some(&house.admin), &url(house, ""), "PUT", Some(&config)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

async fn act(house: &House, action: &str) -> u16 {
    let url = url(house, &format!("/actions/{action}"));
    house.send(Some(&house.admin), &url, "POST", Some(&Value::Null)).await.status
}

/// Waits until the secret is as it should be.
async fn becomes(house: &House, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let shown = get(house).await;
        if wanted(&shown) {
            return shown;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{shown}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_rotations_an_expiry_and_a_deletion_pass_at_once() {
    let (house, target) = house().await;
    let began = Instant::now();
    configure(&house, true).await;
    assert_eq!(get(&house).await["rotationStatus"], "SCHEDULED");
    for rotation in 1..=3 {
        house.turn_clock(7).await;
        let shown = get(&house).await;
        assert_eq!(shown["currentVersionNumber"], rotation + 1, "{shown}");
        assert!(shown["lastRotationTime"].is_string() && shown["nextRotationTime"].is_string());
        let content = [b"c4n4ry".as_slice(), &vec![b'+'; usize::try_from(rotation).unwrap()]];
        assert_eq!(read(&house).await, (200, content.concat()));
    }
    let steps: Vec<_> = target.done.lock().unwrap().iter().map(|(step, ..)| *step).collect();
    assert_eq!(steps, RotationStep::ALL[..4].repeat(3));
    assert_eq!(act(&house, "cancelRotation").await, 200);
    assert_eq!(get(&house).await["rotationStatus"], "NOT_ENABLED");
    let rules = json!({ "secretRules": [{
        "ruleType": "SECRET_EXPIRY_RULE", "secretVersionExpiryInterval": "P5D",
        "isSecretContentRetrievalBlockedOnExpiry": true,
    }]});
    house.send(Some(&house.admin), &url(&house, ""), "PUT", Some(&rules)).await;
    assert_eq!(read(&house).await.0, 200);
    house.turn_clock(6).await;
    assert_eq!(read(&house).await.0, 409);
    assert_eq!(act(&house, "scheduleDeletion").await, 200);
    house.turn_clock(29).await;
    assert_eq!(get(&house).await["lifecycleState"], "PENDING_DELETION");
    house.turn_clock(2).await;
    assert_eq!(get(&house).await["lifecycleState"], "DELETED");
    println!("three rotations, an expiry and a deletion took {:?}", began.elapsed());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_step_leaves_current_as_it_was_and_is_tried_again() {
    for step in &RotationStep::ALL[..4] {
        let (house, target) = house().await;
        configure(&house, false).await;
        *target.fails_at.lock().unwrap() = Some(*step);
        assert_eq!(act(&house, "rotate").await, 202);
        let failed = |shown: &Value| {
            shown["lifecycleDetails"].as_str().is_some_and(|text| text.contains(step.name()))
        };
        let shown = becomes(&house, failed).await;
        assert_eq!(shown["rotationStatus"], "IN_PROGRESS");
        assert_eq!(shown["currentVersionNumber"], 1);
        assert_eq!(read(&house).await, (200, b"c4n4ry".to_vec()), "nobody is stranded");
        assert_eq!(act(&house, "rotate").await, 409, "one rotation at a time");
        *target.fails_at.lock().unwrap() = None;
        let shown = becomes(&house, |shown| shown["currentVersionNumber"] == 2).await;
        let shown =
            if shown["rotationStatus"] == "NOT_ENABLED" { shown } else { get(&house).await };
        assert_eq!(shown["lifecycleDetails"], Value::Null);
        assert_eq!(read(&house).await, (200, b"c4n4ry+".to_vec()));
        let made = target.done.lock().unwrap().clone();
        let updated = made.iter().find(|(step, ..)| *step == RotationStep::UpdateTargetSystem);
        assert_eq!(updated.unwrap(), &(RotationStep::UpdateTargetSystem, 2, b"c4n4ry+".to_vec()));
        let audited = house.records().await;
        let told = |word: &str| {
            let reason = format!("{} {word}", step.name());
            let record = audited.iter().find(|record| {
                record["operation"] == "RotateSecret"
                    && record["reason"].as_str().is_some_and(|text| text.starts_with(&reason))
            });
            record.map(|record| (record["status"].clone(), record["code"].clone()))
        };
        assert_eq!(told("failed"), Some((json!(503), json!("ServiceUnavailable"))));
        assert_eq!(told("done"), Some((json!(200), Value::Null)), "{}", step.name());
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_of_another_compartment_is_not_touched() {
    let other = "ocid1.compartment.oc1..other";
    let (house, target) = house_with_target_for(Some(other)).await;
    configure(&house, false).await;
    assert_eq!(act(&house, "rotate").await, 202);
    let shown = becomes(&house, |shown| shown["rotationStatus"] == "NOT_ENABLED").await;
    let told = shown["lifecycleDetails"].as_str().unwrap();
    assert!(told.contains("is not for secrets of the compartment"), "{told}");
    assert!(told.contains(shown["compartmentId"].as_str().unwrap()), "{told}");
    assert!(!told.contains(other), "{told}");
    assert_eq!(*target.done.lock().unwrap(), []);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_not_configured_fails_visibly() {
    let house = House::open(Semantics::Strict).await;
    assert_eq!(act(&house, "rotate").await, 409, "nothing says how");
    configure(&house, false).await;
    assert_eq!(act(&house, "rotate").await, 202);
    let shown = becomes(&house, |shown| shown["rotationStatus"] == "NOT_ENABLED").await;
    assert!(shown["lifecycleDetails"].as_str().unwrap().contains(FUNCTION), "{shown}");
    assert_eq!(shown["currentVersionNumber"], 1);
    let audited = house.records().await;
    let failed = audited.iter().rfind(|record| record["source"] == "schedule").unwrap();
    assert_eq!((&failed["status"], &failed["code"]), (&json!(409), &json!("Conflict")));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_generated_rotates_by_itself() {
    let house = House::open(Semantics::Strict).await;
    let change = json!({
        "enableAutoGeneration": true,
        "secretGenerationContext": { "generationType": "BYTES", "generationTemplate": "BYTES_512" },
    });
    house.send(Some(&house.admin), &url(&house, ""), "PUT", Some(&change)).await;
    assert_eq!(get(&house).await["currentVersionNumber"], 1, "configured, not made anew");
    assert_eq!(act(&house, "rotate").await, 202);
    becomes(&house, |shown| shown["currentVersionNumber"] == 2).await;
    assert_eq!(read(&house).await.1.len(), 512);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_meanwhile_is_not_overwritten() {
    let (house, target) = house().await;
    configure(&house, false).await;
    *target.fails_at.lock().unwrap() = Some(RotationStep::UpdateTargetSystem);
    assert_eq!(act(&house, "rotate").await, 202);
    becomes(&house, |shown| shown["lifecycleDetails"].is_string()).await;
    let content = json!({ "secretContent": { "contentType": "BASE64", "content": "bWluZQ==" } });
    house.send(Some(&house.admin), &url(&house, ""), "PUT", Some(&content)).await;
    // What was being asked when the upload came is answered by then.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let asked = target.times(RotationStep::UpdateTargetSystem);
    *target.fails_at.lock().unwrap() = None;
    let shown = becomes(&house, |shown| shown["rotationStatus"] == "NOT_ENABLED").await;
    assert!(shown["lifecycleDetails"].as_str().unwrap().contains("meanwhile"), "{shown}");
    assert_eq!(read(&house).await, (200, b"mine".to_vec()));
    let again = target.times(RotationStep::UpdateTargetSystem);
    assert_eq!(again, asked, "the target was given what is not to be used any more");
    house.close().await;
}

/// A house whose secret was rotated and waits for a consumer of version 1.
async fn waiting_house() -> (House, Arc<Scripted>) {
    let (house, target) = house().await;
    configure(&house, false).await;
    put(&house, &own(&house, "/retirement"), json!({ "deadlineSeconds": 3600 })).await;
    report(&house, 1).await;
    assert_eq!(act(&house, "rotate").await, 202);
    let waits = |shown: &Value| {
        let text = shown["lifecycleDetails"].as_str().unwrap_or_default();
        shown["currentVersionNumber"] == 2 && text.contains("every consumer")
    };
    becomes(&house, waits).await;
    (house, target)
}

fn own(house: &House, rest: &str) -> String {
    format!("/_strongroom/v1/secrets/{}{rest}", house.sample.secret_id)
}

async fn put(house: &House, url: &str, body: Value) {
    assert_eq!(house.send(Some(&house.admin), url, "PUT", Some(&body)).await.status, 200);
}

/// Has the consumer say which version it holds.
async fn report(house: &House, number: u64) {
    put(house, &own(house, "/consumers/app"), json!({ "versionNumber": number })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rotation_did_not_replace_is_not_retired() {
    let (house, target) = waiting_house().await;
    // Made from what the rotation brought: the target may know both by the same name.
    let content = json!({ "secretContent": { "contentType": "BASE64", "content": "bWluZQ==" } });
    put(&house, &url(&house, ""), content).await;
    report(&house, 3).await;
    becomes(&house, |shown| shown["rotationStatus"] == "NOT_ENABLED").await;
    // Who was about to retire version 1 when the upload came may have done so.
    let retires = |done: &(RotationStep, u64, Vec<u8>)| {
        (done.0, done.1) == (RotationStep::RetirePreviousVersion, 2)
    };
    assert!(!target.done.lock().unwrap().iter().any(retires), "what the current one may use");
    let second = house.send(Some(&house.admin), &url(&house, "/version/2"), "GET", None).await;
    assert_eq!(second.body["stages"], json!(["PREVIOUS"]), "kept for rollback");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_current_between_a_rotation_and_a_rollback_to_it_is_not_retired() {
    let (house, target) = waiting_house().await;
    let content = json!({ "secretContent": { "contentType": "BASE64", "content": "bWluZQ==" } });
    put(&house, &url(&house, ""), content).await;
    put(&house, &url(&house, ""), json!({ "currentVersionNumber": 2 })).await;
    report(&house, 2).await;
    becomes(&house, |shown| shown["rotationStatus"] == "NOT_ENABLED").await;
    let retires = |done: &(RotationStep, u64, Vec<u8>)| {
        (done.0, done.1) == (RotationStep::RetirePreviousVersion, 3)
    };
    assert!(!target.done.lock().unwrap().iter().any(retires), "what the current one may use");
    let third = house.send(Some(&house.admin), &url(&house, "/version/3"), "GET", None).await;
    assert_eq!(third.body["stages"], json!(["PREVIOUS", "LATEST"]));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rotation_replaced_is_retired_when_its_consumers_have_moved_on() {
    let (house, target) = waiting_house().await;
    report(&house, 2).await;
    becomes(&house, |shown| shown["rotationStatus"] == "NOT_ENABLED").await;
    let last = target.done.lock().unwrap().last().map(|(step, number, _)| (*step, *number));
    assert_eq!(last, Some((RotationStep::RetirePreviousVersion, 1)));
    let first = house.send(Some(&house.admin), &url(&house, "/version/1"), "GET", None).await;
    assert_eq!(first.body["stages"], json!(["DEPRECATED"]));
    house.close().await;
}
