"""Refused requests are explained to those who may know, and the printed statement repairs them."""

import json

import oci
import pytest
from oci.exceptions import ServiceError
from oci.identity import models

from test_identity import new_group, new_key, new_policy, new_user
from vault import absent


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    from vault import Vault
    server = Vault(tmp_path_factory.mktemp("why") / "data")
    server.start()
    yield server
    assert server.end() == 0


@pytest.fixture(scope="module")
def reader(home):
    """A user of the group `app` with clients of their own."""
    iam, tenancy = home.client(oci.identity.IdentityClient), home.dev["tenancy_id"]
    group, user = new_group(iam, tenancy, "app"), new_user(iam, tenancy, "app-prod")
    iam.add_user_to_group(models.AddUserToGroupDetails(user_id=user.id, group_id=group.id))
    private, public = new_key()
    key = iam.upload_api_key(user.id, models.CreateApiKeyDetails(key=public)).data

    def client(kind):
        return home.client(kind, user=user.id, fingerprint=key.fingerprint, key_content=private, key_file=None)
    return client


def refused(call, *arguments):
    with pytest.raises(ServiceError) as raised:
        call(*arguments)
    return raised.value


def why(home, error):
    done = home.strongroom("why", error.request_id, "--json")
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_the_missing_key_right_is_named_and_pasting_it_helps(home, reader):
    """GetDenial: `read secret-family` alone does not read; the printed statement makes it."""
    iam, tenancy = home.client(oci.identity.IdentityClient), home.dev["tenancy_id"]
    bundles, secret = reader(oci.secrets.SecretsClient), home.dev["secret_id"]
    hidden = refused(bundles.get_secret_bundle, secret)
    assert hidden.status == 404
    told = why(home, hidden)
    assert told["suggestions"] == [
        "Allow group app to read secret-bundles in compartment sample where target.secret.name = 'sample'",
        f"Allow group app to use keys in compartment sample where target.key.id = '{home.dev['key_id']}'",
    ]
    new_policy(iam, tenancy, "family", "Allow group app to read secret-family in compartment sample")
    error = refused(bundles.get_secret_bundle, secret)
    assert (error.status, error.code) == (403, "NotAuthorized")
    told = why(home, error)
    assert [(need["permission"], need["verdict"]) for need in told["required"]] == [
        ("SECRET_BUNDLE_READ", "granted"), ("KEY_DECRYPT", "not granted")]
    assert told["principal"]["groups"] == ["app"] and not told["isAllowedNow"]
    nearest = told["required"][1]["considered"][0]
    assert (nearest["policy"], nearest["failing"], nearest["failingText"]) == ("family", "action", "to read secret-family")
    printed = home.strongroom("why", error.request_id).stdout.decode()
    [statement] = [line.partition("fix:")[2].strip() for line in printed.splitlines() if "fix:" in line]
    assert statement == told["suggestions"][0] and " to use keys in " in statement
    new_policy(iam, tenancy, "paste", statement)
    assert bundles.get_secret_bundle(secret).data.secret_id == secret
    assert why(home, error)["isAllowedNow"]


def test_absent_and_hidden_look_alike_to_the_caller_and_differ_to_those_who_may_know(home, reader):
    vaults = reader(oci.vault.VaultsClient)
    other = home.client(oci.identity.IdentityClient).create_compartment(models.CreateCompartmentDetails(
        compartment_id=home.dev["tenancy_id"], name="elsewhere", description="d")).data
    secret = home.new_secret("elsewhere")
    home.client(oci.vault.VaultsClient).change_secret_compartment(
        secret.id, oci.vault.models.ChangeSecretCompartmentDetails(compartment_id=other.id))
    hidden, missing = (refused(vaults.get_secret, id) for id in (secret.id, absent(secret.id)))
    assert (hidden.status, hidden.code, hidden.message) == (missing.status, missing.code, missing.message)
    names = {"date", "opc-request-id", "content-length", "etag"}
    assert {k: v for k, v in hidden.headers.items() if k.lower() not in names} == {
        k: v for k, v in missing.headers.items() if k.lower() not in names}
    assert why(home, hidden)["required"][0]["verdict"] == "not granted"
    assert why(home, missing)["required"][0]["verdict"] == "absent" and why(home, missing)["suggestions"] == []


def test_only_those_who_may_read_denials_are_told(home, reader):
    vaults = reader(oci.vault.VaultsClient)
    error = refused(vaults.get_secret, absent(home.dev["secret_id"]))
    url = f"{home.dev['base_url']}/_strongroom/v1/denials/{error.request_id.replace('/', '%2F')}"
    done = home.oci("raw-request", "--http-method", "GET", "--target-uri", url)
    assert done["data"]["requestId"] == error.request_id
    unknown = home.strongroom("why", "no-such-request")
    assert unknown.returncode == 1 and b"nothing was refused under this opc-request-id" in unknown.stderr


def test_a_failed_signature_is_explained_by_its_reason(home):
    stranger = home.client(oci.identity.IdentityClient, key_content=new_key()[0], key_file=None)
    error = refused(stranger.get_tenancy, home.dev["tenancy_id"])
    told = why(home, error)
    assert (told["status"], told["principal"], told["required"]) == (401, None, [])
    assert "signature" in told["reason"]
