"""`policy diff` finds what the second reading finds, and shows nothing that the second reading does not see too."""

import copy
import json
import multiprocessing
import os
import random as randomness
import subprocess

import pytest

import policy_random
import policy_world
from policy_oracle import decide
from policy_oracle.tenancy import Tenancy
from vault import BINARY, ROOT

PAIRS = int(os.environ.get("STRONGROOM_POLICY_PAIRS", "200"))
FIRST_SEED = int(os.environ.get("STRONGROOM_POLICY_SEED", "0"))
REQUESTS = 40
PROCESSES = 2
SEMANTICS = ("oracle", "strict")
# The server's own, of which the second reading knows nothing.
OWN = {"SECRET_CONSUMER_INSPECT", "SECRET_CONSUMER_REPORT", "DENIAL_READ"}
CASES = json.loads((ROOT / "crates" / "policy" / "tests" / "corpus" / "cases-public.json").read_text())
WORLD = CASES["world"]


def diff(*arguments):
    done = subprocess.run([str(BINARY), "policy", "diff", *map(str, arguments)], capture_output=True, text=True, timeout=300,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def changed(random, maker, policies):
    """Policies with some of them left out, altered or added."""
    policies = copy.deepcopy(policies)
    for _ in range(random.randint(0, 2)):
        how = random.choice(("without", "added", "altered", "moved"))
        if how == "added" or not policies:
            policies += maker.case()["policies"][:1]
            continue
        at = random.randrange(len(policies))
        if how == "without":
            policies.pop(at)
        elif how == "moved":
            policies[at]["attach"] = random.choice(list(maker.tenancy.compartments))
        else:
            policies[at]["statements"] = maker.case()["policies"][0]["statements"]
    return policies


class Second:
    """What the second reading decides of one permission."""

    def __init__(self, world, policies, strict):
        self.tenancy, self.strict = Tenancy(world), strict
        self.statements = decide.statements_of(self.tenancy, policies)

    def granted(self, who, request, permission):
        asked = decide.Asked(self.tenancy, who, request, permission, self.strict)
        covering = [one for one, ids, location in self.statements if asked.covered(one, ids, location)]
        denied = any(one.denies for one in covering) and not asked.administrator
        return any(not one.denies for one in covering) and not denied


def with_assumed(world, assumed):
    world = copy.deepcopy(world)
    for one in assumed["compartments"]:
        keys = [key for key, there in world["compartments"].items() if there["id"] == one["parent_id"]]
        if keys:
            world["compartments"][one["id"]] = {"id": one["id"], "name": one["name"], "parent": keys[0], "tags": one["tags"]}
    world["groups"] += copy.deepcopy(assumed["groups"])
    return world


def with_witness(world, principal, number):
    """Adds an assumed principal to a tenancy and returns its key."""
    if principal["isKnown"]:
        ids = [one["id"] for kind in ("user", "resource") if (one := principal.get(kind))]
        return world, [key for key, one in world["principals"].items() if one["id"] == ids[0]][0]
    world = copy.deepcopy(world)
    if "user" in principal:
        made = {"kind": "user", **principal["user"]}
        for group in world["groups"]:
            if group["id"] in principal["groupIds"][number]:
                group["members"] = [*group["members"], "witness"]
    elif "service" in principal:
        made = {"kind": "service", "type": "service", "id": principal["service"]["name"], **principal["service"]}
    else:
        told = principal["resource"]
        homes = [key for key, one in world["compartments"].items() if one["id"] == told["compartmentId"]]
        made = {"kind": "resource", "type": told["resourceType"], "id": told["id"], "tags": told["tags"],
                "compartment": homes[0] if homes else "root", **told["attributes"]}
    world["principals"]["witness"] = made
    return world, "witness"


def seen_by_second(world, policies, comparison, change, strict):
    """What the second reading decides of a witness with the old and the new policies."""
    witness = change["witness"]
    answers = []
    for number, one in enumerate(policies):
        own, who = with_witness(with_assumed(world, comparison["assumed"]), witness["principal"], number)
        place = [key for key, there in own["compartments"].items() if there["id"] == witness["compartmentId"]][0]
        carried = {name: values if len(values) > 1 else values[0] for name, values in witness["variables"].items()}
        request = {"operation": witness["operation"], "target": {"compartment": place, "vars": carried}}
        if witness["time"]:
            request["time"] = witness["time"].replace(".000Z", "Z")
        decide.REGION = witness["region"]
        answers.append(Second(own, one, strict).granted(who, request, witness["permission"]))
        decide.REGION = "IAD"
    return answers


def differing(maker, world, policies, semantics):
    """The sampled requests that the second reading decides otherwise with the new policies."""
    found = []
    tenancy = Tenancy(world)
    for _ in range(REQUESTS):
        case = {"principal": maker.random.choice(list(world["principals"])), "request": maker.request()}
        # What denies instead of not granting is no difference to the caller.
        old, new = (decide.missing(tenancy, {**case, "policies": one}, semantics) for one in policies)
        if {one.split(":")[0] for one in old} != {one.split(":")[0] for one in new}:
            found.append((case, old, new))
    return found


def try_pair(arguments):
    seed, directory = arguments
    random = randomness.Random(seed)
    semantics = SEMANTICS[seed % 2]
    world = policy_world.world(random)
    maker = policy_random.Maker(random, Tenancy(world))
    old = [policy for _ in range(random.randint(0, 3)) for policy in maker.case()["policies"]]
    policies = [old, changed(random, maker, old)]
    files = []
    for name, one in zip(("old", "new"), policies):
        files.append(os.path.join(directory, f"{os.getpid()}-{name}.json"))
        with open(files[-1], "w", encoding="utf-8") as stream:
            json.dump({"world": world, "policies": one}, stream)
    code, said, complained = diff(*files, "--semantics", semantics, "--json")
    if code not in (0, 5):
        return (0, 0, 0), [f"seed {seed}: {complained}"]
    comparison, wrong = json.loads(said), []
    sampled = differing(maker, world, policies, semantics)
    if sampled and not comparison["changes"]:
        wrong.append(f"seed {seed}: nothing is reported, yet {sampled[0]}")
    for change in comparison["changes"]:
        if change["witness"]["permission"] in OWN:
            continue
        answers = seen_by_second(world, policies, comparison, change, semantics == "strict")
        if answers != [change["became"] == "denied", change["became"] == "allowed"]:
            wrong.append(f"seed {seed}: {answers} for {json.dumps(change, ensure_ascii=False)}")
    whole = comparison["compared"] == comparison["classes"]
    return (bool(sampled), len(comparison["changes"]), whole), wrong


def test_random_pairs_differ_alike(tmp_path):
    work = ((FIRST_SEED + number, str(tmp_path)) for number in range(PAIRS))
    differ, shown, whole, wrong = 0, 0, 0, []
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for (sampled, changes, all_of), mistakes in pool.imap_unordered(try_pair, work):
            differ, shown, whole = differ + sampled, shown + changes, whole + all_of
            wrong += mistakes
    print(f"{PAIRS} pairs: requests of {differ} differ, {shown} witnesses, {whole} compared whole")
    assert not wrong, f"{len(wrong)} mistakes, such as\n" + "\n".join(wrong[:3])
    assert PAIRS < 100 or differ > PAIRS / 10


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["id"])
def test_what_a_public_case_allows_is_a_difference_to_nothing(case, tmp_path):
    """Without its policies an allowed case is denied: the comparison must see it, and every witness must hold."""
    files = [tmp_path / "none.json", tmp_path / "case.json"]
    policies = [[], case["policies"]]
    for file, one in zip(files, policies):
        file.write_text(json.dumps({"world": WORLD, "policies": one}))
    code, said, complained = diff(*files, "--semantics", "oracle", "--json")
    comparison = json.loads(said)
    assert code == (5 if comparison["changes"] else 0), complained
    if case["expect"] == "ALLOW":
        needed = set(decide.needed(case["request"]["operation"], "oracle"))
        assert needed <= {one for change in comparison["changes"] for one in change["permissions"]}
    for change in comparison["changes"]:
        assert change["became"] == "allowed" and change["witness"]["permission"] not in OWN
        assert seen_by_second(WORLD, policies, comparison, change, False) == [False, True], change


