"""`lint code` as it is run: formats, exit codes, repairs, suppressions, baselines, what is walked."""

import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from vault import BINARY, ROOT

UNSAFE = "with open('/tmp/key.pem', 'w') as f:\n    f.write(key)\nos.chmod('/tmp/key.pem', 0o600)\n"
SAFE_LEFT = "print('nothing of the kind')\n"
CANARY = "canary-7f3a-value"


def lint(where, *arguments):
    done = subprocess.run([str(BINARY), "lint", "code", *map(str, arguments)], cwd=where, capture_output=True, text=True,
                          timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def found(where, *arguments):
    code, out, err = lint(where, "--format", "json", *arguments)
    assert err == "" and code in (0, 5), err
    return [(finding["path"], finding["line"], finding["id"]) for finding in json.loads(out)]


@pytest.fixture
def tree(tmp_path):
    files = {
        "fetch.py": UNSAFE,
        "good.py": SAFE_LEFT,
        "deploy/run.sh": "oci vault-secret list --compartment-id \"$C\"\n",
        "deploy/ignored/run.sh": "oci vault-secret list --compartment-id \"$C\"\n",
        "build/out.sh": "oci vault-secret list --compartment-id \"$C\"\n",
        ".gitignore": "build/\n",
        "deploy/.gitignore": "ignored\n",
        ".git/hooks/x.sh": "oci vault-secret list --compartment-id \"$C\"\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_a_tree_is_walked_as_git_sees_it(tree):
    assert found(tree) == [("deploy/run.sh", 1, "C08"), ("fetch.py", 1, "C03")]
    assert found(tree, "build/out.sh") == [("build/out.sh", 1, "C08")]
    assert found(tree, "good.py") == []


def test_what_is_found_decides_the_end(tree):
    assert lint(tree, "good.py")[0] == 0
    assert lint(tree, "fetch.py")[0] == 5
    assert lint(tree, "fetch.py", "--level", "error")[0] == 0
    assert lint(tree, "deploy", "--level", "error")[0] == 5
    code, out, err = lint(tree, "absent.py")
    assert code not in (0, 5) and out == "" and "absent.py" in err


def test_every_format_says_the_same(tree):
    people = lint(tree)[1]
    assert "┌─ fetch.py:1:6" in people and "see: strongroom explain readable-before-chmod" in people
    sarif = json.loads(lint(tree, "--format", "sarif")[1])
    results = sarif["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["C08", "C03"]
    workflow = lint(tree, "--format", "github")[1].splitlines()
    assert workflow[0].startswith("::error file=deploy/run.sh,line=1,") and len(workflow) == 2
    suites = ElementTree.fromstring(lint(tree, "--format", "junit")[1])
    assert len(suites.findall("./testsuite/testcase/failure")) == 2
    finding = json.loads(lint(tree, "--format", "json")[1])[0]
    assert finding["code"] == "no-such-command" and finding["fix"] == "oci vault secret list"


def test_what_is_mechanical_is_repaired_and_not_found_again(tree):
    os.chmod(tree / "deploy/run.sh", 0o755)
    assert lint(tree, "--fix")[0] == 0
    assert found(tree) == []
    assert (tree / "deploy/run.sh").read_text() == "oci vault secret list --compartment-id \"$C\"\n"
    assert (tree / "deploy/run.sh").stat().st_mode & 0o777 == 0o755
    assert "os.fdopen(os.open('/tmp/key.pem', os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), 'w')" in (tree / "fetch.py").read_text()
    assert (tree / "build/out.sh").read_text().startswith("oci vault-secret")


def test_what_was_repaired_runs_and_makes_a_private_file(tmp_path):
    script = tmp_path / "fetch.py"
    script.write_text("import os\nkey = 'k'\n" + UNSAFE.replace("/tmp/key.pem", str(tmp_path / "key.pem")).replace("os.chmod", "1 or os.chmod"))
    assert lint(tmp_path, "--fix", "fetch.py")[0] == 0
    subprocess.run(["python3", str(script)], check=True)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    shell = tmp_path / "setup.sh"
    shell.write_text(f'API_KEY=k\necho "$API_KEY" > {tmp_path}/api_key.pem\nchmod 600 {tmp_path}/api_key.pem\n')
    assert lint(tmp_path, "--fix", "setup.sh")[0] == 0
    shell.write_text(shell.read_text().split("chmod")[0])
    subprocess.run(["bash", str(shell)], check=True)
    assert (tmp_path / "api_key.pem").stat().st_mode & 0o777 == 0o600


def test_a_suppression_says_why(tree):
    (tree / "fetch.py").write_text("# strongroom-lint: allow C03 -- a key that is public\n" + UNSAFE)
    assert found(tree, "fetch.py") == []
    (tree / "fetch.py").write_text("# strongroom-lint: allow C03\n" + UNSAFE)
    assert [rule for _, _, rule in found(tree, "fetch.py")] == ["L01", "C03"]
    (tree / "good.py").write_text("# strongroom-lint: allow C99 -- no rule\n")
    assert [rule for _, _, rule in found(tree, "good.py")] == ["L01"]


def test_a_baseline_leaves_out_what_was_known(tree):
    code, out, err = lint(tree, "--baseline", "known.json", "--write-baseline")
    assert code == 0 and out == "" and "2 findings" in err
    assert found(tree, "--baseline", "known.json") == []
    (tree / "more.py").write_text("x = 1\n" + UNSAFE)
    assert found(tree, "--baseline", "known.json") == [("more.py", 2, "C03")]


def test_files_that_are_no_text_and_broken_text_are_survived(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"ocid1.vault\0" * 100)
    (tmp_path / "b.py").write_bytes(b"# \xff\xfe\n" + UNSAFE.encode())
    (tmp_path / "c.py").write_text("def (:\n  chmod secret_bundle $(((\n" * 50)
    (tmp_path / "d.sh").write_text("oci kms \"$( `" * 50)
    assert [rule for _, _, rule in found(tmp_path)] == ["C03"]
    before = (tmp_path / "b.py").read_bytes()
    assert lint(tmp_path, "--fix")[0] == 5
    assert (tmp_path / "b.py").read_bytes() == before


def test_a_file_that_cannot_be_read_is_not_called_clean(tmp_path):
    # Nothing is mapped at its beginning, whoever reads.
    code, out, err = lint(tmp_path, "/proc/self/mem")
    assert (code, out) == (1, "") and "no-file" in err and "/proc/self/mem" in err


def test_no_value_is_told(tmp_path):
    (tmp_path / "a.py").write_text(
        f"import oci\npassword = '{CANARY}'\nprint(f'using {{password}}')\n"
        f"d = oci.vault.models.Base64SecretContentDetails(content_type='PLAIN', content='{CANARY}')\n")
    (tmp_path / "a.sh").write_text(
        f"DB_PASSWORD={CANARY}\nmysql -p\"$DB_PASSWORD\" x\necho \"it is $DB_PASSWORD\"\n"
        f"oci vault secret update-base64 --secret-id x --secret-content-content '{CANARY}'\n")
    for form in ("json", "sarif", "github", "junit"):
        code, out, err = lint(tmp_path, "--format", form)
        assert code == 5 and CANARY not in out + err
    assert {rule for _, _, rule in found(tmp_path)} >= {"C02", "C04", "C06", "C14"}


def test_every_rule_has_a_page_and_a_line_in_the_manual():
    listed = subprocess.run([str(BINARY), "explain"], capture_output=True, text=True, check=True).stdout.splitlines()
    manual = (ROOT / "docs" / "lint.md").read_text()
    rules = [line.split() for line in listed]
    assert len(rules) >= 20
    for number, level, code, *_ in rules:
        page = subprocess.run([str(BINARY), "explain", code], capture_output=True, text=True, check=True).stdout
        assert page.startswith(f"# {code} ({number})")
        if number[0] in "CL":
            assert f"| {number} `{code}` | {level} |" in manual


def test_the_hook_names_a_command_that_there_is():
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text()
    entry = next(line.split(":", 1)[1].split() for line in hook.splitlines() if "entry:" in line)
    done = subprocess.run([str(BINARY), *entry[1:], "--help"], capture_output=True, text=True, check=False)
    assert entry[0] == "strongroom" and done.returncode == 0
