use strongroom_model::{Ocid, ResourcePrincipal};
use strongroom_policy::parse_rule;

use super::fault::Fault;
use super::report::{Finding, Outcome};

/// A dynamic group with its matching rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRule {
    /// Name.
    pub name: String,
    /// The rule.
    pub rule: String,
}

/// Judges which dynamic groups a machine is in, by its OCID and its compartment. Tags are not seen
/// from here, so that rules that name them are left open.
#[must_use]
pub fn judge_groups(machine: &ResourcePrincipal, groups: &[GroupRule]) -> Outcome {
    let (mut within, mut open, mut failing) = (Vec::new(), Vec::new(), Vec::new());
    for group in groups {
        match clause(machine, &group.rule) {
            Ok(()) => within.push(group.name.clone()),
            Err(clause) if clause.contains("tag.") => open.push(format!("`{}`", group.name)),
            Err(clause) => failing.push(format!("`{}`: `{clause}` does not hold", group.name)),
        }
    }
    if !within.is_empty() {
        return Outcome::Passed(format!("in {}", within.join(", ")));
    }
    if !open.is_empty() {
        let names = open.join(", ");
        return Outcome::Open(format!(
            "perhaps in {names}: tags decide, which are not seen from here"
        ));
    }
    let why = match failing.as_slice() {
        [] => "there is no dynamic group".to_owned(),
        failing => failing.join("; "),
    };
    Outcome::Found(no_group(&machine.id, machine.compartment_id.as_str(), &why))
}

fn no_group(id: &Ocid, compartment_id: &str, why: &str) -> Finding {
    let of = id.as_str().split('.').nth(1).unwrap_or_default();
    // Statements about any-user, which need no group, are not seen from here.
    Finding::likely(Fault::NoDynamicGroup, format!("this machine ({id}) is in no dynamic group"))
        .because(why)
        .fix(group_for(of, compartment_id))
}

/// Returns the command that makes a dynamic group of a compartment's machines or resources.
pub(super) fn group_for(resource_type: &str, compartment_id: &str) -> String {
    let variable = if resource_type == "instance" { "instance" } else { "resource" };
    format!(
        "oci iam dynamic-group create --name <name> --description <text> --matching-rule \"Any \
         {{{variable}.compartment.id = '{compartment_id}'}}\""
    )
}

/// Returns the clause of a rule that does not hold.
fn clause(machine: &ResourcePrincipal, text: &str) -> Result<(), String> {
    let rule = parse_rule(text).map_err(|_error| "its rule cannot be read".to_owned())?;
    rule.matches(machine).map_err(|place| {
        let part = place.and_then(|place| text.get(place));
        part.unwrap_or(text).to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn machine() -> ResourcePrincipal {
        ResourcePrincipal {
            id: "ocid1.instance.oc1.iad.m".parse().unwrap(),
            resource_type: "instance".to_owned(),
            compartment_id: "ocid1.compartment.oc1..c".parse().unwrap(),
            tags: BTreeMap::new(),
            attributes: BTreeMap::new(),
        }
    }

    fn judged(rules: &[&str]) -> Outcome {
        let group =
            |(n, rule): (usize, &&str)| GroupRule { name: n.to_string(), rule: (*rule).into() };
        let groups: Vec<GroupRule> = rules.iter().enumerate().map(group).collect();
        judge_groups(&machine(), &groups)
    }

    #[test]
    fn the_clause_that_fails_is_named() {
        let own = "Any {instance.compartment.id = 'ocid1.compartment.oc1..c'}";
        let other = "All {instance.id = 'ocid1.instance.oc1.iad.m', \
                     instance.compartment.id = 'ocid1.compartment.oc1..d'}";
        assert_eq!(judged(&[other, own]), Outcome::Passed("in 1".to_owned()));
        let Outcome::Found(found) = judged(&[other, "nonsense"]) else { panic!("not found") };
        assert_eq!(
            (found.fault, found.certainty),
            (Fault::NoDynamicGroup, super::super::Certainty::Likely)
        );
        let expected = "`0`: `instance.compartment.id = 'ocid1.compartment.oc1..d'` does not hold";
        assert!(found.why.contains(expected), "{}", found.why);
        assert!(found.fix.unwrap().contains("'ocid1.compartment.oc1..c'"));
        assert!(matches!(judged(&["tag.team.name.value = 'red'"]), Outcome::Open(_)));
        assert!(matches!(judged(&[]), Outcome::Found(_)));
    }
}
