"""Bodies: one spelling of content, every field checked, nothing stored after a refusal."""

import base64
import json

import pytest

from wire import Wire

CANARY = "s3cr3t-canary"


@pytest.fixture(scope="module")
def post(vault):
    wire = Wire(vault)

    def send(target, body):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, content = wire.send("POST", target, wire.signed("POST", target, body), body)
        return status, json.loads(content)

    return send


def secret(vault, name, **change):
    details = {
        "compartmentId": vault.dev["compartment_id"], "vaultId": vault.dev["vault_id"],
        "keyId": vault.dev["key_id"], "secretName": name,
        "secretContent": {"contentType": "BASE64", "content": base64.b64encode(b"x").decode()},
        **change,
    }
    return {field: value for field, value in details.items() if value is not ...}


def with_content(vault, name, content, **more):
    return secret(vault, name, secretContent={"contentType": "BASE64", "content": content, **more})


def names(vault):
    listed = vault.oci("vault", "secret", "list", "--compartment-id", vault.dev["compartment_id"], "--all")
    return {summary["secret-name"] for summary in listed["data"]}


def test_the_size_limit_counts_decoded_bytes(vault, post):
    largest = base64.b64encode(b"z" * 25_600).decode()
    assert post("/20180608/secrets", with_content(vault, "largest", largest))[0] == 200
    larger = base64.b64encode(b"z" * 25_601).decode()
    status, error = post("/20180608/secrets", with_content(vault, "larger", larger))
    assert (status, error["code"]) == (400, "InvalidParameter") and "25600" in error["message"]


@pytest.mark.parametrize("content", ["aGk", "aGl=", "aGk==", "aG k=", "aGk=\n", "a-_=", "=", "aGk=aGk=", "ä"])
def test_one_spelling_of_base64(vault, post, content):
    status, error = post("/20180608/secrets", with_content(vault, "misspelled", content))
    assert (status, error["code"]) == (400, "InvalidParameter")
    assert error["message"].startswith("secretContent.content: must be base64")


def test_plain_is_refused_with_what_to_do(vault, post):
    content = {"contentType": "PLAIN", "content": CANARY}
    status, error = post("/20180608/secrets", secret(vault, "plain", secretContent=content))
    assert status == 400 and "BASE64" in error["message"] and "base64 -w0" in error["message"]
    assert CANARY not in json.dumps(error)


def test_bodies_that_two_readers_could_read_differently(vault, post):
    good = json.dumps(secret(vault, "twofold"))
    for body in [
        good[:-1].encode() + b',"secretName":"other"}',
        b'{"metadata":' + b'{"a":' * 32 + b"1" + b"}" * 33,
        b"[]", b"", b"null", b'{"a":', good.encode() + b"{}", b"\xff\xfe", good.encode("utf-16"),
    ]:
        status, error = post("/20180608/secrets", body)
        assert (status, error["code"]) == (400, "CannotParseRequest"), body[:40]
    status, error = post("/20180608/secrets", b" " * (1024 * 1024 + 1))
    assert (status, error["code"]) == (413, "PayloadTooLarge")


def wrong(kind):
    """Values that no field of a kind may have."""
    common = [7, -1, 1.5, True, [], [CANARY]]
    if kind == "text":
        return [*wrong("free"), ""]
    if kind == "free":
        return [*common, {}, "x" * 5000, "a\0b"]
    if kind == "ocid":
        return [*common, {}, "", CANARY, "ocid1.x", "x" * 5000]
    if kind == "object":
        return [7, -1, 1.5, True, [], [CANARY], CANARY]
    return [7, {}, [], "", CANARY]


FIELDS = {
    "/20180608/secrets": {
        "compartmentId": "ocid", "vaultId": "ocid", "keyId": "ocid", "secretName": "text",
        "secretContent": "object", "metadata": "object", "freeformTags": "object",
        "definedTags": "object", "enableAutoGeneration": "other",
    },
    "/20180608/vaults": {
        "compartmentId": "ocid", "displayName": "text", "vaultType": "other", "freeformTags": "object",
        "definedTags": "object",
    },
    "/20160918/compartments": {
        "compartmentId": "ocid", "name": "text", "description": "free", "freeformTags": "object",
        "definedTags": "object",
    },
}


def test_every_field_is_checked_and_nothing_is_stored(vault, post):
    before = names(vault)
    good = {
        "/20180608/secrets": secret(vault, "checked"),
        "/20180608/vaults": {
            "compartmentId": vault.dev["compartment_id"], "displayName": "checked", "vaultType": "DEFAULT"},
        "/20160918/compartments": {
            "compartmentId": vault.dev["tenancy_id"], "name": "checked", "description": "d"},
    }
    tried = 0
    for target, fields in FIELDS.items():
        for field, kind in fields.items():
            for value in wrong(kind):
                status, error = post(target, {**good[target], field: value})
                assert status == 400, (target, field, value, error)
                assert error["code"] in {"InvalidParameter", "MissingParameter"}
                assert field in error["message"] and CANARY not in error["message"]
                tried += 1
            if field in good[target]:
                body = {k: v for k, v in good[target].items() if k != field}
                assert post(target, body)[1]["code"] == "MissingParameter"
        status, error = post(target, {**good[target], CANARY: 1})
        assert status == 400 and "unknown field" in error["message"] and CANARY not in error["message"]
    assert tried > 100
    assert names(vault) == before


def test_names_keep_to_their_characters(vault, post):
    for name in ["a b", "a/b", "ä", "a\u200bb", "x" * 256, "a%20b", "a'b"]:
        status, error = post("/20180608/secrets", secret(vault, name))
        assert status == 400 and error["message"].startswith("secretName"), name
