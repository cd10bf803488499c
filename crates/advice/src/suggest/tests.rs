use serde_json::json;
use strongroom_policy::parse;
use strongroom_testkit::Dice;

use super::*;
use crate::ask::{Ask, answer};
use crate::tenancy_file::PolicyEntry;

const CASES: &str = include_str!("../../../policy/tests/corpus/cases-public.json");

fn file(statements: &[String]) -> TenancyFile {
    let mut document: serde_json::Value = serde_json::from_str(CASES).unwrap();
    document["policies"] = json!([{ "name": "p", "attach": "root", "statements": statements }]);
    TenancyFile::read(&document.to_string()).unwrap()
}

fn owned(statements: &[&str]) -> Vec<String> {
    statements.iter().map(|text| (*text).to_owned()).collect()
}

fn ask(who: &str) -> SuggestAsk {
    SuggestAsk {
        who: who.to_owned(),
        who_in: None,
        who_tags: Vec::new(),
        semantics: Semantics::Strict,
        exact: false,
        patterns: false,
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

/// A call of a user on a secret of a compartment.
fn call(who: &str, operation: &str, place: &str, name: &str) -> AuditEvent {
    let text = |text: String| Some(text);
    AuditEvent {
        operation: text(operation.to_owned()),
        principal_id: text(format!("ocid1.user.oc1..{who}")),
        compartment_id: text(format!("ocid1.compartment.oc1..{place}")),
        resource_id: (!name.is_empty()).then(|| format!("ocid1.vaultsecret.oc1..{name}")),
        resource_name: (!name.is_empty()).then(|| name.to_owned()),
        key_id: text("ocid1.key.oc1..k".to_owned()),
        key_compartment_id: text("ocid1.compartment.oc1..security".to_owned()),
        status: Some(200),
        ..AuditEvent::default()
    }
}

fn suggested(statements: &[&str], ask: &SuggestAsk, events: &[AuditEvent]) -> Suggestion {
    suggest(&file(&owned(statements)), ask, events).unwrap()
}

const BROAD: [&str; 2] = [
    "Allow group SecretReaders to manage secret-family in compartment Apps",
    "Allow group SecretReaders to use keys in tenancy",
];

#[test]
fn reads_become_names_places_and_the_key() {
    let events = [
        call("alice", "GetSecretBundle", "prod", "db"),
        call("alice", "GetSecretBundle", "prod", "db"),
        call("alice", "GetSecretBundleByName", "prod", "api"),
        call("alice", "ListSecrets", "dev", ""),
        call("bob", "GetSecretBundle", "dev", "of-another"),
    ];
    let found = suggested(&BROAD, &ask("alice"), &events);
    assert_eq!(
        found.statements,
        [
            "Allow group SecretReaders to inspect secrets in compartment Apps:Dev",
            "Allow group SecretReaders to read secret-bundles in compartment Apps:Prod where any \
             {target.secret.name = 'api', target.secret.name = 'db'}",
            "Allow group SecretReaders to use keys in compartment Security where target.key.id = \
             'ocid1.key.oc1..k'",
        ]
    );
    assert_eq!((found.calls, found.kinds, found.principal.as_str()), (4, 3, "user alice"));
    assert!(found.compared > 0 && found.notes.is_empty() && found.left_out.is_empty());
    assert!(found.is_proved && found.compared == found.classes);
    let [family, keys] = found.held.as_slice() else { panic!("{:?}", found.held) };
    assert_eq!((family.calls, keys.calls), (4, 3));
    assert_eq!(keys.used, ["KEY_DECRYPT"]);
    assert!(family.used.contains(&"SECRET_BUNDLE_READ".to_owned()));
    assert!(family.unused.iter().any(|words| words.contains("secret-versions")), "{family:?}");
}

#[test]
fn what_could_not_be_compared_whole_is_not_proved() {
    let names: Vec<String> = (0..12).map(|number| format!("target.v{number}.name = 'a'")).collect();
    let denies = format!(
        "Deny group SecretReaders to read secret-bundles in compartment Apps where all {{{}}}",
        names.join(", ")
    );
    let events = [call("alice", "GetSecretBundle", "prod", "db")];
    let ask = SuggestAsk { semantics: Semantics::Oracle, ..ask("alice") };
    let found = suggested(&[BROAD[0], &denies], &ask, &events);
    assert_eq!(
        found.statements,
        ["Allow group SecretReaders to read secret-bundles in compartment Apps:Prod where \
          target.secret.name = 'db'"]
    );
    assert!(!found.is_proved && found.compared < found.classes, "{found:?}");

    let mut file = file(&owned(&BROAD));
    file.policies_left_out.push("Apps".to_owned());
    assert!(!suggest(&file, &ask, &events).unwrap().is_proved);
}

#[test]
fn permissions_one_by_one_leave_out_what_a_verb_adds() {
    let events = [call("alice", "GetSecretBundle", "prod", "db")];
    let exact = SuggestAsk { exact: true, ..ask("alice") };
    assert_eq!(
        suggested(&BROAD, &exact, &events).statements,
        [
            "Allow group SecretReaders to {KEY_DECRYPT} in compartment Security where all \
             {target.key.id = 'ocid1.key.oc1..k', target.compartment.id = \
             'ocid1.compartment.oc1..security'}",
            "Allow group SecretReaders to {SECRET_BUNDLE_READ} in compartment Apps:Prod where all \
             {target.secret.name = 'db', target.compartment.id = 'ocid1.compartment.oc1..prod'}",
        ]
    );
}

#[test]
fn a_pattern_is_no_wider_than_what_is_held() {
    let names = ["db-a", "db-b", "db-c", "x"];
    let events = names.map(|name| call("alice", "GetSecretBundle", "prod", name));
    let patterns = SuggestAsk { patterns: true, semantics: Semantics::Oracle, ..ask("alice") };
    let wide = suggested(&BROAD, &patterns, &events);
    let all =
        "Allow group SecretReaders to read secret-bundles in compartment Apps:Prod where any ";
    let text = format!("{all}{{target.secret.name = 'x', target.secret.name = /db-*/}}");
    assert_eq!(wide.statements, [text]);
    let held = names.map(|name| format!("target.secret.name = '{name}'")).join(", ");
    let narrow = format!(
        "Allow group SecretReaders to read secret-bundles in compartment Apps:Prod where any {{{held}}}"
    );
    let found = suggested(&[&narrow], &patterns, &events);
    assert_eq!(found.statements, [format!("{all}{{{held}}}")]);
}

#[test]
fn what_is_held_for_one_operation_stays_so() {
    let held = "Allow group SecretReaders to read secret-bundles in compartment Apps where \
                request.operation = 'GetSecretBundle'";
    let oracle = SuggestAsk { semantics: Semantics::Oracle, ..ask("alice") };
    let events = [call("alice", "GetSecretBundle", "prod", "db")];
    assert_eq!(
        suggested(&[held], &oracle, &events).statements,
        ["Allow group SecretReaders to {SECRET_BUNDLE_READ} in compartment Apps:Prod where all \
          {target.secret.name = 'db', request.operation = 'GetSecretBundle'}"]
    );
}

#[test]
fn a_condition_that_the_log_does_not_tell_is_kept() {
    let held = "Allow group SecretReaders to read secret-bundles in compartment Apps where \
                request.networkSource.name = 'office'";
    let oracle = SuggestAsk { semantics: Semantics::Oracle, ..ask("alice") };
    let events = [
        call("alice", "GetSecretBundle", "prod", "db"),
        call("alice", "GetKey", "security", ""),
        AuditEvent { status: Some(404), ..call("alice", "GetSecretBundle", "prod", "gone") },
        call("alice", "GetSecretBundle", "elsewhere", "db"),
    ];
    let found = suggested(&[held], &oracle, &events);
    assert_eq!(found.statements, [held]);
    assert!(found.notes.iter().any(|note| note.starts_with("1 of them as they are")));
    let reasons: Vec<(&str, u64)> =
        found.left_out.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    assert_eq!(
        reasons,
        [
            ("GetKey: the policies at hand do not allow it", 1),
            ("GetSecretBundle: a compartment of it is not there any more", 1),
            ("GetSecretBundle: refused, or failed", 1),
        ]
    );
}

#[test]
fn a_group_is_asked_for_as_a_whole_and_nobody_for_nothing() {
    let events = [call("alice", "GetSecretBundle", "prod", "db")];
    let found = suggested(&BROAD, &ask("group:SecretReaders"), &events);
    assert_eq!((found.calls, found.statements.len()), (1, 2));
    let idle = suggested(&BROAD, &ask("bob"), &events);
    assert!(idle.statements.is_empty() && idle.held.is_empty());
    let unknown = suggest(&file(&[]), &ask("alic"), &events).unwrap_err();
    assert_eq!(unknown.similar.as_deref(), Some("alice"));
}

const NAMES: [&str; 5] = ["db-a", "db-b", "db-c", "api", "api-key"];
const PLACES: [(&str, &str); 4] = [
    ("prod", "Apps:Prod"),
    ("proddb", "Apps:Prod:DB"),
    ("dev", "Apps:Dev"),
    ("security", "Security"),
];
const OPERATIONS: [&str; 8] = [
    "GetSecretBundle",
    "GetSecretBundleByName",
    "ListSecretBundleVersions",
    "GetSecret",
    "UpdateSecret",
    "ListSecretVersions",
    "ScheduleSecretDeletion",
    "RotateSecret",
];

fn random_statement(dice: &mut Dice) -> String {
    let group = dice.pick(&["group SecretAdmins", "group Developers", "any-user"]);
    let verb = dice.pick(&["inspect", "read", "use", "manage"]);
    let what =
        dice.pick(&["secret-family", "secrets", "secret-bundles", "secret-versions", "keys"]);
    let place = dice.pick(&[
        "tenancy",
        "compartment Apps",
        "compartment Apps:Prod",
        "compartment Security",
    ]);
    let condition = dice.pick(&[
        "",
        "",
        " where target.secret.name = /db-*/",
        " where target.secret.name = 'api'",
        " where request.operation = 'GetSecretBundle'",
        " where any {target.secret.name = 'db-a', request.operation = 'GetSecret'}",
    ]);
    format!("Allow {group} to {verb} {what} in {place}{condition}")
}

fn is_allowed(file: &TenancyFile, event: &AuditEvent, place: &str) -> bool {
    let variables = [
        ("target.secret.name", event.resource_name.clone()),
        ("target.secret.id", event.resource_id.clone()),
        ("target.key.id", event.key_id.clone()),
    ];
    let operation = event.operation.clone().unwrap();
    let bundle = operation.starts_with("GetSecretBundle");
    let asked = Ask {
        who: "bob".to_owned(),
        who_in: None,
        who_tags: Vec::new(),
        what: operation,
        target: place.to_owned(),
        key_in: bundle.then(|| "Security".to_owned()),
        vault_in: None,
        to: None,
        variables: variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    answer(file, &asked, Semantics::Strict).unwrap().allowed
}

/// Policies, calls that they allow with the places, and what is suggested.
struct Round {
    statements: Vec<String>,
    now: TenancyFile,
    seen: Vec<(AuditEvent, &'static str)>,
    exact: bool,
    found: Suggestion,
    /// The policies are just what is suggested.
    then: TenancyFile,
}

impl Round {
    fn play(dice: &mut Dice, exact: bool) -> Self {
        let statements: Vec<String> = (0..=dice.roll(4)).map(|_| random_statement(dice)).collect();
        let now = file(&statements);
        let mut seen = Vec::new();
        for _ in 0..12 {
            let (key, place) = PLACES[dice.roll(PLACES.len())];
            let event = call("bob", dice.pick(&OPERATIONS), key, dice.pick(&NAMES));
            if is_allowed(&now, &event, place) {
                seen.push((event, place));
            }
        }
        let events: Vec<AuditEvent> = seen.iter().map(|(event, _)| event.clone()).collect();
        let found = suggest(&now, &SuggestAsk { exact, ..ask("bob") }, &events).unwrap();
        let entry = PolicyEntry {
            name: None,
            attach: "root".to_owned(),
            statements: found.statements.clone(),
        };
        let then = TenancyFile { policies: vec![entry], ..now.clone() };
        Self { statements, now, seen, exact, found, then }
    }

    /// Counts the calls that were seen, and are allowed.
    fn check_seen(&self) -> usize {
        assert_eq!(usize::try_from(self.found.calls).unwrap(), self.seen.len());
        for statement in &self.found.statements {
            assert_eq!(parse(statement).unwrap().to_string(), *statement);
        }
        for (event, place) in &self.seen {
            let allowed = is_allowed(&self.then, event, place);
            assert!(allowed, "{event:?} {:#?} {:#?}", self.statements, self.found);
        }
        self.seen.len()
    }

    /// Counts the others, and they are denied.
    fn check_others(&self) -> usize {
        let kept = self.found.notes.iter().any(|note| note.contains("as they are"));
        let mut denied = 0;
        for (key, place) in PLACES {
            for (name, operation) in NAMES.iter().flat_map(|name| OPERATIONS.map(|of| (name, of))) {
                let event = call("bob", operation, key, name);
                let allowed = is_allowed(&self.then, &event, place);
                assert!(!allowed || is_allowed(&self.now, &event, place), "{event:?}");
                if !kept && self.is_new(place, name, operation) {
                    assert!(!allowed, "{event:?} {:#?} {:#?}", self.statements, self.found);
                    denied += 1;
                }
            }
        }
        denied
    }

    /// Tells whether nothing like it was seen: on the target, there or above; if permissions are
    /// granted one by one, with the same permission and there.
    fn is_new(&self, place: &str, name: &str, operation: &str) -> bool {
        let is_bundle = |operation: &str| operation.starts_with("GetSecretBundle");
        !self.seen.iter().any(|(event, at)| {
            let seen = event.operation.as_deref().unwrap();
            let there = *at == place || (!self.exact && place.starts_with(at));
            let same = seen == operation || (is_bundle(seen) && is_bundle(operation));
            there && event.resource_name.as_deref() == Some(name) && (!self.exact || same)
        })
    }
}

/// All that was seen is allowed, nothing becomes allowed, what was never seen on a target is not
/// (but for what a verb brings with it, unless permissions are granted one by one), and every
/// statement is read again as it was written.
#[test]
fn suggestions_allow_what_was_seen_and_no_more() {
    let rounds = option_env!("STRONGROOM_SUGGEST_ROUNDS").map_or(12, |text| text.parse().unwrap());
    let mut dice = Dice::new(Some(7));
    let (mut allowed, mut denied) = (0, 0);
    for number in 0..rounds {
        let round = Round::play(&mut dice, number % 2 == 0);
        allowed += round.check_seen();
        denied += round.check_others();
    }
    println!("{rounds} sets: {allowed} calls allowed, {denied} others denied");
    assert!(allowed > rounds && denied > rounds);
}
