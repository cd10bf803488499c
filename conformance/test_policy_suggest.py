"""The least policy is found in the audit log, and the application goes on with it alone."""

import json
import subprocess

import oci
import pytest
from oci.exceptions import ServiceError
from oci.identity import models

from test_identity import new_group, new_key, new_policy, new_user
from vault import BINARY, Vault, content_in


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("suggest") / "data")
    server.start()
    yield server
    assert server.end() == 0


@pytest.fixture(scope="module")
def app(home):
    """A user `app` in the group `apps`, which may do far too much, and two others who have it so."""
    iam, tenancy = home.client(oci.identity.IdentityClient), home.dev["tenancy_id"]
    group, user = new_group(iam, tenancy, "apps"), new_user(iam, tenancy, "app")
    iam.add_user_to_group(models.AddUserToGroupDetails(user_id=user.id, group_id=group.id))
    private, public = new_key()
    key = iam.upload_api_key(user.id, models.CreateApiKeyDetails(key=public)).data
    policy = new_policy(
        iam, tenancy, "broad",
        "Allow group apps to manage secret-family in tenancy",
        "Allow group apps to use keys in tenancy",
        "Allow group apps to manage vaults in tenancy",
    )

    def client(kind):
        return home.client(kind, user=user.id, fingerprint=key.fingerprint, key_content=private, key_file=None)
    client.policy = policy
    return client


def suggest(home, *arguments):
    done = home.strongroom("policy", "suggest", *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_application_goes_on_with_what_was_suggested_alone(home, app):
    secret = home.new_secret("db-password", b"pw")
    other = home.new_secret("not-read", b"no")
    bundles = app(oci.secrets.SecretsClient)
    for _ in range(3):
        assert content_in(bundles.get_secret_bundle(secret.id).data) == b"pw"
    found = json.loads(suggest(home, "--as", "app", "--json"))
    assert found["statements"] == [
        "Allow group apps to read secret-bundles in compartment sample where target.secret.name = 'db-password'",
        f"Allow group apps to use keys in compartment sample where target.key.id = '{home.dev['key_id']}'",
    ]
    assert (found["calls"], found["kinds"]) == (3, 1)
    held = {(one["policy"], one["number"]): one for one in found["held"]}
    assert held["broad", 3]["used"] == [] and held["broad", 3]["unused"] == ["manage vaults"]
    assert held["broad", 2]["used"] == ["KEY_DECRYPT"]
    iam = home.client(oci.identity.IdentityClient)
    iam.update_policy(app.policy.id, models.UpdatePolicyDetails(statements=found["statements"]))
    assert content_in(bundles.get_secret_bundle(secret.id).data) == b"pw"
    for refused in (
        lambda: bundles.get_secret_bundle(other.id),
        lambda: app(oci.vault.VaultsClient).get_secret(secret.id),
        lambda: app(oci.key_management.KmsVaultClient).get_vault(home.dev["vault_id"]),
    ):
        with pytest.raises(ServiceError) as raised:
            refused()
        assert raised.value.status == 404
    # What is held now is used whole, and asked again the same is found.
    again = json.loads(suggest(home, "--as", "app", "--json"))
    assert again["statements"] == found["statements"]
    assert again["leftOut"] == {"GetSecretBundle: refused, or failed": 1, "GetSecret: refused, or failed": 1, "GetVault: refused, or failed": 1}


def test_files_in_place_of_the_service(home, app, tmp_path):
    """What `oci audit event list` prints and `policy export` writes are enough, without a server."""
    world = tmp_path / "world.json"
    assert home.strongroom("policy", "export", world).returncode == 0
    listed = home.oci(
        "audit", "event", "list", "--compartment-id", home.dev["compartment_id"],
        "--start-time", "2020-01-01T00:00:00Z", "--end-time", "2999-01-01T00:00:00Z", "--all",
    )
    events = tmp_path / "events.json"
    events.write_text(json.dumps(listed))
    command = [str(BINARY), "policy", "suggest", "--as", "app", "--world", str(world), "--events", str(events)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "read secret-bundles in compartment sample where target.secret.name = 'db-password'" in done.stdout
    assert "proof: each of these calls is allowed by them alone" in done.stdout


@pytest.mark.parametrize(("arguments", "code", "told"), [
    (["--as", "apq"], 2, "did you mean `app`?"),
    (["--as", "group:appz"], 2, "there is no group `appz`"),
    (["--as", "ocid1.instance.oc1..x"], 2, "there is no principal"),
    (["--as", "app", "--last", "soon"], 2, "such as 30d"),
    (["--as", "app", "--exact", "--patterns"], 2, "cannot be used with"),
    (["--as", "app", "--semantics", "loose"], 2, "possible values"),
    (["--as", "app", "--events", "{none}"], 1, "cannot read"),
    (["--as", "app", "--events", "{bad}"], 3, "it is not JSON"),
    (["--as", "app", "--events", "{other}"], 3, "event 1: neither an audit record"),
    (["--as", "app", "--world", "{other}"], 3, "as a tenancy"),
    ([], 2, "--as"),
])
def test_wrong_inputs(home, app, tmp_path, arguments, code, told):
    (tmp_path / "bad").write_text("{")
    (tmp_path / "other").write_text('{"hello": 1}')
    paths = {name: str(tmp_path / name) for name in ("none", "bad", "other")}
    done = home.strongroom("policy", "suggest", *(argument.format(**paths) for argument in arguments))
    assert done.returncode == code, done.stderr.decode()
    assert told in done.stderr.decode()
    assert done.stdout == b""
