/// What a file is, by its name or its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Python,
    JavaScript,
    TypeScript,
    Go,
    Java,
    Rust,
    Shell,
    Hcl,
    Yaml,
    Json,
    Dockerfile,
    Markdown,
    Other,
}

impl Kind {
    pub(super) fn of(path: &str, text: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        if name.starts_with("dockerfile") || name.starts_with("containerfile") {
            return Self::Dockerfile;
        }
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        Self::of_extension(extension).unwrap_or_else(|| Self::of_first_line(text))
    }

    fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension {
            "py" | "pyi" => Self::Python,
            "js" | "mjs" | "cjs" | "jsx" | "tsx" => Self::JavaScript,
            "ts" | "mts" | "cts" => Self::TypeScript,
            "go" => Self::Go,
            "java" => Self::Java,
            "rs" => Self::Rust,
            "sh" | "bash" | "ksh" | "zsh" | "env" => Self::Shell,
            "tf" | "tfvars" | "hcl" => Self::Hcl,
            "yml" | "yaml" => Self::Yaml,
            "json" => Self::Json,
            "dockerfile" => Self::Dockerfile,
            "md" | "markdown" | "mdx" | "rst" | "adoc" => Self::Markdown,
            _ => return None,
        })
    }

    fn of_first_line(text: &str) -> Self {
        let first = text.lines().next().unwrap_or("");
        match first.strip_prefix("#!") {
            Some(program) if program.contains("python") => Self::Python,
            Some(program) if program.contains("node") => Self::JavaScript,
            Some(program) if program.trim_end().ends_with("sh") => Self::Shell,
            _ => Self::Other,
        }
    }

    /// Returns what begins a comment that ends with the line.
    pub(super) const fn comment(self) -> &'static [&'static str] {
        match self {
            Self::JavaScript | Self::TypeScript | Self::Go | Self::Java | Self::Rust => {
                &["//", "/*", "* "]
            }
            Self::Hcl => &["#", "//", "/*"],
            Self::Json | Self::Markdown => &[],
            Self::Python | Self::Shell | Self::Yaml | Self::Dockerfile => &["#"],
            Self::Other => &["#", "//", ";"],
        }
    }
}

/// Whether a file is there for tests: what stands in it is made up.
pub(super) fn is_test(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or("");
    let is_directory_of_tests = |part: &str| {
        matches!(
            part.trim_start_matches('_').trim_end_matches('_'),
            "test"
                | "tests"
                | "testing"
                | "testdata"
                | "test_data"
                | "fixtures"
                | "spec"
                | "specs"
                | "mocks"
                | "e2e"
        ) || part.ends_with("-tests")
            || part.ends_with("_tests")
            || part.contains("fixture")
            || part.starts_with("test-")
    };
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem == "testing"
        || (stem.ends_with("tests") || stem.ends_with("test")) && extension == "java"
        || name.contains(".test.")
        || name.contains(".spec.")
        || parts.any(is_directory_of_tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_name_or_first_line() {
        for (path, text, kind) in [
            ("a/b.py", "", Kind::Python),
            ("build/Dockerfile.prod", "", Kind::Dockerfile),
            ("bin/fetch", "#!/usr/bin/env bash\n", Kind::Shell),
            ("bin/fetch", "#!/usr/bin/python3\n", Kind::Python),
            (".env", "", Kind::Shell),
            ("x.tfvars", "", Kind::Hcl),
            ("notes", "oci vault", Kind::Other),
        ] {
            assert_eq!(Kind::of(path, text), kind, "{path}");
        }
    }

    #[test]
    fn tests_are_told_by_their_path() {
        for path in ["tests/a.py", "src/a_test.go", "a/test_b.py", "x.spec.ts", "FooTest.java"] {
            assert!(is_test(path), "{path}");
        }
        for path in ["src/latest.py", "contest/a.go", "attest.java.txt", "test-setup.sh"] {
            assert!(!is_test(path), "{path}");
        }
    }
}
