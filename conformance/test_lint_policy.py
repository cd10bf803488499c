"""`lint policy` on files as they are written, on a running tenancy, and on what is none of it."""

import json
import subprocess

import pytest
from oci.identity import IdentityClient

from test_identity import new_group, new_policy
from vault import BINARY, ROOT

CORPUS = ROOT / "crates" / "policy" / "tests" / "corpus"
TERRAFORM = '''resource "oci_identity_policy" "app" {
  compartment_id = var.tenancy_ocid
  description    = "Allow any-user to manage all-resources in tenancy"
  statements = [
    "Allow dynamic-group ${var.app} to read secret-family in compartment AppSecrets where target.secret.name = '${var.app}-*'",
    "Allow dynamic-group ${var.app} to use keys in compartment Keys",
    "Allow dynamic-group ${var.app} to raed vaults in compartment Keys",
    "Allow group Audit to inspect secrets in tenancy where request.region = 'us-ashburn-1'",
    # strongroom-lint: allow tenancy-wide-secrets -- one key for all, until the move is done
    "Allow service blockstorage to use keys in tenancy",
    "Allow dynamic-group ${var.app} to use keys in compartment Keys",
  ]
}
'''


def lint(*arguments, cwd=None, environment=None):
    done = subprocess.run([str(BINARY), "lint", "policy", *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False, cwd=cwd, env=environment)
    return done.returncode, done.stdout, done.stderr


def found(*arguments, **more):
    code, said, _ = lint(*arguments, "--format", "json", **more)
    return code, [(one["id"], one["line"]) for one in json.loads(said)]


def test_terraform_is_read_repaired_and_clean_afterwards(tmp_path):
    file = tmp_path / "main.tf"
    file.write_text(TERRAFORM)
    assert found(file) == (5, [("P07", 5), ("P02", 7), ("P13", 8), ("P15", 11)])
    code, said, _ = lint(file)
    assert code == 5 and "error[quoted-wildcard]: `'${var.app}-*'`" in said and "interpolated" not in said
    assert "^^^^ here" in said and f"{file}:7:40" in said
    assert lint(file, "--fix") == (0, "", "")
    repaired = file.read_text()
    assert "target.secret.name = /${var.app}-*/\"" in repaired and "request.region = 'iad'" in repaired
    assert repaired.count("use keys in compartment Keys") == 1 and "to read vaults" in repaired
    assert found(file, "--level", "info") == (0, [])


def test_a_level_a_baseline_and_every_format(tmp_path):
    (tmp_path / "a.policy").write_text("Allow group A to read vaults in tenancy\nAllow any-user to use keys in tenancy\n")
    assert found("a.policy", cwd=tmp_path)[0] == 5
    assert [one for one, _ in found("a.policy", cwd=tmp_path)[1]] == ["P10", "P03", "P10"]
    assert lint("a.policy", "--baseline", "known.json", "--write-baseline", cwd=tmp_path)[0] == 0
    assert lint("a.policy", "--baseline", "known.json", cwd=tmp_path) == (0, "", "")
    with open(tmp_path / "a.policy", "a", encoding="utf-8") as file:
        file.write("Allow any-group to use secrets in tenancy\n")
    assert {line for _, line in found("a.policy", "--baseline", "known.json", cwd=tmp_path)[1]} == {3}
    (tmp_path / "warning.policy").write_text("Allow group A to read vaults in tenancy\n")
    assert lint("warning.policy", "--level", "error", cwd=tmp_path)[0] == 0
    sarif = json.loads(lint("a.policy", "--format", "sarif", cwd=tmp_path)[1])
    assert [rule["id"] for rule in sarif["runs"][0]["tool"]["driver"]["rules"]] == ["P03", "P10"]
    assert lint("a.policy", "--format", "github", cwd=tmp_path)[1].startswith("::warning file=a.policy,line=1,")
    assert "<testsuite " in lint("a.policy", "--format", "junit", cwd=tmp_path)[1]


def test_a_directory_is_taken_by_its_endings_and_gitignore(tmp_path):
    bad = "Allow group A to read vaults in tenancy"
    for name, text in (("a.policy", bad), ("b.yaml", f"statements:\n- {bad}\n"), ("c.json", json.dumps({"statements": [bad]})),
                       ("d.md", f"```\n{bad}\n```\n"), ("e.py", bad), ("ignored.policy", bad), (".gitignore", "ignored.*\n"),
                       ("f.txt", "Allow us to say:\nno statement is here.\n")):
        (tmp_path / name).write_text(text)
    (tmp_path / "g.tf").write_bytes(b"\xff\xfe")
    _, said, _ = lint(".", "--format", "json", cwd=tmp_path)
    told = sorted((one["path"], one["id"]) for one in json.loads(said))
    assert told == [("a.policy", "P10"), ("b.yaml", "P10"), ("c.json", "P10")]
    assert found("d.md", cwd=tmp_path) == (5, [("P10", 2)])
    assert found("ignored.policy", cwd=tmp_path) == (5, [("P10", 1)])


def test_every_public_statement_is_read_and_every_invalid_one_told(tmp_path):
    valid = [line for line in (CORPUS / "valid-public.txt").read_text().splitlines() if line]
    for start in range(0, len(valid), 50):
        (tmp_path / f"{start:05}.policy").write_text("\n".join(valid[start:start + 50]) + "\n")
    code, said, _ = lint(tmp_path, "--format", "json")
    findings = json.loads(said)
    assert code == 5 and not [one for one in findings if one["id"] in ("P01", "P02", "P18")]
    for name in ("invalid-reasons-public.tsv", "invalid-derived-reasons-public.tsv"):
        lines = [line.split("\t")[0] for line in (CORPUS / name).read_text().splitlines()]
        for number, line in enumerate(lines):
            (tmp_path / "one.policy").write_text(line + "\n")
            if not line.split()[0].lower() in ("allow", "deny", "admit", "endorse", "define"):
                continue
            code, told = found(tmp_path / "one.policy")
            assert code == 5 and told[0][0] in ("P01", "P02", "P18"), (name, number, line, told)


def test_the_tenancy_of_a_connection_is_looked_at(vault, tmp_path):
    identity = vault.client(IdentityClient)
    vault.new_secret("db-live")
    group = new_group(identity, vault.dev["tenancy_id"], "lint-live")
    policy = new_policy(identity, vault.dev["tenancy_id"], "lint-live", *[
        f"Allow group {group.name} to use secret-family in compartment sample where target.secret.name = 'db-*'",
        f"Allow group {group.name} to inspect secrets in tenancy",
        f"Allow group {group.name} to inspect secrets in compartment sample",
    ])
    try:
        done = vault.strongroom("lint", "policy", "--live", "--format", "json")
        findings = json.loads(done.stdout)
        assert done.returncode == 5 and {one["path"] for one in findings} == {"tenancy"}
        assert {"P07", "P08", "P15"} <= {one["id"] for one in findings}
        radius = next(one for one in findings if one["id"] == "P35" and one["message"].startswith("no known principal"))
        assert "1 secret" in radius["message"] and "db-live" in radius["why"]
        assert sum(one["id"] == "P36" for one in findings) >= 2
        shown = vault.strongroom("lint", "policy", "--live").stdout.decode()
        assert "to inspect secrets in compartment sample" in shown
        exported = tmp_path / "tenancy.json"
        assert vault.strongroom("policy", "export", exported).returncode == 0
        ids = {one["id"] for one in findings}
        assert {one for one, _ in found(exported)[1]} == ids - {"P36"}
        (tmp_path / "events.json").write_text("[]")
        assert {one for one, _ in found(exported, "--events", tmp_path / "events.json")[1]} == ids
        (tmp_path / "new.policy").write_text("Allow group lint-lvie to inspect keys in compartment sample\n"
                                             "Allow group lint-live to inspect keys in compartment smaple\n")
        code, said, _ = lint(tmp_path / "new.policy", "--world", exported)
        assert code == 5 and said.count("error[unknown-name]") == 2
        assert "fix: Allow group lint-live to inspect keys in compartment sample" in said
    finally:
        identity.delete_policy(policy.id)
        identity.delete_group(group.id)


def test_every_rule_has_a_page():
    listed = subprocess.run([str(BINARY), "explain"], capture_output=True, text=True, timeout=60, check=True).stdout
    rules = [line.split()[:3] for line in listed.splitlines() if line.startswith("P")]
    assert [number for number, _, _ in rules] == [f"P{number:02}" for number in range(1, len(rules) + 1)]
    for number, _, code in rules:
        page = subprocess.run([str(BINARY), "explain", number], capture_output=True, text=True, timeout=60, check=True).stdout
        assert page == (ROOT / "docs" / "explain" / f"{code}.md").read_text()


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (["none.policy"], 1, "no-file"),
    (["binary.policy"], 1, "no-file"),
    (["good.policy", "--baseline", "none.json"], 3, "bad-baseline"),
    (["good.policy", "--baseline", "good.policy"], 3, "bad-baseline"),
    (["good.policy", "--world", "none.json"], 1, "no-file"),
    (["good.policy", "--world", "good.policy"], 3, "bad-world"),
    (["good.policy", "--events", "none.json"], 1, "no-file"),
    (["good.policy", "--events", "good.policy"], 3, "bad-events"),
    (["good.policy", "--live"], 2, "cannot be used with"),
    (["--live", "--fix"], 2, "cannot be used with"),
    (["good.policy", "--format", "xml"], 2, "invalid value"),
    (["good.policy", "--level", "fatal"], 2, "invalid value"),
    (["good.policy", "--semantics", "loose"], 2, "invalid value"),
    (["good.policy", "--write-baseline"], 2, "--baseline"),
    (["empty.policy"], 0, "no-statement"),
])
def test_wrong_inputs_are_named(tmp_path, arguments, code, says):
    (tmp_path / "good.policy").write_text("Allow group A to inspect secrets in tenancy\n")
    (tmp_path / "empty.policy").write_text("")
    (tmp_path / "binary.policy").write_bytes(b"Allow \xff")
    ended, _, said = lint(*arguments, cwd=tmp_path)
    assert ended == code and says in said, said


def test_a_server_that_is_not_there_is_named(vault):
    done = vault.strongroom("lint", "policy", "--live", "--endpoint", "http://127.0.0.1:1")
    assert done.returncode == 4, done.stderr


def test_files_that_are_cut_off_or_odd_do_no_harm(tmp_path):
    for end in range(0, len(TERRAFORM), 7):
        (tmp_path / "main.tf").write_text(TERRAFORM[:end])
        assert lint(tmp_path / "main.tf")[0] in (0, 5)
    for name, text in (("deep.json", "[" * 100_000), ("deep.tf", "a = \"" + "${" * 50_000), ("long.policy", "Allow " + "a" * 1_000_000),
                       ("brace.policy", "Allow any-user to read keys in tenancy where " + "all {" * 10_000),
                       ("rule.policy", "ANY {" * 5_000 + "instance.id = 'a'"), ("nul.yaml", "a: \0\n- Allow \0 to \0\n")):
        (tmp_path / name).write_text(text)
        assert lint(tmp_path / name)[0] in (0, 5), name
