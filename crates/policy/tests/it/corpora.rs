use strongroom_policy::{ParseErrorKind, parse};

const VALID: &str = include_str!("../corpus/valid-public.txt");
const INVALID: [&str; 2] = [
    include_str!("../corpus/invalid-reasons-public.tsv"),
    include_str!("../corpus/invalid-derived-reasons-public.tsv"),
];

#[test]
fn real_statements_are_read_or_refused_by_name() {
    let (mut read, mut unsupported, mut syntax) = (0, 0, Vec::new());
    for line in VALID.lines().filter(|line| !line.trim().is_empty()) {
        match parse(line) {
            Ok(_) => read += 1,
            Err(error) if error.kind == ParseErrorKind::Unsupported => unsupported += 1,
            Err(error) => syntax.push((line, error)),
        }
    }
    println!(
        "{read} read, {unsupported} not evaluated, {} with unknown resource-types",
        syntax.len()
    );
    let beyond_the_tables = |(_, error): &&(&str, strongroom_policy::ParseError)| {
        let message = &error.message;
        message != "unknown resource-type" && message != "unknown permission"
    };
    let surprises: Vec<_> = syntax.iter().filter(beyond_the_tables).collect();
    assert!(
        surprises.len() < 40,
        "{} {:?}",
        surprises.len(),
        surprises.iter().take(12).collect::<Vec<_>>()
    );
    assert!(read > 300, "{read}");
}

#[test]
fn no_invalid_statement_is_read() {
    let mut count = 0;
    for line in INVALID.iter().flat_map(|file| file.lines()) {
        let statement = line.split('\t').next().unwrap_or_default();
        if statement.is_empty() || statement.starts_with('#') || statement == "statement" {
            continue;
        }
        count += 1;
        let error = parse(statement).expect_err(statement);
        assert!(error.span.end <= statement.len(), "{statement}");
        assert!(error.render(statement).contains('^'), "{statement}");
    }
    assert!(count > 170, "{count}");
}
