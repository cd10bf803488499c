"""`policy simulate` decides one request as the cases say, and as a server does."""

import json
import stat
import subprocess

import oci
import pytest
from oci.exceptions import ServiceError
from oci.identity import models

from test_identity import new_group, new_key, new_policy, new_user
from test_run import as_app
from vault import BINARY, ROOT

CASES = json.loads((ROOT / "crates" / "policy" / "tests" / "corpus" / "cases-public.json").read_text())
WORLD = CASES["world"]
# Checked by prefix in the file of cases, by what it is on here.
OTHERS = {"KEY_": "--key-in", "VAULT_": "--vault-in"}


def simulate(*arguments):
    done = subprocess.run([str(BINARY), "policy", "simulate", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Writes one file for each list of policies."""
    directory, written = tmp_path_factory.mktemp("worlds"), {}

    def write(policies):
        key = json.dumps(policies)
        if key not in written:
            path = directory / f"{len(written)}.json"
            path.write_text(json.dumps({"world": WORLD, "policies": policies, "cases": "left alone"}))
            written[key] = path
        return written[key]
    return write


def asked(case, file):
    """The arguments that ask for a case."""
    request = case["request"]
    arguments = ["--as", case["principal"], "--do", request["operation"], "--on", request["target"]["compartment"],
                 "--world", file]
    carried = dict(request["target"]["vars"])
    carried |= {f"target.resource.tag.{name}": value for name, value in request["target"].get("tags", {}).items()}
    for prefix, target in request.get("targets", {}).items():
        arguments += [OTHERS[prefix], target["compartment"]]
        carried |= target["vars"]
    if "network_source" in request:
        carried["request.networkSource.name"] = request["network_source"]
    carried["request.utc-timestamp"] = request.get("time", "2026-01-01T00:00:00Z")
    if request["operation"].startswith("Change"):
        arguments += ["--to", request["target"]["compartment"]]
    for name, value in carried.items():
        for one in value if isinstance(value, list) else [value]:
            arguments += ["--var", f"{name}={one}"]
    return arguments


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["id"])
def test_every_public_case_comes_out_as_documented(case, worlds):
    code, said, complained = simulate(*asked(case, worlds(case["policies"])), "--semantics", "oracle", "--json")
    assert code == (0 if case["expect"] == "ALLOW" else 5), complained
    answer = json.loads(said)
    lacking = {need["permission"] + (":denied" if need["verdict"] == "denied" else "")
               for need in answer["required"] if need["verdict"] != "granted"}
    assert lacking == set(case["missing"]) and answer["allowed"] == (case["expect"] == "ALLOW")
    for need in answer["required"]:
        assert (need["decidedBy"] is not None) == (need["verdict"] != "not granted")


def test_what_is_suggested_helps(worlds):
    """Every denial by default of a public case turns when its suggestion is added."""
    helped = 0
    for case in CASES["cases"]:
        if case["expect"] == "ALLOW" or any(one.endswith(":denied") for one in case["missing"]):
            continue
        _, said, _ = simulate(*asked(case, worlds(case["policies"])), "--json")
        suggestions = json.loads(said)["suggestions"]
        if suggestions:
            more = [*case["policies"], {"attach": "root", "statements": suggestions}]
            code, said, _ = simulate(*asked(case, worlds(more)))
            assert code == 0, (case["id"], suggestions, said)
            helped += 1
    assert helped > 40


def test_the_nearest_statement_and_its_failing_part_are_shown(worlds):
    file = worlds([{"attach": "root", "name": "apps", "statements": [
        "Allow group SecretReaders to read secret-family in compartment Apps where target.secret.name = 'db-*'"]}])
    request = ("--as", "alice", "--do", "GetSecretBundle", "--on", "Apps:Prod", "--world", file,
               "--var", "target.secret.name=db-prod", "--var", "target.key.id=ocid1.key.oc1.iad.k1")
    code, said, _ = simulate(*request, "--both")
    assert code == 5
    assert "policy `apps`, statement 1: the condition `target.secret.name = 'db-*'` does not hold" in said
    assert "granted by policy `apps`, statement 1" in said
    assert "SECRET_BUNDLE_READ in compartment Apps:Prod: strict: granted; oracle: not granted" in said
    assert "KEY_DECRYPT in compartment Apps:Prod: needed in strict semantics only" in said
    assert "fix:   Allow group SecretReaders to use keys in compartment Apps:Prod where target.key.id =" in said
    code, said, _ = simulate(*request, "--both", "--json")
    both = json.loads(said)
    assert both["strict"]["required"][0]["verdict"] == "granted" and len(both["differences"]) == 2


def test_hypothetical_principals(worlds):
    file = worlds([{"attach": "root", "statements": [
        "Allow group SecretReaders to read secret-family in tenancy",
        "Allow dynamic-group app-prod to read secret-family in tenancy",
        "Allow service blockstorage to use keys in tenancy"]}])
    for who, expected in (("group:SecretReaders", 0), ("group:KeyAdmins", 5), ("group:KeyAdmins,SecretReaders", 0),
                          ("group:Fed/SecretReaders", 5), ("ocid1.user.oc1..alice", 0), ("any-user", 5),
                          ("dynamic-group:app-prod", 0), ("i-prod", 0), ("instance:i-prod-untagged", 5)):
        code, said, complained = simulate("--as", who, "--do", "SECRET_BUNDLE_READ", "--on", "tenancy", "--world", file)
        assert code == expected, (who, said, complained)
    described = ("--do", "SECRET_BUNDLE_READ", "--on", "tenancy", "--world", file, "--as", "instance:ocid1.instance.oc1..new",
                 "--as-in", "Apps:Prod")
    assert simulate(*described)[0] == 5
    assert simulate(*described, "--as-tag", "Ops.Role=app")[0] == 0
    assert simulate("--as", "service:blockstorage", "--do", "Encrypt", "--on", "Sandbox", "--world", file)[0] == 0


def test_a_policy_that_would_be_refused_is_told(worlds):
    file = worlds([{"attach": "root", "name": "typo", "statements": ["Allow group Nobody to read keys in tenancy"]}])
    code, said, _ = simulate("--as", "alice", "--do", "KEY_READ", "--on", "tenancy", "--world", file)
    assert code == 5 and "not in force: policy `typo`, statement 1: the group `Nobody` does not exist" in said


WRONG = (
    (("--as", "alicia"), 2, "--as: there is no principal `alicia`", None),
    (("--as", "group:SecretReader"), 2, "--as: there is no group `SecretReader`", "SecretReaders"),
    (("--as", "SecretAdmins"), 2, "--as: there is no principal `SecretAdmins`", "group:SecretAdmins"),
    (("--as", "instance:i-produ"), 2, "--as: the file knows no resource `i-produ`", "i-prod"),
    (("--do", "GetSecretBundel"), 2, "neither an operation nor a permission", "GetSecretBundle"),
    (("--do", "SECRET_BUNDEL_READ"), 2, "neither an operation nor a permission", "SECRET_BUNDLE_READ"),
    (("--on", "Apps:Prd"), 2, "--on: there is no compartment `Apps:Prd`", "Apps:Prod"),
    (("--on", "Prod"), 2, "several compartments are called `Prod`: Apps:Prod, Sandbox:Prod", None),
    (("--on", "ocid1.compartment.oc1..none"), 2, "no compartment has the OCID", None),
    (("--var", "target.secret.nam=x"), 2, "--var: no request carries `target.secret.nam`", "target.secret.name"),
    (("--var", "secret.name=x"), 2, "`secret.name` is not a variable", None),
    (("--var", "target.secret.name"), 2, "expected NAME=VALUE", None),
    (("--var", "request.user.name=x"), 2, "`request.user.name` follows from the principal", None),
    (("--var", "request.utc-timestamp=yesterday"), 2, "`yesterday` is not a time", None),
    (("--key-in", "Security"), 2, "--key-in: `GetSecret` checks nothing on another key", None),
    (("--do", "ChangeSecretCompartment"), 2, "--to: `ChangeSecretCompartment` moves the target", None),
    (("--semantics", "loose"), 2, "invalid value 'loose'", None),
    (("--as-in", "Apps"), 2, "--as-in: `alice` is no resource", None),
    (("--cases", "cases.json"), 2, "cannot be used with", None),
)


@pytest.mark.parametrize(("more", "code", "message", "similar"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_input_is_named(more, code, message, similar, worlds):
    given = {"--as": "alice", "--do": "GetSecret", "--on": "Apps", "--world": worlds([])}
    given |= dict([more])
    done, said, complained = simulate(*(part for pair in given.items() for part in pair))
    assert (done, said) == (code, "") and message in complained, complained
    assert similar is None or f"did you mean `{similar}`?" in complained


@pytest.mark.parametrize(("text", "message"), (
    ("{", "EOF while parsing"),
    ('{"world": {}}', "missing field `tenancy_id`"),
    (json.dumps({"world": WORLD}), "missing field `policies`"),
    (json.dumps({"world": WORLD, "policies": [{"attach": "Nowhere", "statements": []}]}), "`Nowhere`"),
    (json.dumps({"world": {**WORLD, "compartments": {"a": {"id": "ocid1.compartment.oc1..a", "name": "a", "parent": "a"}}},
                 "policies": []}), "lies in itself"),
    (json.dumps({"world": {**WORLD, "dynamic_groups": [{"name": "d", "id": "ocid1.dynamicgroup.oc1..d", "rule": "x"}]},
                 "policies": []}), "the rule of dynamic group `d`"),
))
def test_a_bent_file_is_a_wrong_configuration(text, message, tmp_path):
    (tmp_path / "world.json").write_text(text)
    code, said, complained = simulate("--as", "alice", "--do", "GetSecret", "--on", "Apps", "--world", tmp_path / "world.json")
    assert (code, said) == (3, "") and "error[bad-world]" in complained and message in complained, complained


def test_a_live_tenancy_is_decided_as_the_server_does(own_vault, tmp_path):
    """ListCompartments, ListUsers, ListGroups, ListUserGroupMemberships, ListDynamicGroups, ListPolicies: what is
    simulated is what happens, live and from an exported file."""
    own_vault.start()
    iam, tenancy = own_vault.client(oci.identity.IdentityClient), own_vault.dev["tenancy_id"]
    group, user = new_group(iam, tenancy, "app"), new_user(iam, tenancy, "app-prod")
    iam.add_user_to_group(models.AddUserToGroupDetails(user_id=user.id, group_id=group.id))
    private, public = new_key()
    key = iam.upload_api_key(user.id, models.CreateApiKeyDetails(key=public)).data
    bundles = own_vault.client(oci.secrets.SecretsClient, user=user.id, fingerprint=key.fingerprint, key_content=private,
                               key_file=None)
    parent = own_vault.dev["compartment_id"]
    child = iam.create_compartment(models.CreateCompartmentDetails(
        compartment_id=parent, name="child", description="d")).data
    request = ("--as", "app-prod", "--do", "GetSecretBundle", "--on", "sample", "--var", "target.secret.name=sample",
               "--var", f"target.key.id={own_vault.dev['key_id']}")
    file = tmp_path / "world.json"

    def agree(expected):
        done = own_vault.strongroom("policy", "export", file)
        assert done.returncode == 0, done.stderr
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        live = own_vault.strongroom("policy", "simulate", *request, "--json")
        code, offline, _ = simulate(*request, "--world", file, "--json")
        assert live.returncode == code == (0 if expected else 5), live.stderr
        live, offline = json.loads(live.stdout), json.loads(offline)
        assert {**live, "time": None} == {**offline, "time": None}
        try:
            bundles.get_secret_bundle(own_vault.dev["secret_id"])
            assert expected
        except ServiceError as error:
            assert not expected and error.status in (403, 404)
        return live

    assert len(agree(False)["suggestions"]) == 2
    new_policy(iam, tenancy, "family", "Allow group app to read secret-family in compartment sample")
    live = agree(False)
    assert [need["verdict"] for need in live["required"]] == ["granted", "not granted"]
    new_policy(iam, tenancy, "paste", *live["suggestions"])
    assert agree(True)["required"][1]["decidedBy"]["policy"] == "paste"
    world = json.loads(file.read_text())["world"]
    assert world["compartments"]["sample/child"]["id"] == child.id
    assert world["groups"][-1]["members"] == ["app-prod"] or any(one["members"] == ["app-prod"] for one in world["groups"])


def test_a_server_that_cannot_be_reached(tmp_path):
    code, _, complained = simulate("--as", "a", "--do", "GetSecret", "--on", "tenancy", "--data-dir", tmp_path)
    assert code == 3 and complained.startswith("error[")


def test_policies_that_may_not_be_listed_are_left_out_and_told(own_vault, tmp_path):
    own_vault.start()
    iam, tenancy = own_vault.client(oci.identity.IdentityClient), own_vault.dev["tenancy_id"]
    flags = [*as_app(own_vault), "--endpoint", own_vault.dev["base_url"]]
    lists = ("compartments", "users", "groups", "dynamic-groups", "tenancies")
    new_policy(iam, tenancy, "lists", *(f"Allow group app to inspect {kind} in tenancy" for kind in lists))
    new_policy(iam, own_vault.dev["compartment_id"], "of-sample", "Allow group app to inspect keys in compartment sample")
    file = tmp_path / "world.json"
    none = own_vault.strongroom("policy", "export", file, *flags)
    assert none.returncode == 1 and b"cannot read the tenancy and its policies" in none.stderr and not file.exists()
    new_policy(iam, tenancy, "some", "Allow group app to read policies in compartment sample")
    some = own_vault.strongroom("policy", "export", file, *flags)
    assert some.returncode == 0 and b"warning[policies-left-out]" in some.stderr and b"`root`" in some.stderr, some.stderr
    written = json.loads(file.read_text())
    assert "root" in written["policies_left_out"] and "sample" not in written["policies_left_out"]
    assert [policy["name"] for policy in written["policies"]] == ["of-sample"]
    _, _, told = simulate("--as", "app-prod", "--do", "KEY_INSPECT", "--on", "sample", "--world", file)
    assert "warning[policies-left-out]" in told
    done = subprocess.run([str(BINARY), "policy", "diff", str(file), str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "is not whole: it has no policies of " in done.stdout
    whole = own_vault.strongroom("policy", "export", file)
    assert whole.returncode == 0 and whole.stderr == b"" and "policies_left_out" not in json.loads(file.read_text())
