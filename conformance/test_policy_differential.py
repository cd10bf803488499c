"""Two readings of the policy language decide the same random cases; wherever they differ, one of them is wrong."""

import json
import multiprocessing
import os
import subprocess

import pytest

import policy_random
from policy_oracle import decide
from policy_oracle.statements import read_statement
from policy_oracle.tables import FAMILIES, VERB_TABLE
from policy_oracle.tenancy import Tenancy
from policy_oracle.text import Refused
from vault import BINARY

CASES = int(os.environ.get("STRONGROOM_POLICY_CASES", "50000"))
FIRST_SEED = int(os.environ.get("STRONGROOM_POLICY_SEED", "0"))
BATCH = 250
PROCESSES = 2
SHOWN_MAX = 5
SEMANTICS = ("oracle", "strict")
KNOWN_TYPES = {*VERB_TABLE, *FAMILIES, *policy_random.FOREIGN_TYPES}
KNOWN_PERMISSIONS = {permission for levels in VERB_TABLE.values() for level in levels for permission in level.split()}
KNOWN_PERMISSIONS.update(policy_random.FOREIGN_PERMISSIONS)


def fill(batch, semantics):
    """Writes down what the second reading decides."""
    tenancy = Tenancy(batch["world"])
    batch["create_cases"] = [case for case in batch["create_cases"] if settled(case)]
    for case in batch["cases"]:
        case["missing"] = decide.missing(tenancy, case, semantics)
        case["expect"] = "DENY" if case["missing"] else "ALLOW"
        case["http"] = 404 if case["missing"] else 200
    for case in batch["create_cases"]:
        case["expect"] = "ACCEPT" if accepted(tenancy, case) else "REJECT 400 InvalidParameter"
    for case in (*batch["cases"], *batch["create_cases"]):
        case.update(reason="the second reading", basis="derived", split="random")


def settled(case):
    """Whether the documents say what becomes of a statement; of words that may be misspelt or foreign they do not."""
    try:
        statement = read_statement(case["statement"])
    except Refused:
        return True
    return (not statement.resource_type or statement.resource_type in KNOWN_TYPES) and KNOWN_PERMISSIONS.issuperset(
        statement.permissions)


def accepted(tenancy, case):
    try:
        statement, _, _ = decide.create(tenancy, case["attach"], case["statement"])
    except Refused:
        return False
    # Creation cases are those of a tenancy which has not switched deny on.
    return not statement.denies


def simulate(batch, semantics, directory):
    """Lets the binary decide; returns its exit code and what it printed."""
    file = os.path.join(directory, f"{os.getpid()}.json")
    with open(file, "w", encoding="utf-8") as stream:
        json.dump(batch, stream)
    done = subprocess.run([str(BINARY), "policy", "simulate", "--cases", file, "--semantics", semantics],
                          capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def try_batch(seed, size, directory):
    """Returns how many cases of a batch are allowed, and each difference with what is needed to see it again."""
    semantics = SEMANTICS[seed % 2]
    batch = policy_random.batch(seed, size)
    fill(batch, semantics)
    code, said = simulate(batch, semantics, directory)
    allowed = sum(case["expect"] == "ALLOW" for case in batch["cases"])
    if code == 0 and said.strip() == f"{len(batch['cases']) + len(batch['create_cases'])} agree, 0 differ":
        return allowed, []
    by_id = {case["id"]: case for case in (*batch["cases"], *batch["create_cases"])}
    differences = [f"{semantics}: {line}\n{json.dumps(by_id[line.split(':')[0]], ensure_ascii=False)}"
                   for line in said.splitlines() if line.split(":")[0] in by_id]
    return allowed, differences or [f"seed {seed}: {said}"]


def try_sized(arguments):
    return try_batch(*arguments)


def test_random_cases_are_decided_alike(tmp_path):
    sizes = [BATCH] * (CASES // BATCH) + [CASES % BATCH] * (CASES % BATCH > 0)
    work = ((FIRST_SEED + number, size, str(tmp_path)) for number, size in enumerate(sizes))
    allowed, differ, shown = 0, 0, []
    with multiprocessing.get_context("spawn").Pool(PROCESSES, maxtasksperchild=200) as pool:
        for count, differences in pool.imap_unordered(try_sized, work):
            allowed += count
            differ += len(differences)
            shown += differences[:SHOWN_MAX - len(shown)]
    assert differ == 0, f"{differ} differ, such as\n" + "\n".join(shown)
    assert CASES < 5000 or 0.3 < allowed / CASES < 0.7, f"{allowed} of {CASES} are allowed"


def test_a_wrong_expectation_is_seen(tmp_path):
    batch = policy_random.batch(1, 20)
    fill(batch, "oracle")
    case = batch["cases"][7]
    case["expect"], case["missing"] = ("ALLOW", []) if case["missing"] else ("DENY", ["KEY_READ"])
    code, said = simulate(batch, "oracle", tmp_path)
    assert code == 5 and said.splitlines()[-1].endswith(" 1 differ") and f"{case['id']}: expected " in said


def test_the_same_seed_gives_the_same_cases():
    assert json.dumps(policy_random.batch(3, 30)) == json.dumps(policy_random.batch(3, 30))


COMPARTMENTS = {"root": {"id": "ocid1.tenancy.oc1..acme", "name": "acme", "parent": None}}
WORLD = {"tenancy_id": "ocid1.tenancy.oc1..acme", "compartments": COMPARTMENTS, "groups": [], "dynamic_groups": [],
         "principals": {"erin": {"kind": "user", "name": "erin", "id": "ocid1.user.oc1..erin"}}}
# What random cases found, and was repaired.
FOUND = (
    # A variable that the request does not carry makes its comparison false, `not in` included.
    ("GetSecret", "read secrets in tenancy where request.operation not in ('x', request.networkSource.name)"),
    # target.compartment.* is on all requests but ListCompartments.
    ("ListCompartments", "inspect compartments in tenancy where target.compartment.name = 'acme'"),
)


@pytest.mark.parametrize(("operation", "rest"), FOUND)
def test_what_was_found_stays_repaired(operation, rest, tmp_path):
    batch = {"about": "one case", "world": WORLD, "create_cases": [], "cases": [{
        "id": "K1", "title": operation, "principal": "erin",
        "policies": [{"attach": "root", "statements": [f"Allow any-user to {rest}"]}],
        "request": {"operation": operation, "target": {"compartment": "root", "vars": {}}},
    }]}
    fill(batch, "oracle")
    code, said = simulate(batch, "oracle", tmp_path)
    assert code == 0, said
