use super::Finding;
use super::code::shipped;
use super::tree::Tree;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const FUNCTION_LINES_P95_MAX: usize = 40;

/// Files and functions stay short, signatures and comments counted.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.within("", ".rs") {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            let what = format!("has {lines} lines, {FILE_LINES_MAX} at most: split it by concern");
            findings.push(Finding::new(&source.path, 1, what));
        }
        for (line, lines) in functions(&source.text) {
            if lines > FUNCTION_LINES_MAX && !is_table(&source.text, line, lines) {
                let what = format!("a function of {lines} lines, {FUNCTION_LINES_MAX} at most");
                findings.push(Finding::new(&source.path, line, what));
            }
        }
    }
    let p95 = percentile(&shipped_lengths(tree), 95);
    if p95 > FUNCTION_LINES_P95_MAX {
        let what = format!(
            "one function in twenty has {p95} lines or more, {FUNCTION_LINES_P95_MAX} at most"
        );
        findings.push(Finding::new("crates", 1, what));
    }
    findings
}

/// Tells whether a function is a table: one arm for each operation, so that it grows with the API.
fn is_table(text: &str, line: usize, lines: usize) -> bool {
    let body = text.lines().skip(line - 1).take(lines);
    let arms = body.filter(|line| line.contains("Operation::") || line.contains("Ask::")).count();
    arms * 3 > lines
}

/// Says how long functions that ship are.
pub(super) fn measures(tree: &Tree) -> String {
    let lengths = shipped_lengths(tree);
    let [half, p95, longest] = [50, 95, 100].map(|percent| percentile(&lengths, percent));
    format!("{} functions: median {half} lines, p95 {p95}, longest {longest}", lengths.len())
}

fn shipped_lengths(tree: &Tree) -> Vec<usize> {
    let ships = tree.within("crates/", ".rs").filter(|source| source.path.contains("/src/"));
    let mut lengths: Vec<usize> =
        ships.flat_map(|source| functions(shipped(&source.text))).map(|(_, lines)| lines).collect();
    lengths.sort_unstable();
    lengths
}

fn percentile(sorted: &[usize], percent: usize) -> usize {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// Finds the functions of formatted code: the line of each, and how many lines it has. A function
/// ends at the brace below its first character.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut rest = text.lines();
    for number in 1.. {
        let Some(line) = rest.next() else { break };
        if !begins(line) || line.ends_with(';') {
            continue;
        }
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        let (end, declared) = (format!("{indent}}}"), format!("{indent})"));
        let ends = |line: &str| line == end || (line.starts_with(&declared) && line.ends_with(';'));
        let more = if line.ends_with('}') { Some(0) } else { rest.clone().position(ends) };
        found.extend(more.map(|more| (number, if line.ends_with('}') { 1 } else { more + 2 })));
    }
    found
}

fn begins(line: &str) -> bool {
    let qualifier = |word: &str| word.starts_with("pub") || ["const", "async"].contains(&word);
    let before = line.trim_start().split_once("fn ").map(|(before, _)| before);
    before.is_some_and(|before| before.split_whitespace().all(qualifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str, lines: usize) -> String {
        format!("pub(crate) async fn {name}() {{\n{}}}\n", "    x();\n".repeat(lines - 2))
    }

    #[test]
    fn a_table_of_operations_may_be_long() {
        let table = format!("fn table() {{\n{}}}\n", "        Operation::A => a(),\n".repeat(40));
        assert!(is_table(&table, 1, 42));
        assert!(!is_table(&function("long", 80), 1, 80));
    }

    #[test]
    fn long_files_and_functions_are_found() {
        let file = "x\n".repeat(601);
        let long = format!("\n{}", function("long", 71));
        let tree = Tree::of(&[
            ("a.rs", &file),
            ("b.rs", &long),
            ("c.rs", &function("fits", 70)),
            ("d.md", &file),
        ]);
        let places: Vec<String> = check(&tree).into_iter().map(|found| found.place).collect();
        assert_eq!(places, ["a.rs:1", "b.rs:2"]);
    }

    #[test]
    fn too_many_middling_functions_are_found() {
        let with = |long: usize| {
            let text = function("f", 10).repeat(100 - long) + &function("g", 41).repeat(long);
            let (half, rest) = text.split_at(text.len() / 2);
            let tests = format!("#[cfg(test)]\n{}", function("t", 60).repeat(9));
            let files = [("crates/a/src/a.rs", half), ("crates/a/src/b.rs", rest)];
            let tree = Tree::of(&[files[0], files[1], ("crates/a/src/c.rs", &tests)]);
            check(&tree).iter().filter(|found| found.what.starts_with("one function")).count()
        };
        assert_eq!((with(4), with(8)), (0, 1));
    }

    #[test]
    fn a_function_is_measured_to_its_own_brace() {
        let text = "trait T {\n    fn a(\n        x: u8,\n    ) -> u8;\n    fn b();\n}\nfn c() {}\nconst fn d() {\n    if x {\n    }\n}\n// fn e\n";
        assert_eq!(functions(text), [(2, 3), (7, 1), (8, 4)]);
    }
}
