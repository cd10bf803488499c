use super::Finding;
use super::code::{has_word, paths, shipped, uncommented};
use super::tree::Tree;

const SERVER: &str = "crates/server/src/";

/// The road of a request, in the order in which files may import each other: none a later one.
/// `audit` and `reply` come first since their records and replies are what the others fill in.
const ROAD: [&str; 10] =
    ["audit", "reply", "decode", "authn", "ask", "locate", "authz", "ops", "pipeline", "http"];

/// What these files may import from the road, whatever their place, so that none becomes a way
/// around it.
const NARROW: [(&str, &[&str]); 9] = [
    ("lib", &ROAD),
    ("http", &["pipeline"]),
    ("shared", &["audit"]),
    ("bootstrap", &["ops"]),
    ("controls", &["reply"]),
    ("lobby", &["reply"]),
    ("schedule", &["audit", "ops"]),
    ("rotation", &["ops"]),
    ("regions", &["reply", "ops"]),
];

/// The entries of stages. `pipeline` alone calls them.
const ENTRIES: [&str; 4] = ["authenticate", "locate", "authorize", "perform"];

/// The road runs one way, and nobody takes a part of it alone.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stage in ROAD {
        let [file, folder] = [".rs", "/mod.rs"].map(|end| format!("{SERVER}{stage}{end}"));
        if !tree.has(&file) && !tree.has(&folder) {
            findings.push(Finding::new(&file, 1, "a stage is gone: tell xtask/src/tidy/stages.rs"));
        }
    }
    for source in tree.within(SERVER, ".rs") {
        let rest = source.path.trim_start_matches(SERVER).trim_end_matches(".rs");
        let place: Vec<&str> = rest.split('/').filter(|part| *part != "mod").collect();
        let stage = place.first().copied().unwrap_or_default();
        let code = shipped(&source.text);
        for named in paths(code, &["crate", "super"]) {
            let module = module_of(&named.segments, &place);
            if module != stage && ROAD.contains(&module) && !may_import(stage, module) {
                let what = format!("`{stage}` must not import `{module}`: the road runs one way");
                findings.push(Finding::new(&source.path, named.line, what));
            }
        }
        for (line, text) in (1..).zip(code.lines()) {
            for entry in ENTRIES.iter().filter(|entry| calls(text, entry)) {
                if stage != "pipeline" {
                    let what = format!("calls `{entry}`: only pipeline.rs calls a stage");
                    findings.push(Finding::new(&source.path, line, what));
                }
            }
        }
    }
    findings
}

fn may_import(stage: &str, module: &str) -> bool {
    if let Some((_, may)) = NARROW.iter().find(|(name, _)| *name == stage) {
        return may.contains(&module);
    }
    let position = |name: &str| ROAD.iter().position(|known| *known == name);
    position(stage).zip(position(module)).is_some_and(|(own, imported)| imported < own)
}

/// Returns the module directly under the crate that a path leads to.
fn module_of<'a>(segments: &[&'a str], place: &[&'a str]) -> &'a str {
    let ups = segments.iter().take_while(|segment| **segment == "super").count();
    let base =
        if ups == 0 { &[] } else { place.get(..place.len().saturating_sub(ups)).unwrap_or(&[]) };
    let rest = segments.iter().skip(ups.max(1));
    base.iter().chain(rest).next().copied().unwrap_or_default()
}

fn calls(line: &str, entry: &str) -> bool {
    let code = uncommented(line);
    let called = code.split(&format!("{entry}(")).count() > 1;
    called && has_word(code, entry) && !code.contains(&format!("fn {entry}("))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        let others = ROAD.map(|stage| format!("{SERVER}{stage}.rs"));
        let mut files: Vec<(&str, &str)> = others.iter().map(|path| (path.as_str(), "")).collect();
        let path = format!("{SERVER}{path}");
        files.retain(|(other, _)| *other != path);
        files.push((&path, text));
        check(&Tree::of(&files)).len()
    }

    #[test]
    fn a_road_that_runs_back_is_found() {
        for (path, text) in [
            ("authn.rs", "use crate::authz::Permit;"),
            ("authn.rs", "use crate::{\n    catalog::Catalog,\n    authz::{self, Permit},\n};"),
            ("authn.rs", "use super::authz::Permit;"),
            ("decode.rs", "fn f() { crate::ops::x() }"),
            ("ops/keys.rs", "use super::super::pipeline;"),
            ("http.rs", "use crate::ops::Context;"),
            ("http.rs", "fn f() { let p = authorize(x); }"),
            ("endpoints.rs", "fn f() { let p = ops::perform(x); }"),
            ("endpoints.rs", "use crate::authz::Permit;"),
        ] {
            assert!(found(path, text) >= 1, "{path}: {text}");
        }
    }

    #[test]
    fn the_road_itself_is_no_finding() {
        for (path, text) in [
            ("pipeline.rs", "use crate::{authn, authz::Permit};\nfn f() { authorize(x); }"),
            ("authz.rs", "use crate::locate::Located;\npub(crate) fn authorize(x: u8) {}"),
            ("http.rs", "use crate::pipeline::answer;"),
            ("ops/keys.rs", "use super::listing;\nuse crate::authz::Permit;"),
            ("authn.rs", "// use crate::authz;\n#[cfg(test)]\nmod tests { use crate::ops; }"),
            ("endpoints.rs", "fn f() { relocate(x); }"),
        ] {
            assert_eq!(found(path, text), 0, "{path}: {text}");
        }
    }

    #[test]
    fn a_stage_that_was_renamed_is_missed() {
        assert_eq!(check(&Tree::of(&[])).len(), ROAD.len());
    }
}
