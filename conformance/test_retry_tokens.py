"""`opc-retry-token` and `if-match`, where a mistake would do nothing, or to the wrong thing, and look like a success."""

import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from oci._vendor import requests
from oci.identity import IdentityClient
from oci.identity import models as im
from oci.key_management import KmsManagementClient
from oci.key_management import models as km

from vault import refusal

GONE = (409, "InvalidatedRetryToken")


@pytest.fixture(scope="module")
def management(vault):
    return vault.client(KmsManagementClient, vault.dev["management_endpoint"])


@pytest.fixture(scope="module")
def keys(vault, management):
    def new(name):
        return management.create_key(km.CreateKeyDetails(
            compartment_id=vault.dev["compartment_id"], display_name=name,
            key_shape=km.KeyShape(algorithm="AES", length=32))).data.id

    return new


@pytest.fixture(scope="module")
def iam(vault):
    return vault.client(IdentityClient)


def test_a_token_is_for_one_target(management, keys):
    first, second = keys("first"), keys("second")
    answers = [management.disable_key(first, opc_retry_token="one-target").data for _ in range(2)]
    assert [(answer.id, answer.lifecycle_state) for answer in answers] == [(first, "DISABLED")] * 2
    refusal(*GONE, management.disable_key, second, opc_retry_token="one-target")
    assert management.get_key(second).data.lifecycle_state == "ENABLED"


def at_once(count, call):
    """Sends the same request `count` times at once; returns what each came to."""
    ready, outcomes = threading.Barrier(count), []

    def one():
        ready.wait()
        outcomes.append(call())

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.parametrize("what", ["user", "secret", "version", "deletion"])
def test_the_same_request_at_once_is_one(vault, keys, what):
    base, dev = vault.dev["base_url"], vault.dev
    place = f"{dev['management_endpoint']}/20180608/keys"
    for number in range(5):
        name = f"at-once-{what}-{number}"
        method, url, body = {
            "user": lambda: ("POST", f"{base}/20160918/users",
                             {"compartmentId": dev["tenancy_id"], "name": name, "description": "d"}),
            "secret": lambda: ("POST", f"{base}/20180608/secrets", {
                "compartmentId": dev["compartment_id"], "vaultId": dev["vault_id"], "keyId": dev["key_id"],
                "secretName": name, "secretContent": {"contentType": "BASE64", "content": "eA=="}}),
            "version": lambda: ("POST", f"{place}/{keys(name)}/keyVersions", None),
            "deletion": lambda: ("POST", f"{place}/{keys(name)}/actions/scheduleDeletion", {}),
        }[what]()

        def send(method=method, url=url, body=body, token=name):
            return requests.request(method, url, auth=vault.signer(), json=body, timeout=60,
                                    headers={"opc-retry-token": token})

        answers = at_once(4, send)
        assert [answer.status_code for answer in answers] == [200] * 4, [answer.text for answer in answers]
        assert len({answer.json()["id"] for answer in answers}) == 1


def test_what_was_made_and_is_gone_is_said_to_be(vault, iam):
    details = im.CreateGroupDetails(compartment_id=vault.dev["tenancy_id"], name="short-lived", description="d")
    made = iam.create_group(details, opc_retry_token="gone").data.id
    assert iam.create_group(details, opc_retry_token="gone").data.id == made
    iam.delete_group(made)
    refusal(*GONE, iam.create_group, details, opc_retry_token="gone")
    user = iam.create_user(im.CreateUserDetails(
        compartment_id=vault.dev["tenancy_id"], name="short-lived", description="d")).data.id
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = im.CreateApiKeyDetails(key=public.decode())
    first = iam.upload_api_key(user, key, opc_retry_token="key")
    again = iam.upload_api_key(user, key, opc_retry_token="key")
    assert again.data.time_created == first.data.time_created and again.headers["etag"] == first.headers["etag"]
    iam.delete_api_key(user, first.data.fingerprint)
    refusal(*GONE, iam.upload_api_key, user, key, opc_retry_token="key")


def test_an_etag_that_cannot_be_read_does_not_match(vault, management, keys):
    key = keys("guarded")
    url = f"{vault.dev['management_endpoint']}/20180608/keys/{key}/actions/disable"
    for given in ["ä".encode("latin-1"), "wrong"]:
        answer = requests.post(url, auth=vault.signer(), headers={"if-match": given}, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (412, "NoEtagMatch")
    assert management.get_key(key).data.lifecycle_state == "ENABLED"
