use super::*;

const CASES: &str = include_str!("../../../policy/tests/corpus/cases-public.json");

fn file(statements: &[&str]) -> TenancyFile {
    let mut document: serde_json::Value = serde_json::from_str(CASES).unwrap();
    document["policies"] = serde_json::json!([{ "attach": "root", "statements": statements }]);
    TenancyFile::read(&document.to_string()).unwrap()
}

fn ask(who: &str, what: &str, target: &str) -> Ask {
    Ask {
        who: who.to_owned(),
        who_in: None,
        who_tags: Vec::new(),
        what: what.to_owned(),
        target: target.to_owned(),
        key_in: None,
        vault_in: None,
        to: None,
        variables: Vec::new(),
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

#[test]
fn each_permission_is_checked_where_its_resource_is() {
    let file = file(&[
        "Allow group SecretReaders to read secret-family in compartment Apps:Prod",
        "Allow group SecretReaders to use keys in compartment Security where target.key.id = 'k'",
    ]);
    let mut asked = ask("alice", "GetSecretBundle", "Apps:Prod");
    assert!(answer(&file, &asked, Semantics::Oracle).unwrap().allowed);
    assert!(!answer(&file, &asked, Semantics::Strict).unwrap().allowed);
    asked.key_in = Some("Security".to_owned());
    asked.variables = vec![("target.key.id".to_owned(), "k".to_owned())];
    let answer = answer(&file, &asked, Semantics::Strict).unwrap();
    let places: Vec<&str> = answer.required.iter().map(|need| need.place.as_str()).collect();
    assert_eq!(places, ["compartment Apps:Prod", "compartment Security"]);
    assert!(answer.allowed, "{answer:?}");
}

#[test]
fn a_statement_that_grants_it_elsewhere_is_nearer_than_one_that_grants_something_else() {
    let file = file(&[
        "Allow group SecretReaders to read secret-family in compartment Apps:Prod",
        "Allow group SecretReaders to inspect keys in compartment Security",
        "Allow group SecretReaders to use keys in compartment Apps:Prod",
    ]);
    let mut asked = ask("alice", "GetSecretBundle", "Apps:Prod");
    asked.key_in = Some("Security".to_owned());
    let answer = answer(&file, &asked, Semantics::Strict).unwrap();
    let considered = answer.required[1].considered.iter();
    let nearest: Vec<_> = considered.map(|one| (one.number, one.failing)).collect();
    assert_eq!(nearest[..2], [(3, Some("location")), (2, Some("action"))]);
}

#[test]
fn a_move_is_checked_in_both_places_or_above_both() {
    let file = file(&["Allow group Developers to manage all-resources in compartment Apps"]);
    let to = |what: &str, target: &str, to: &str| {
        let asked = Ask { to: Some(to.to_owned()), ..ask("dave", what, target) };
        answer(&file, &asked, Semantics::Oracle).unwrap()
    };
    assert!(to("ChangeSecretCompartment", "Apps:Prod", "Apps:Dev").allowed);
    assert!(!to("ChangeSecretCompartment", "Apps:Prod", "Sandbox").allowed);
    let above = to("MoveCompartment", "Apps:Prod", "Apps:Dev");
    assert!(above.allowed && above.required[0].place == "compartment Apps");
    assert_eq!(to("MoveCompartment", "Apps:Prod", "Sandbox").required[0].place, "tenancy");
}

#[test]
fn what_everybody_may_do_to_themselves_needs_no_policy() {
    let file = file(&[]);
    let about = |id: &str| {
        let variables = vec![("target.user.id".to_owned(), format!("ocid1.user.oc1..{id}"))];
        let asked = Ask { variables, ..ask("alice", "UploadApiKey", "tenancy") };
        answer(&file, &asked, Semantics::Oracle).unwrap()
    };
    let with_key = "everybody may do this to themselves with an API key, without a policy";
    assert_eq!(about("alice").notes, [with_key]);
    assert!(about("alice").allowed && !about("bob").allowed);
}

#[test]
fn what_is_written_is_read_again() {
    let file = file(&["Allow any-user to read keys in tenancy"]);
    let again = TenancyFile::read(&file.written().unwrap()).unwrap();
    assert_eq!(again, file);
    assert_eq!(again.statement_count(), 1);
}
