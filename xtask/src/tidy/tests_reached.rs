use super::Finding;
use super::tree::{Source, Tree};

/// Every file of tests is run: Rust's are modules of the crate's one test program, Python's are
/// collected by name.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.within("crates/", ".rs") {
        let Some((krate, inside)) = source.in_crate() else { continue };
        let Some(path) = inside.strip_prefix("tests/") else { continue };
        let Some(name) = path.strip_prefix("it/") else {
            if !path.contains('/') {
                let what = "move it to tests/it: a crate has one program of tests";
                findings.push(Finding::new(&source.path, 1, what));
            }
            continue;
        };
        let module = format!("mod {};", name.trim_end_matches(".rs"));
        let main = tree.text(&format!("crates/{krate}/tests/it/main.rs"));
        if name != "main.rs"
            && !main.lines().any(|line| line.trim().ends_with(&module) && names(line))
        {
            findings.push(Finding::new(&source.path, 1, "does not run: add it to main.rs"));
        }
    }
    for source in tree.within("conformance/", ".py").filter(|source| !is_collected(source)) {
        let test = |text: &str| {
            let text = text.trim_start();
            ["def test_", "async def test_", "class Test"]
                .iter()
                .any(|start| text.starts_with(start))
        };
        for (line, _) in source.lines().filter(|(_, text)| test(text)) {
            findings.push(Finding::new(
                &source.path,
                line,
                "does not run: name the file test_….py",
            ));
        }
    }
    findings
}

fn names(line: &str) -> bool {
    !line.trim_start().starts_with("//")
}

fn is_collected(source: &Source) -> bool {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    name.starts_with("test_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_nobody_runs_are_found() {
        let tree = Tree::of(&[
            ("crates/a/tests/it/main.rs", "#[cfg(test)]\nmod one;\n// mod off;\nmod not_two;"),
            ("crates/a/tests/it/one.rs", ""),
            ("crates/a/tests/it/two.rs", ""),
            ("crates/a/tests/it/off.rs", ""),
            ("crates/a/tests/it/deep/x.rs", ""),
            ("crates/a/tests/other.rs", ""),
            ("conformance/more.py", "\ndef test_x():"),
            ("conformance/classes.py", "\nclass TestX:"),
            ("conformance/test_y.py", "def test_x():"),
            ("conformance/wire.py", "def tested():"),
        ]);
        let mut places: Vec<String> = check(&tree).into_iter().map(|found| found.place).collect();
        places.sort();
        let expected = [
            "conformance/classes.py:2",
            "conformance/more.py:2",
            "crates/a/tests/it/deep/x.rs:1",
            "crates/a/tests/it/off.rs:1",
            "crates/a/tests/it/two.rs:1",
            "crates/a/tests/other.rs:1",
        ];
        assert_eq!(places, expected);
    }
}
