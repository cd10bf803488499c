"""The second reading of the policy language against the statements, rules and cases that others wrote."""

import json

import pytest

from policy_oracle import decide
from policy_oracle.rules import read_rule
from policy_oracle.statements import read_statement
from policy_oracle.tenancy import Tenancy
from policy_oracle.text import Refused
from vault import ROOT

CORPUS = ROOT / "crates" / "policy" / "tests" / "corpus"
CASES = json.loads((CORPUS / "cases-public.json").read_text())
# These three are about a switch, a limit and a policy's name, not about a statement.
NOT_STATEMENTS = {"C010", "C011", "C020"}


def refused(read, source):
    try:
        read(source)
    except Refused:
        return True
    return False


def lines(name):
    return (CORPUS / name).read_text().splitlines()


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["id"])
def test_a_public_case(case):
    assert sorted(decide.missing(Tenancy(CASES["world"]), case, "oracle")) == sorted(case["missing"])


@pytest.mark.parametrize(
    "case", [case for case in CASES["create_cases"] if case["id"] not in NOT_STATEMENTS], ids=lambda case: case["id"])
def test_a_public_creation(case):
    tenancy = Tenancy(CASES["world"])
    accepted = not refused(lambda source: decide.create(tenancy, case["attach"], source), case["statement"])
    assert accepted == (case["expect"] == "ACCEPT")


def test_strict_adds_the_key_and_wildcards_in_quoted_names():
    tenancy = Tenancy(CASES["world"])
    bundle = {"compartment": "Apps/Prod", "vars": {"target.secret.name": "db-prod"}}
    key = {"compartment": "Security/Vaults", "vars": {}}
    case = {
        "principal": "alice",
        "request": {"operation": "GetSecretBundle", "target": bundle, "targets": {"KEY_": key}},
        "policies": [{"attach": "root", "statements": [
            "Allow group SecretReaders to read secret-family in compartment Apps where target.secret.name = 'db-*'"]}],
    }
    assert decide.missing(tenancy, case, "oracle") == ["SECRET_BUNDLE_READ"]
    assert decide.missing(tenancy, case, "strict") == ["KEY_DECRYPT"]
    case["policies"].append({"attach": "Security", "statements": ["Allow any-user to use keys in compartment Vaults"]})
    assert decide.missing(tenancy, case, "strict") == []


def test_every_public_statement_and_rule_is_accepted():
    assert [line for line in lines("valid-public.txt") if refused(read_statement, line)] == []
    assert [line for line in lines("matching-rules-public.txt") if refused(read_rule, line)] == []


def test_every_invalid_statement_and_rule_is_refused():
    for name in ("invalid-reasons-public.tsv", "invalid-derived-reasons-public.tsv"):
        assert [line for line in lines(name) if not refused(read_statement, line.split("\t")[0])] == []
    assert [line for line in lines("matching-rules-invalid-public.txt") if not refused(read_rule, line)] == []
