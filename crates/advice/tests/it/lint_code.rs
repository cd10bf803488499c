use std::collections::BTreeMap;

use strongroom_advice::lint::{Rule, SourceFile, fixed, look_at_code, rules};

/// Returns the examples of a part of a page: a file's name in backquotes and a colon, then indented lines.
fn examples(page: &str, part: &str) -> Vec<(String, String)> {
    let heading = format!("## {part}\n");
    let Some((_, rest)) = page.split_once(&heading) else { return Vec::new() };
    let body = rest.split("\n## ").next().unwrap_or("");
    let mut examples: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    for line in body.lines() {
        if let Some(name) = line.strip_prefix('`').and_then(|rest| rest.strip_suffix("`:")) {
            examples.push((name.to_owned(), String::new()));
            is_open = true;
        } else if let Some(code) = line.strip_prefix("    ") {
            if let (Some((_, text)), true) = (examples.last_mut(), is_open) {
                text.push_str(code);
                text.push('\n');
            }
        } else if line.is_empty() {
            if let (Some((_, text)), true) = (examples.last_mut(), is_open) {
                text.push('\n');
            }
        } else {
            is_open = false;
        }
    }
    examples
}

fn finds(rule: &Rule, path: &str, text: &str) -> bool {
    let file = SourceFile::new(path, text);
    look_at_code(&file).iter().any(|finding| finding.rule == rule)
}

fn rules_about_code() -> impl Iterator<Item = &'static Rule> {
    rules().iter().copied().filter(|rule| rule.id.starts_with('C'))
}

#[test]
fn every_rule_finds_the_bad_examples_of_its_page_and_not_the_good_ones() {
    for rule in rules_about_code() {
        let (bad, good) = (examples(rule.page, "Bad"), examples(rule.page, "Good"));
        assert!(!bad.is_empty() && !good.is_empty(), "{} has no examples", rule.code);
        for (path, text) in bad {
            assert!(finds(rule, &path, &text), "{} does not find:\n{text}", rule.code);
        }
        for (path, text) in good {
            assert!(!finds(rule, &path, &text), "{} finds:\n{text}", rule.code);
        }
    }
}

#[test]
fn what_is_repaired_is_not_found_again() {
    let mut repaired = 0;
    for rule in rules_about_code() {
        for (path, text) in examples(rule.page, "Bad") {
            let file = SourceFile::new(path.as_str(), text.as_str());
            let (text, count) = fixed(&text, &look_at_code(&file));
            let left = look_at_code(&SourceFile::new(path.as_str(), text.as_str()));
            let can_be_repaired = |finding: &strongroom_advice::lint::Finding| {
                finding.fix.as_ref().is_some_and(|fix| !fix.edits.is_empty())
            };
            assert!(!left.iter().any(can_be_repaired), "{}:\n{text}", rule.code);
            repaired += count;
        }
    }
    assert!(repaired > 0);
}

/// The file is opened by the group, or by the shell: a mask around one command hides nothing.
#[test]
fn a_file_that_a_group_or_the_shell_opens_is_not_repaired_within() {
    let closed = "chmod 600 ~/.my.cnf\n";
    for script in [
        "{ echo \"[client]\"; echo \"password=$DB_PASSWORD\"; } > ~/.my.cnf\n",
        "{\n  echo \"[client]\"\n  echo \"password=$DB_PASSWORD\"\n} > ~/.my.cnf\n",
        "(\n  echo \"password=$DB_PASSWORD\"\n) > ~/.my.cnf\n",
        "for user in a b; do\n  echo \"password=$DB_PASSWORD\"\ndone > ~/.my.cnf\n",
        "{\n  umask 077\n  echo \"password=$DB_PASSWORD\"\n} > ~/.my.cnf\n",
        "{\n  (umask 077; echo \"password=$DB_PASSWORD\")\n} > ~/.my.cnf\n",
        "exec cat password > ~/.my.cnf\n",
    ] {
        let text = format!("{script}{closed}");
        let file = SourceFile::new("setup.sh", text.as_str());
        let findings = look_at_code(&file);
        assert!(findings.iter().any(|finding| finding.rule.id == "C03"), "{text}");
        assert_eq!(fixed(&text, &findings), (text.clone(), 0));
    }
    let hidden = "umask 077\n{\n  echo \"password=$DB_PASSWORD\"\n} > ~/.my.cnf\n";
    let file = SourceFile::new("setup.sh", format!("{hidden}{closed}"));
    assert_eq!(look_at_code(&file), []);
}

/// What was found right, found wrong and missed.
#[derive(Default)]
struct Score {
    right: u32,
    wrong: u32,
    missed: u32,
}

impl Score {
    fn precision(&self) -> f64 {
        share(self.right, self.wrong)
    }

    fn recall(&self) -> f64 {
        share(self.right, self.missed)
    }
}

/// One if there was nothing to do.
fn share(right: u32, not: u32) -> f64 {
    if right + not == 0 { 1.0 } else { f64::from(right) / f64::from(right + not) }
}

fn name_of(item: &serde_json::Value) -> String {
    if let Some(path) = item["path"].as_str() {
        return path.to_owned();
    }
    let extension = match item["lang"].as_str().unwrap() {
        "python" => "py",
        "terraform" => "tf",
        "shell" => "sh",
        "markdown" => "md",
        "rust" => "rs",
        "powershell" => "ps1",
        other => other,
    };
    format!("excerpt.{extension}")
}

#[test]
fn labelled_places_of_public_code_are_told_apart() {
    let public: serde_json::Value =
        serde_json::from_str(include_str!("../corpus/code-public.json")).unwrap();
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    let mut all = Score::default();
    for item in public["items"].as_array().unwrap() {
        let id = item["rule"].as_str().unwrap().split('-').next().unwrap();
        let lines: Vec<&str> =
            item["excerpt"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let text = lines.join("\n") + "\n";
        let rule = rules_about_code().find(|rule| rule.id == id).unwrap();
        let is_found = finds(rule, &name_of(item), &text);
        let is_bad = item["label"] == "TP";
        if is_found != is_bad {
            println!(
                "{id} {} in {}:\n{text}",
                if is_bad { "missed" } else { "wrong" },
                name_of(item)
            );
        }
        let (right, wrong, missed) = (
            u32::from(is_found && is_bad),
            u32::from(is_found && !is_bad),
            u32::from(!is_found && is_bad),
        );
        for score in [scores.entry(id).or_default(), &mut all] {
            score.right += right;
            score.wrong += wrong;
            score.missed += missed;
        }
    }
    for (id, score) in &scores {
        println!("{id}  precision {:.2}  recall {:.2}", score.precision(), score.recall());
    }
    println!("all  precision {:.2}  recall {:.2}", all.precision(), all.recall());
    assert!(all.precision() >= 0.9 && all.recall() >= 0.8);
}

/// Pieces as people write them, a few lines each, of every language.
#[test]
fn pieces_are_told_apart() {
    let pieces: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../corpus/code-pieces.json")).unwrap();
    for piece in &pieces {
        let field = |name: &str| piece[name].as_str().unwrap();
        let rule = rules_about_code().find(|rule| rule.id == field("rule")).unwrap();
        let text = format!("{}\n", field("text"));
        let is_found = finds(rule, field("file"), &text);
        assert_eq!(is_found, piece["found"].as_bool().unwrap(), "{}:\n{text}", rule.id);
    }
}
