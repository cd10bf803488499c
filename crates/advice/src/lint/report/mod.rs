mod github;
mod json;
mod junit;
mod people;
mod sarif;

use super::finding::Finding;
use super::source::SourceFile;

/// Who reads a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A person.
    #[default]
    People,
    /// A program: a list of objects.
    Json,
    /// A code-scanning service: SARIF 2.1.0.
    Sarif,
    /// A workflow of GitHub: commands that annotate lines.
    Github,
    /// A build server: a test suite with a failure for each finding.
    Junit,
}

/// Writes what was found, a file after the other.
#[must_use]
pub fn report(format: Format, found: &[(SourceFile, Vec<Finding>)]) -> String {
    let found: Vec<Place<'_>> = found
        .iter()
        .flat_map(|(file, findings)| findings.iter().map(move |finding| Place { file, finding }))
        .collect();
    match format {
        Format::People => people::write(&found),
        Format::Json => json::write(&found),
        Format::Sarif => sarif::write(&found),
        Format::Github => github::write(&found),
        Format::Junit => junit::write(&found),
    }
}

/// A finding in its file.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a SourceFile,
    finding: &'a Finding,
}

impl Place<'_> {
    fn fix(&self) -> Option<&str> {
        self.finding.fix.as_ref().map(|fix| fix.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::HARD_CODED_OCID;
    use super::super::finding::Edit;
    use super::*;

    fn found() -> Vec<(SourceFile, Vec<Finding>)> {
        let file = SourceFile::new("deploy/a \"b\".py", "\n\tid = \"ä<x>\"\nuse(id)\n");
        let finding =
            Finding::new(&HARD_CODED_OCID, 7..14, "`ä` is an OCID", "it names\none object")
                .labelled("here")
                .and_at(15..18, "used here");
        let other = Finding::new(&HARD_CODED_OCID, 15..22, "100% bad", "y")
            .repair("id = env", vec![Edit { span: 15..22, text: String::new() }]);
        vec![(file, vec![finding, other]), (SourceFile::new("empty", ""), vec![])]
    }

    #[test]
    fn people_see_the_lines() {
        let expected = "\
warning[hard-coded-ocid]: `ä` is an OCID
  ┌─ deploy/a \"b\".py:2:7
2 │     id = \"ä<x>\"
  │          ^^^^^^ here
3 │ use(id)
  │ --- used here
  why: it names
       one object
  see: strongroom explain hard-coded-ocid

warning[hard-coded-ocid]: 100% bad
  ┌─ deploy/a \"b\".py:3:1
3 │ use(id)
  │ ^^^^^^^
  why: y
  fix: id = env
  see: strongroom explain hard-coded-ocid

";
        assert_eq!(report(Format::People, &found()), expected);
        assert_eq!(report(Format::People, &[]), "");
    }

    #[test]
    fn programs_read_json() {
        let json: serde_json::Value =
            serde_json::from_str(&report(Format::Json, &found())).unwrap();
        let expected = serde_json::json!({
            "id": "C01", "code": "hard-coded-ocid", "level": "warning", "path": "deploy/a \"b\".py",
            "line": 3, "column": 1, "endLine": 3, "endColumn": 8, "message": "100% bad", "why": "y",
            "fix": "id = env",
        });
        assert_eq!((json.as_array().unwrap().len(), &json[1]), (2, &expected));
        assert_eq!(json[0]["fix"], serde_json::Value::Null);
    }

    #[test]
    fn workflows_get_commands() {
        let text = report(Format::Github, &found());
        let second = text.lines().nth(1).unwrap();
        assert_eq!(
            second,
            "::warning file=deploy/a \"b\".py,line=3,endLine=3,col=1,endColumn=8,title=hard-coded-ocid::100%25 bad%0Awhy: y%0Afix: id = env"
        );
    }

    #[test]
    fn build_servers_get_a_suite() {
        let text = report(Format::Junit, &found());
        assert!(
            text.contains(r#"<testsuite name="strongroom lint" tests="2" failures="2">"#),
            "{text}"
        );
        assert!(text.contains(r#"classname="deploy/a &quot;b&quot;.py""#), "{text}");
        assert!(report(Format::Junit, &[]).contains(r#"tests="1" failures="0""#));
    }

    #[test]
    fn services_get_sarif() {
        let sarif: serde_json::Value =
            serde_json::from_str(&report(Format::Sarif, &found())).unwrap();
        let run = &sarif["runs"][0];
        assert_eq!(
            (&sarif["version"], run["results"].as_array().unwrap().len()),
            (&"2.1.0".into(), 2)
        );
        let result = &run["results"][1];
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "deploy/a%20%22b%22.py");
        assert_eq!(location["region"]["startLine"], 3);
        assert_eq!(result["ruleId"], "C01");
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "C01");
    }
}
