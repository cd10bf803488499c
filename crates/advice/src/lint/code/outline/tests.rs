use super::*;

fn calls(kind: Kind, text: &str) -> Vec<(String, usize, usize)> {
    let outline = outline(kind, text).unwrap();
    let call = |call: &Call| {
        let function = outline.functions[call.function].name.clone();
        (format!("{function}/{}", call.callee), call.arguments.len(), call.loops.len())
    };
    outline.calls.iter().map(call).collect()
}

fn expect(kind: Kind, text: &str, expected: &[(&str, usize, usize)]) {
    let found = calls(kind, text);
    let found: Vec<_> = found.iter().map(|(name, a, l)| (name.as_str(), *a, *l)).collect();
    for call in expected {
        assert!(found.contains(call), "{call:?} is not in {found:?}");
    }
}

#[test]
fn calls_of_every_language_are_read() {
    expect(
        Kind::Python,
        "def f(a, b=1):\n  for x in g():\n    v = c.get(a, k=x).data.content\n  with open(p, 'w') as h:\n    h.write(v)\n",
        &[("f/g", 0, 0), ("f/c.get", 2, 1), ("f/open", 2, 0), ("f/h.write", 1, 0)],
    );
    expect(
        Kind::TypeScript,
        "const f = async (a: string) => { while (x) { const r = await c.get({a}); console.log(`${r.b}`); } }",
        &[("f/c.get", 1, 1), ("f/console.log", 1, 1)],
    );
    expect(
        Kind::Go,
        "package p\nfunc (s *S) F(ctx C) error {\n for _, x := range xs {\n  r, err := s.c.Get(ctx, x)\n }\n return fmt.Errorf(\"x\")\n}\n",
        &[("F/s.c.Get", 2, 1), ("F/fmt.Errorf", 1, 0)],
    );
    expect(
        Kind::Java,
        "class A { String f(String a) { for (var x : xs) { R r = c.get(x).body(); } return new String(d.decode(a)); } }",
        &[("f/c.get", 1, 1), ("f/c.get().body", 0, 1), ("f/String", 1, 0), ("f/d.decode", 1, 0)],
    );
    expect(
        Kind::Rust,
        "fn f() { loop { let r = c.get(a)?.b().await; println!(\"{r}\"); } fs::write(p, d) }",
        &[("f/c.get", 1, 1), ("f/println", 1, 1), ("f/fs.write", 2, 0)],
    );
}

#[test]
fn names_know_the_calls_around_them() {
    let text =
        "def f():\n  s = b64decode(r.data.content).decode()\n  print('x {}'.format(s), len(s))\n";
    let outline = outline(Kind::Python, text).unwrap();
    let of = |path: &str, nth: usize| -> Vec<String> {
        let mention = outline.mentions.iter().filter(|one| one.path == path).nth(nth).unwrap();
        outline.around(mention).iter().map(|call| call.name().to_owned()).collect()
    };
    assert_eq!(of("r.data.content", 0), ["b64decode"]);
    assert_eq!(of("s", 0), ["format", "print"]);
    assert_eq!(of("s", 1), ["len", "print"]);
    assert_eq!(outline.assigns[0].names, ["s"]);
}

#[test]
fn programs_that_do_not_parse_are_read_as_far_as_they_go() {
    for kind in [Kind::Python, Kind::JavaScript, Kind::TypeScript, Kind::Go, Kind::Java, Kind::Rust]
    {
        for text in ["f(", "}}} f(x) {{{", "\u{0}", "for (", "def def def", "f(f(f(f("] {
            assert!(outline(kind, text).is_some());
        }
    }
    assert!(outline(Kind::Other, "f()").is_none());
}
