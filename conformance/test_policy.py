"""The policy commands against statements, rules and cases that others wrote."""

import subprocess

from vault import BINARY, ROOT

CORPUS = ROOT / "crates" / "policy" / "tests" / "corpus"


def policy(*arguments, stdin=b""):
    done = subprocess.run([str(BINARY), "policy", *map(str, arguments)], capture_output=True, input=stdin, timeout=60,
                          check=False)
    return done.returncode, done.stdout.decode().splitlines()


def test_every_public_statement_and_rule_is_accepted():
    assert policy("check", "--lines", CORPUS / "valid-public.txt") == (0, ["4475 accepted, 0 refused"])
    assert policy("check", "--rules", CORPUS / "matching-rules-public.txt") == (0, ["157 accepted, 0 refused"])


def test_every_invalid_statement_and_rule_is_refused_in_place():
    for name, column in (("invalid-reasons-public.tsv", 0), ("invalid-derived-reasons-public.tsv", 0)):
        lines = [line.split("\t")[column] for line in (CORPUS / name).read_text().splitlines()]
        code, said = policy("check", "--lines", "-", stdin="\n".join(lines).encode())
        assert code == 5 and said[-1] == f"0 accepted, {len(lines)} refused"
        places = [line.split(":")[:2] for line in said[:-1] if line[0].isdigit()]
        assert [int(line) for line, _ in places] == list(range(1, len(lines) + 1))
        assert all(1 <= int(column) <= len(lines[int(line) - 1]) + 1 for line, column in places)
    code, said = policy("check", "--rules", CORPUS / "matching-rules-invalid-public.txt")
    assert code == 5 and said[-1].startswith("0 accepted, ")


def test_a_misspelling_is_pointed_at(tmp_path):
    code, said = policy("check", "-", stdin=b"Allow group A to raed secret-family in tenancy")
    assert code == 5 and "did you mean `read`?" in said[-2]
    (tmp_path / "good.policy").write_text("Allow any-user to read keys in tenancy")
    (tmp_path / "bad.policy").write_text("Allow any-user to read keys")
    code, said = policy("check", tmp_path)
    assert code == 5 and said[0].startswith(f"{tmp_path}/bad.policy:1:28: ") and said[-1] == "1 accepted, 1 refused"


def test_every_public_case_comes_out_as_documented():
    assert policy("simulate", "--cases", CORPUS / "cases-public.json") == (0, ["144 agree, 0 differ"])
    code, said = policy("simulate", "--cases", CORPUS / "cases-public.json", "--semantics", "strict")
    assert code == 5 and any("KEY_DECRYPT" in line for line in said)


def test_what_cannot_be_read_is_named(tmp_path):
    done = subprocess.run([str(BINARY), "policy", "simulate", "--cases", str(tmp_path / "none")], capture_output=True,
                          timeout=60, check=False)
    assert done.returncode == 1 and b"error[no-file]" in done.stderr
    (tmp_path / "bad.json").write_text("{")
    done = subprocess.run([str(BINARY), "policy", "simulate", "--cases", str(tmp_path / "bad.json")],
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 1 and b"error[bad-cases]" in done.stderr
