"""Oracle's unmodified command line, from the first vault to a rollback."""

import base64
import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def bundle(vault, secret_id, *selector):
    data = vault.oci("secrets", "secret-bundle", "get", "--secret-id", secret_id, *selector)["data"]
    return base64.b64decode(data["secret-bundle-content"]["content"]).decode(), data


def test_a_secret_from_its_vault_to_its_rollback(vault):
    compartment = vault.dev["compartment_id"]
    made = vault.oci(
        "kms", "management", "vault", "create", "--compartment-id", compartment,
        "--display-name", "journey", "--vault-type", "DEFAULT", "--wait-for-state", "ACTIVE",
    )["data"]
    endpoint = vault.oci(
        "kms", "management", "vault", "get", "--vault-id", made["id"],
    )["data"]["management-endpoint"]
    assert endpoint == made["management-endpoint"] != vault.dev["management_endpoint"]
    key = vault.oci(
        "kms", "management", "key", "create", "--endpoint", endpoint, "--compartment-id", compartment,
        "--display-name", "master", "--key-shape", json.dumps({"algorithm": "AES", "length": 32}),
        "--wait-for-state", "ENABLED",
    )["data"]
    secret = vault.oci(
        "vault", "secret", "create-base64", "--compartment-id", compartment, "--vault-id", made["id"],
        "--key-id", key["id"], "--secret-name", "db-password",
        "--secret-content-content", encoded("one"), "--wait-for-state", "ACTIVE",
    )["data"]
    assert bundle(vault, secret["id"])[0] == "one"

    for value in ["two", "three"]:
        updated = vault.oci(
            "vault", "secret", "update-base64", "--secret-id", secret["id"],
            "--secret-content-content", encoded(value),
        )["data"]
        assert updated["id"] == secret["id"]
    versions = vault.oci("vault", "secret-version", "list", "--secret-id", secret["id"], "--all")["data"]
    stages = {version["version-number"]: version["stages"] for version in versions}
    assert stages == {3: ["CURRENT", "LATEST"], 2: ["PREVIOUS"], 1: ["DEPRECATED"]}
    assert bundle(vault, secret["id"], "--stage", "PREVIOUS")[0] == "two"
    assert bundle(vault, secret["id"], "--version-number", "1")[0] == "one"
    by_name = vault.oci(
        "secrets", "secret-bundle", "get-secret-bundle-by-name", "--secret-name", "db-password",
        "--vault-id", made["id"],
    )["data"]
    assert by_name["version-number"] == 3

    vault.oci(
        "vault", "secret", "update", "--secret-id", secret["id"], "--current-version-number", "2",
    )
    value, data = bundle(vault, secret["id"])
    assert (value, data["stages"]) == ("two", ["CURRENT"])
    vault.oci(
        "vault", "secret", "update-base64", "--secret-id", secret["id"], "--description", "the database",
    )
    listed = vault.oci("secrets", "secret-bundle-version", "list-versions", "--secret-id", secret["id"])["data"]
    assert [version["version-number"] for version in listed] == [3, 2, 1]

    vault.oci(
        "vault", "secret", "update-base64", "--secret-id", secret["id"],
        "--secret-content-content", encoded("four"), "--secret-content-stage", "PENDING",
    )
    assert bundle(vault, secret["id"])[0] == "two"
    assert bundle(vault, secret["id"], "--stage", "PENDING")[0] == "four"
    vault.oci(
        "vault", "secret", "update-base64", "--secret-id", secret["id"],
        "--secret-content-stage", "CURRENT",
    )
    assert bundle(vault, secret["id"])[0] == "four"


def test_identity(vault):
    tenancy = vault.dev["tenancy_id"]
    made = vault.oci(
        "iam", "compartment", "create", "--compartment-id", tenancy, "--name", "cli",
        "--description", "made by the command line",
    )["data"]
    names = {c["name"] for c in vault.oci("iam", "compartment", "list", "--all", "--include-root")["data"]}
    assert {"cli", "sample", "dev"} <= names
    assert vault.oci("iam", "compartment", "get", "--compartment-id", made["id"])["data"]["name"] == "cli"
    assert vault.oci("iam", "user", "get", "--user-id", vault.dev["user_id"])["data"]["name"] == "admin"
    regions = vault.oci("iam", "region-subscription", "list", "--tenancy-id", tenancy)["data"]
    assert [(r["region-name"], r["is-home-region"]) for r in regions] == [("us-ashburn-1", True)]


def test_errors_reach_the_user_whole(vault, tmp_path):
    stranger = tmp_path / "stranger.pem"
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    stranger.write_bytes(private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
    ))
    stranger.chmod(0o600)
    get = ["secrets", "secret-bundle", "get", "--secret-id", vault.dev["secret_id"]]
    done = vault.oci(*get, ok=False, OCI_CLI_KEY_FILE=str(stranger))
    assert done.returncode == 1
    error = json.loads(done.stderr[done.stderr.index("{"):])
    assert (error["status"], error["code"]) == (401, "NotAuthenticated")
    assert error["opc-request-id"].count("/") == 2

    done = vault.oci(*get[:-1], vault.dev["secret_id"] + "7", ok=False)
    error = json.loads(done.stderr[done.stderr.index("{"):])
    assert (done.returncode, error["status"], error["code"]) == (1, 404, "NotAuthorizedOrNotFound")

    plain = json.dumps({"contentType": "PLAIN", "content": "s3cr3t-plain"})
    done = vault.oci(
        "vault", "secret", "update", "--secret-id", vault.dev["secret_id"], "--secret-content", plain,
        "--force", ok=False,
    )
    error = json.loads(done.stderr[done.stderr.index("{"):])
    assert (done.returncode, error["status"]) == (1, 400)
    assert "BASE64" in error["message"] and "s3cr3t-plain" not in error["message"]
