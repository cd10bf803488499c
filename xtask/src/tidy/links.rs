use super::Finding;
use super::tree::{Source, Tree};

/// A link to a file of the tree leads to one.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.within("", ".md") {
        for (line, text) in source.lines() {
            let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            for target in targets.filter(|target| !target.contains("://")) {
                let path = target.split('#').next().unwrap_or_default();
                if !path.is_empty() && !tree.has(&resolved(source, path)) {
                    let what = format!("links to `{path}`, which is not there: mend or remove it");
                    findings.push(Finding::new(&source.path, line, what));
                }
            }
        }
    }
    findings
}

fn resolved(source: &Source, link: &str) -> String {
    let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in link.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
        if segment == ".." {
            segments.pop();
        } else {
            segments.push(segment);
        }
    }
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let tree = Tree::of(&[
            ("docs/a.md", "\n[b](../b.md#x) [c](sub) [d](https://x.test/y) [e](#e) [f](b.md)"),
            ("docs/sub/c.md", "[up](../a.md) [gone](../../docs/su)"),
            ("b.md", ""),
        ]);
        let places: Vec<String> = check(&tree).into_iter().map(|found| found.place).collect();
        assert_eq!(places, ["docs/a.md:2", "docs/sub/c.md:1"]);
    }
}
