use super::{Command, Letters, read};

fn commands(text: &str) -> Vec<Command> {
    read(&Letters::plain(text, 0..text.len()))
}

fn shown(text: &str) -> Vec<String> {
    let line = |command: &Command| {
        let words = command.words.iter().map(|word| word.text.as_str());
        let set = command.assignments.iter().map(|(name, value)| format!("{name}={}", value.text));
        let out = command.outputs.iter().map(|out| format!("{}>{}", out.stream, out.path.text));
        set.chain(words.map(str::to_owned)).chain(out).collect::<Vec<_>>().join(" ")
    };
    commands(text).iter().map(line).collect()
}

#[test]
fn words_quotes_and_continuations() {
    assert_eq!(
        shown("A=1 B=\"x y\" run 'a b'\\\n  c # rest\nnext;last"),
        ["A=1 B=x y run a b c", "next", "last"]
    );
    assert_eq!(shown("export A=1 B"), ["A=1 export B"]);
    assert_eq!(
        shown("run <vault ocid> <in >out 2>&1 2>/dev/null"),
        ["run <vault ocid> 1>out 2>/dev/null"]
    );
    assert_eq!(shown("a && b || c | d & e"), ["a", "b", "c", "d", "e"]);
}

#[test]
fn commands_in_words_come_before_their_command() {
    let all = commands("X=$(echo -n \"$V\" | base64 -w 0) run \"`id`\" <(cat \"$F\")");
    let names: Vec<_> = all.iter().map(|command| (command.name(), command.is_captured)).collect();
    let expected = [("echo", true), ("base64", true), ("id", true), ("cat", true), ("run", false)];
    assert_eq!(names, expected);
    assert!(all[0].is_piped && all[1].reads_pipe);
    assert_eq!(all[0].words[2].variables, ["V"]);
    assert!(all[4].assignments[0].1.has_command);
}

#[test]
fn documents_belong_to_their_command() {
    let all = commands("cat > f <<'EOF'\nkey=$K\nEOF\nchmod 600 f\n");
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].document.as_ref().unwrap().text, "key=$K\n");
    assert_eq!(all[0].document.as_ref().unwrap().variables, ["K"]);
    assert_eq!(all[1].name(), "chmod");
}

#[test]
fn branches_exclude_each_other() {
    let all = commands("if a; then b; else c; fi\nd\ncase x in y) e ;; z) f ;; esac");
    let find = |name: &str| all.iter().find(|command| command.name() == name).unwrap();
    assert!(!find("c").can_follow(find("b")));
    assert!(find("d").can_follow(find("b")) && find("b").can_follow(find("a")));
    assert!(!find("f").can_follow(find("e")));
}

#[test]
fn functions_and_prefixes() {
    let all = commands("get() {\n  X=1\n  echo $X\n}\nsudo -E chmod 600 f\nfunction g { b; }\n");
    let find = |name: &str| all.iter().find(|command| command.name() == name).unwrap();
    assert!(find("echo").is_in_function && find("b").is_in_function);
    assert!(!find("chmod").is_in_function);
    assert_eq!(find("chmod").arguments()[0].text, "600");
}

#[test]
fn the_output_of_a_group_is_that_of_its_commands() {
    let all =
        commands("{\n  echo a\n  echo b\n} >> f\n(echo c) | d\nfor x in y; do\n e\ndone > g\nh");
    let out = |command: &Command| {
        let paths = command.outputs.iter().map(|output| output.path.text.clone());
        (command.name().to_owned(), paths.collect::<Vec<_>>().join(" "), command.is_piped)
    };
    let found: Vec<_> = all.iter().map(out).collect();
    let expected = [
        ("echo", "f", false),
        ("echo", "f", false),
        ("echo", "", true),
        ("d", "", false),
        ("for", "g", false),
        ("e", "g", false),
        ("h", "", false),
    ];
    let expected = expected.map(|(name, path, piped)| (name.to_owned(), path.to_owned(), piped));
    assert_eq!(found, expected);
}

#[test]
fn any_text_is_read_to_its_end() {
    for text in ["$(", "`", "\"a", "a <<E", "((((", "${", "x)y)z", "<", "a\\", "${{ a", "'", "2>"] {
        drop(commands(text));
    }
}

#[test]
fn strings_of_other_languages_are_read_without_their_escapes() {
    let text = r#"echo \"${a.b}\" > private.key\nchmod 600 private.key"#;
    let all = read(&Letters::quoted(text, 0..text.len()));
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].words[1].variables, ["a.b"]);
    assert_eq!(all[0].outputs[0].path.text, "private.key");
}
