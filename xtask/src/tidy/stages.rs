use super::{Finding, Tree};

/// The road of a request, in order. A stage never imports a later one.
const ROAD: [&str; 7] = ["decode", "authn", "ask", "locate", "authz", "ops", "pipeline"];

/// Functions that are a stage's entry; `pipeline` alone calls them.
const ENTRIES: [&str; 4] = ["authenticate(", "locate(", "authorize(", "ops::perform("];

/// The road runs one way.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.within("crates/server/src/", ".rs") {
        let rest = source.path.trim_start_matches("crates/server/src/").trim_end_matches(".rs");
        let stage = rest.split('/').next().unwrap_or_default();
        let Some(position) = ROAD.iter().position(|known| *known == stage) else { continue };
        for (number, line) in (1..).zip(source.text.lines()) {
            let place = || format!("{}:{number}", source.path);
            let later = ROAD.iter().skip(position + 1);
            for later in later.filter(|later| line.contains(&format!("crate::{later}"))) {
                findings
                    .push(Finding::new(place(), format!("`{stage}` imports the later `{later}`")));
            }
            let called =
                ENTRIES.iter().find(|entry| line.contains(**entry) && !line.contains("fn "));
            if let (Some(entry), false) = (called, stage == "pipeline") {
                findings
                    .push(Finding::new(place(), format!("`{entry}…)` is called by pipeline only")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_road_that_runs_back_is_found() {
        let tree = Tree::of(&[
            ("crates/server/src/authn.rs", "use crate::authz::Permit;"),
            ("crates/server/src/ops/keys.rs", "let p = authorize(x);"),
            ("crates/server/src/pipeline.rs", "let p = authorize(x);\nuse crate::decode::Call;"),
        ]);
        assert_eq!(check(&tree).len(), 2);
    }
}
