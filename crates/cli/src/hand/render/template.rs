use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, filters, tests};
use strongroom_model::Sensitive;

/// How many steps a template may take.
const FUEL: u64 = 1_000_000;
const OUTPUT_BYTES_MAX: usize = 16 << 20;

/// Values by the reference that a template names them by.
pub(super) type Known = BTreeMap<String, Sensitive>;

/// Renders a template. Whoever reads the message may not read the values: it holds what the template
/// says, and never what came of it.
pub(super) fn render(template: &str, known: Known) -> Result<Sensitive, String> {
    let misused = Arc::new(AtomicBool::new(false));
    let environment = environment(known, &misused)?;
    let template = environment.template_from_str(template).map_err(|error| told(&error))?;
    let mut output = Output(Sensitive::new(Vec::new()));
    let rendered = template.render_captured_to((), &mut output).map(drop);
    if misused.load(Ordering::Relaxed) {
        return Err("a secret that is not UTF-8 can go through the filter `base64` only".to_owned());
    }
    rendered.map(|()| output.0).map_err(|error| told(&error))
}

/// Checks the form of a template.
pub(super) fn check(template: &str) -> Result<(), String> {
    let environment = environment(Known::default(), &Arc::default())?;
    environment.template_from_str(template).map(drop).map_err(|error| told(&error))
}

/// Offers what is pure: no file, no process, no environment, no other template.
fn environment(known: Known, misused: &Arc<AtomicBool>) -> Result<Environment<'static>, String> {
    let mut environment = Environment::empty();
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(|error| told(&error))?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_name| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    let misused = Arc::clone(misused);
    environment.add_function("secret", move |reference: String| {
        let refusal = "`secret` takes one literal string, so that all secrets are known beforehand";
        let value = known.get(&reference).ok_or_else(|| refuse(refusal))?;
        Ok::<Value, Error>(match std::str::from_utf8(value.expose()) {
            Ok(text) => Value::from(text),
            Err(_) => {
                Value::from_object(Binary { value: value.clone(), misused: Arc::clone(&misused) })
            }
        })
    });
    environment.add_filter("json", |value: Value| {
        serde_json::to_string(&value)
            .map_err(|_error| refuse("the filter `json` cannot write that"))
    });
    environment.add_filter("base64", |value: Value| match value.downcast_object_ref::<Binary>() {
        Some(binary) => STANDARD.encode(binary.value.expose()),
        None => STANDARD.encode(value.to_string()),
    });
    environment.add_filter("shell", |value: Value| shell(&value.to_string()));
    environment.add_filter("default", filters::default);
    environment.add_filter("join", filters::join);
    environment.add_filter("length", filters::length);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("none", tests::is_none);
    Ok(environment)
}

/// Quotes a value for a POSIX shell.
fn shell(text: &str) -> Result<String, Error> {
    if text.contains('\0') {
        return Err(refuse("no shell takes a NUL"));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// A secret that is no text.
#[derive(Debug)]
struct Binary {
    value: Sensitive,
    misused: Arc<AtomicBool>,
}

impl Object for Binary {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.misused.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[derive(Debug)]
struct Output(Sensitive);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.expose().len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reason of ours, which holds no value.
#[derive(Debug)]
struct Refusal(&'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refusal {}

fn refuse(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, why).with_source(Refusal(why))
}

/// Details of what happens while values are at hand may hold them, so only those are told that are
/// about the text of the template.
fn told(error: &Error) -> String {
    let ours = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Refusal>());
    let what = match (ours, error.kind()) {
        (Some(refusal), _) => refusal.to_string(),
        (
            None,
            ErrorKind::SyntaxError
            | ErrorKind::UnknownFilter
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownTest,
        ) => error.detail().unwrap_or("it cannot be read").to_owned(),
        (None, ErrorKind::OutOfFuel) => format!("it takes more than {FUEL} steps"),
        (None, ErrorKind::WriteFailure) => {
            format!("it becomes larger than {OUTPUT_BYTES_MAX} bytes")
        }
        (None, kind) => kind.to_string(),
    };
    match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    }
}

#[cfg(test)]
mod checks {
    use super::*;

    fn rendered(template: &str) -> Result<String, String> {
        let known = [("t", &b"it's \"x\"\n<&>"[..]), ("b", b"\xff\xfe"), ("n", b"a\0b")];
        let known = known.map(|(name, value)| (name.to_owned(), Sensitive::new(value.to_vec())));
        let output = render(template, known.into_iter().collect())?;
        Ok(String::from_utf8(output.expose().to_vec()).unwrap())
    }

    #[test]
    fn values_are_written_as_they_are_or_as_asked() {
        for (template, expected) in [
            ("a {{ secret('t') }}\n", "a it's \"x\"\n<&>\n"),
            ("{{ secret('t') | json }}", r#""it's \"x\"\n<&>""#),
            ("{{ secret('t') | shell }}", "'it'\\''s \"x\"\n<&>'"),
            ("{{ secret('t') | base64 }}", "aXQncyAieCIKPCY+"),
            ("{{ secret('b') | base64 }}", "//4="),
            ("{{ {'a': [1, secret('t')]} | json }}", r#"{"a":[1,"it's \"x\"\n<&>"]}"#),
            (
                "{% set x = secret('t') %}{% if x is defined %}{{ x | upper | trim }}{% endif %}",
                "IT'S \"X\"\n<&>",
            ),
            ("{% for x in ['a', 'b'] %}{{ x }},{% endfor %}", "a,b,"),
            ("", ""),
        ] {
            assert_eq!(rendered(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_a_template_may_not_do_is_told_without_values() {
        for (template, expected) in [
            ("\n{{ missing }}", "line 2: undefined value"),
            ("{{ secret('t').x }}", "line 1: undefined value"),
            ("{{ secret('other') }}", "line 1: `secret` takes one literal string"),
            ("{{ secret() }}", "line 1: "),
            ("{{ env('HOME') }}", "line 1: env is unknown"),
            ("{{ 1 | exec }}", "line 1: filter exec is unknown"),
            ("{% include '/etc/passwd' %}", "line 1: "),
            ("{{ secret('t') + 1 }}", "line 1: "),
            ("{{ secret('b') }}", "a secret that is not UTF-8"),
            ("{{ 'x' ~ secret('b') }}", "a secret that is not UTF-8"),
            ("{{ secret('b') | json }}", "a secret that is not UTF-8"),
            ("{{ secret('n') | shell }}", "line 1: no shell takes a NUL"),
            ("{{ secret('t') ", "line 1: "),
            ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "line 1: "),
        ] {
            let told = rendered(template).unwrap_err();
            assert!(told.starts_with(expected) && !told.contains("it's"), "{template}: {told}");
        }
    }

    #[test]
    fn templates_end() {
        let nested = "{% for a in x %}{% for b in x %}{% for c in x %}{% for d in x %}.{% endfor %}{% endfor %}{% endfor %}{% endfor %}";
        let list = vec!["1"; 100].join(",");
        let told = rendered(&format!("{{% set x = [{list}] %}}{nested}")).unwrap_err();
        assert!(told.contains("steps"), "{told}");
        let text = "x".repeat(1 << 16);
        let told = rendered(&format!(
            "{{% set x = [{list}] %}}{{% for a in x %}}{{% for b in x %}}{text}{{% endfor %}}{{% endfor %}}"
        ));
        assert!(told.unwrap_err().contains("larger"));
    }
}
