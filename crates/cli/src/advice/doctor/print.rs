use serde_json::{Value, json};
use strongroom_advice::doctor::{Branch, Certainty, Finding, Outcome, Walk};

use super::examination::Examination;
use crate::failure::printable;

/// Columns that the names of questions take.
const NAME_COLUMNS: usize = 15;

/// Prints the tree and the verdict.
pub(super) fn told(examination: &Examination<'_>, walk: &Walk) -> String {
    let named = examination.arguments.reference.as_deref();
    let mut lines = vec![format!("doctor {}", named.unwrap_or_default()).trim_end().to_owned()];
    let mut branch: Option<Branch> = None;
    let mut skipped: Vec<&str> = Vec::new();
    for (node, outcome) in walk.lines() {
        let line = match outcome {
            Outcome::Passed(detail) => line('✓', node.name, detail),
            Outcome::Open(detail) => line('–', node.name, detail),
            Outcome::Found(finding) if finding.is_risk => line('!', node.name, &finding.message),
            Outcome::Found(finding) => line('✗', node.name, &finding.message),
            Outcome::Skipped(_) => {
                skipped.push(node.name);
                continue;
            }
        };
        if branch != Some(node.branch) {
            branch = Some(node.branch);
            lines.push(format!("  {}", node.branch.heading()));
        }
        lines.push(line);
    }
    if !skipped.is_empty() {
        lines.push(format!("  not asked: {}", skipped.join(", ")));
    }
    lines.extend(walk.findings().into_iter().flat_map(verdict));
    let can = match named {
        Some(_) => "the secret can be read",
        None => "this machine can call the service",
    };
    match walk.verdict() {
        None => lines.push(format!("healthy: {can}")),
        Some(finding) if finding.is_risk => lines.push(format!("all the same, {can}")),
        Some(_) => {}
    }
    lines.iter().map(|line| printable(line) + "\n").collect()
}

fn line(mark: char, name: &str, detail: &str) -> String {
    format!("    {mark} {name:NAME_COLUMNS$} {detail}")
}

fn verdict(finding: &Finding) -> Vec<String> {
    let certainty = certainty(finding);
    let mut lines =
        vec![format!("fault[{}]: {} ({certainty})", finding.fault.code(), finding.message)];
    let fix = finding.fix.as_deref().unwrap_or_default();
    for (label, text) in [("why", finding.why.as_str()), ("fix", fix)] {
        let told = text.lines().enumerate().map(|(n, text)| match n {
            0 => format!("  {label}: {text}"),
            _ => format!("       {text}"),
        });
        lines.extend(told);
    }
    lines
}

fn certainty(finding: &Finding) -> &'static str {
    match finding.certainty {
        Certainty::Certain => "certain",
        Certainty::Likely => "likely",
    }
}

/// Makes the same of it for programs.
pub(super) fn document(examination: &Examination<'_>, walk: &Walk) -> Value {
    let checks = walk.lines().map(|(node, outcome)| {
        let (state, detail) = match outcome {
            Outcome::Passed(detail) => ("passed", detail.as_str()),
            Outcome::Open(detail) => ("open", detail.as_str()),
            Outcome::Found(finding) => ("fault", finding.message.as_str()),
            Outcome::Skipped(because) => ("skipped", *because),
        };
        let branch = node.branch.heading();
        json!({ "check": node.name, "branch": branch, "state": state, "detail": detail })
    });
    let findings: Vec<Value> = walk.findings().into_iter().map(of_finding).collect();
    json!({
        "reference": examination.arguments.reference,
        "healthy": findings.is_empty(),
        "verdict": findings.first(),
        "faults": findings,
        "checks": checks.collect::<Vec<_>>(),
    })
}

fn of_finding(finding: &Finding) -> Value {
    json!({
        "code": finding.fault.code(),
        "certainty": certainty(finding),
        "isRisk": finding.is_risk,
        "message": finding.message,
        "why": finding.why,
        "fix": finding.fix,
    })
}