def text(directory, name, *lines):
    path = directory / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_lines_of_statements_are_compared_without_a_tenancy(tmp_path):
    old = text(tmp_path, "old.txt", "Allow group App to read secret-family in compartment Apps where target.secret.name = 'db-*'",
               "", "Allow group Admins to manage keys in tenancy")
    new = text(tmp_path, "new.txt", "Allow group App to read secret-family in compartment Apps",
               "Allow group Admins to use keys in tenancy")
    code, said, _ = diff(old, new)
    assert code == 5
    lines = [line.strip() for line in said.splitlines()]
    assert lines[0] == "became allowed" and "became denied" in lines
    assert lines[1:5] == ["group App", "read secret-family", "in compartment Apps and below",
                          "where target.secret.name = 'another'"]
    assert f"new: granted by policy `{new}`, statement 1" in lines
    assert f"old: granted by policy `{old}`, statement 2" in lines
    assert lines[-1].startswith("2 differences in strict semantics: compared ")
    assert diff(old, old)[0] == 0 and diff(old, old)[1].startswith("no difference in strict semantics")


def test_statements_are_compared_in_the_tenancy_of_the_other_file(tmp_path):
    old = tmp_path / "world.json"
    statement = "Allow group SecretReaders to read secret-family in compartment Apps:Prod"
    old.write_text(json.dumps({"world": WORLD, "policies": [{"attach": "root", "statements": [statement]}]}))
    assert diff(old, text(tmp_path, "same.txt", statement))[0] == 0
    code, said, _ = diff(old, text(tmp_path, "wider.txt", statement.replace("Apps:Prod", "Apps")), "--json")
    [change] = json.loads(said)["changes"]
    assert (code, change["became"], change["grants"]) == (5, "allowed", ["read secret-family"])
    assert change["principals"] == ["group SecretReaders"] and change["witness"]["compartment"] == "compartment Apps"


