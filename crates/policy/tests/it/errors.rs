//! What is said of mistakes that people make.

use strongroom_policy::{parse, parse_rule};

/// Most of them were found in public.
const STATEMENTS: [&str; 27] = [
    "",
    "Alow group A to read secrets in tenancy",
    "Allow user alice to manage objects in tenancy",
    "Allow group A to raed secret-family in tenancy",
    "Deny group A to delete secrets in tenancy",
    "Allow group A to read secret-famly in tenancy",
    "Allow group A to {SECRET_REED} in tenancy",
    "Allow group A to {SECRET_READ, } in tenancy",
    "Allow group A to {SECRET_READ in tenancy",
    "Allow group A read secrets in tenancy",
    "Allow group A to read secrets on tenancy",
    "Allow group A to read secrets",
    "Allow group A to read secrets in compartmentA",
    "Allow group A to read secrets in compartment id apps",
    "Allow group A to read secrets in compartment apps:",
    "Allow group A to read secrets in tenancy foo",
    "Allow group A to read secrets in tenancy # for the night shift",
    "Allow dynamic-group \"Batch Jobs\" to use keys in tenancy",
    "Allow group 'Ops to use keys in tenancy",
    "Allow group A to read secrets in tenancy where",
    "Allow group A to read secrets in tenancy where target.secret.name == 'db'",
    "Allow group A to read secrets in tenancy where target.secret.name = db",
    "Allow group A to read secrets in tenancy where target.secret.name = /db-*",
    "Allow group A to read secrets in tenancy where target.secret.name like 'db'",
    "Allow group A to read secrets in tenancy where secret.name = 'db'",
    "Allow group A to read secrets in tenancy where tagret.secret.name = 'db'",
    "Allow group A to read secrets in tenancy where request.region = 'IAD' and request.ad = '1'",
];

const MORE: [&str; 8] = [
    "Allow group A to read secrets in tenancy where any {request.region = 'IAD' request.ad = '1'}",
    "Allow group A to read secrets in tenancy where all {request.region = 'IAD'",
    "Allow group A to read secrets in tenancy where all request.region = 'IAD'",
    "Allow group A to read secrets in tenancy where request.utc-timestamp after 2026",
    "Admit group A of any-tenancy to read secrets in tenancy",
    "Define group A as id group-a",
    "Allow group 'Schlüssel\tträger' to raed keys in\n  tenancy",
    "Allow group A to read secrets in ten\u{200d}ancy",
];

const RULES: [&str; 6] = [
    "instance.compartment.id == 'ocid1.compartment.oc1..a'",
    "instance.compartment.id = \"ocid1.compartment.oc1..a\"",
    "resource.typ = 'fnfunc'",
    "All {resource.type = 'fnfunc', }",
    "Any {resource.type = 'fnfunc'",
    "resource.type in ('fnfunc')",
];

#[test]
fn mistakes_are_shown_in_their_place() {
    let mut shown = String::new();
    for text in STATEMENTS.iter().chain(&MORE) {
        let error = parse(text).map_err(|error| error.render(text)).unwrap_err();
        shown.extend([error.as_str(), "\n\n"]);
    }
    for text in RULES {
        let error = parse_rule(text).map_err(|error| error.render(text)).unwrap_err();
        shown.extend([error.as_str(), "\n\n"]);
    }
    insta::assert_snapshot!("errors", shown);
}