def test_a_member_who_left_is_a_difference(tmp_path):
    files = [tmp_path / "before.json", tmp_path / "after.json"]
    left = copy.deepcopy(WORLD)
    next(group for group in left["groups"] if group["name"] == "SecretReaders")["members"] = []
    policies = [{"attach": "root", "statements": ["Allow group SecretReaders to read secrets in tenancy"]}]
    for file, world in zip(files, (WORLD, left)):
        file.write_text(json.dumps({"world": world, "policies": policies}))
    code, said, _ = diff(*files, "--json")
    [change] = json.loads(said)["changes"]
    assert (code, change["became"], change["principals"]) == (5, "denied", ["user alice"])


def test_what_is_not_compared_is_told(tmp_path):
    """More values than are tried are counted, not passed over."""
    names = " , ".join(f"target.v{number}.name = 'a{number}'" for number in range(12))
    old = text(tmp_path, "old.txt", f"Allow any-user to read keys in tenancy where any {{{names}}}")
    new = text(tmp_path, "new.txt", f"Allow any-user to read keys in tenancy where all {{{names}}}")
    code, said, _ = diff(old, new, "--json")
    comparison = json.loads(said)
    assert code == 5 and comparison["compared"] < comparison["classes"]
    assert f"compared {comparison['compared']} of {comparison['classes']} classes" in diff(old, new)[1]


WRONG = (
    ("", "Allow group A to raed keys in tenancy", 3, "1:18: "),
    ("", "\n\nAllow group A to read keys", 3, "3:27: "),
    ("{", "", 3, "EOF while parsing"),
    ('{"world": {}}', "", 3, "missing field `tenancy_id`"),
    (json.dumps({"world": WORLD}), "", 3, "missing field `policies`"),
    (json.dumps({"world": WORLD, "policies": [{"attach": "Nowhere", "statements": []}]}), "", 3, "`Nowhere`"),
    (json.dumps({"world": WORLD, "policies": []}), "Allow group Nobody to read keys in tenancy", 3,
     "statement 1: the group `Nobody` does not exist"),
    (json.dumps({"world": WORLD, "policies": []}), "Allow any-user to read keys in compartment Prod", 3,
     "the compartment `Prod` does not exist"),
    (json.dumps({"world": WORLD, "policies": []}), json.dumps({"policies": [], "world": {
        "tenancy_id": "ocid1.tenancy.oc1..other", "compartments": {}}}), 3, "it is of tenancy ocid1.tenancy.oc1..other"),
    ("Allow any-user to read keys in tenancy where request.utc-timestamp before 'noon'", "", 3, "`noon` is not a time"),
    (json.dumps({"world": {**WORLD, "dynamic_groups": [{"name": "d", "id": "ocid1.dynamicgroup.oc1..d", "rule": "x"}]},
                 "policies": []}), "", 3, "the rule of dynamic group `d`"),
)


@pytest.mark.parametrize(("old", "new", "code", "message"), WRONG, ids=lambda value: str(value)[:30])
def test_wrong_input_is_named(old, new, code, message, tmp_path):
    files = text(tmp_path, "old", old), text(tmp_path, "new", new)
    done, said, complained = diff(*files)
    assert (done, said) == (code, "") and "error[bad-policies]" in complained and message in complained, complained


def test_a_file_that_is_not_there(tmp_path):
    code, _, complained = diff(tmp_path / "a", tmp_path / "b")
    assert code == 1 and "error[no-file]" in complained
    assert diff(tmp_path / "a")[0] == 2
