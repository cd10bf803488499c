"""Every KMS operation through Oracle's command line."""

import base64
import json
import os

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from vault import absent

AES = json.dumps({"algorithm": "AES", "length": 32})
CURVE = json.dumps({"algorithm": "ECDSA", "length": 32, "curveId": "NIST_P256"})
TEXT = base64.b64encode(b"text").decode()


def b64(data):
    return base64.b64encode(data).decode()


class Shell:
    """`oci kms` against a server; key operations go to the vault's endpoint."""

    def __init__(self, vault):
        self.vault = vault
        self.compartment = vault.dev["compartment_id"]

    def run(self, words, endpoint=None, **options):
        command = ["kms", *words.split()]
        if endpoint:
            command += ["--endpoint", endpoint]
        for name, value in options.items():
            command.append("--" + name.replace("_", "-"))
            command += [] if value is True else [value]
        answer = self.vault.oci(*command)
        return answer["data"] if answer and "data" in answer else answer

    def keys(self, words, **options):
        endpoint = options.pop("endpoint", self.vault.dev["management_endpoint"])
        return self.run("management " + words, endpoint, **options)

    def crypto(self, words, **options):
        return self.run("crypto " + words, self.vault.dev["crypto_endpoint"], **options)

    def vaults(self, words, **options):
        return self.run("management vault " + words, **options)

    def refused(self, words, **options):
        command = ["kms", *words.split()]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), value]
        done = self.vault.oci(*command, ok=False)
        assert done.returncode == 1
        return json.loads(done.stderr[done.stderr.index("{"):])


@pytest.fixture(scope="module")
def shell(turnable):
    return Shell(turnable)


def place(name):
    return {"namespace": "dev", "bucket_name": "backups", "object_name": name}


def test_vaults(shell):
    """CreateVault, GetVault, UpdateVault, ListVaults, CreateVaultReplica and the rest of a vault's life."""
    made = shell.vaults("create", compartment_id=shell.compartment, display_name="cli", vault_type="VIRTUAL_PRIVATE", wait_for_state="ACTIVE")
    vault = {"vault_id": made["id"]}
    assert shell.vaults("update", display_name="renamed", **vault)["display-name"] == "renamed"
    assert shell.vaults("get", **vault)["display-name"] == "renamed"
    assert made["id"] in [v["id"] for v in shell.vaults("list", compartment_id=shell.compartment, all=True)]
    assert shell.vaults("usage get", **vault)["key-count"] == 0
    shell.vaults("change-compartment", compartment_id=shell.compartment, **vault)
    shell.vaults("create-vault-replica", replica_region="us-phoenix-1", **vault)
    [replica] = shell.vaults("list-vault-replicas", **vault)
    assert replica["region"] == "us-phoenix-1"
    replication = shell.vaults("get", **vault)["replica-details"]["replication-id"]
    status = shell.keys("replication-status-details get-replication-status", endpoint=made["management-endpoint"], replication_id=replication)
    assert status["replica-details"][0]["status"] == "REPLICATED"
    shell.vaults("delete-vault-replica", replica_region="us-phoenix-1", **vault)
    shell.vaults("schedule-deletion", wait_for_state="PENDING_DELETION", **vault)
    assert shell.vaults("cancel-deletion", **vault)["lifecycle-state"] == "ACTIVE"
    shell.vaults("backup", is_include_keys="true", **place("cli-vault"), **vault)
    shell.vaults("schedule-deletion", **vault)
    shell.vault.advance(days=31)
    where = {"compartment_id": shell.compartment}
    assert shell.vaults("restore", **place("cli-vault"), **where)["id"] == made["id"]
    shell.vaults("schedule-deletion", **vault)
    shell.vault.advance(days=31)
    file = str(shell.vault.directory / "backups" / "cli-vault")
    assert shell.vaults("restore-from-file", restore_vault_from_file_location=file, **where)["id"] == made["id"]


def test_keys(shell):
    """CreateKey, GetKey, UpdateKey, ListKeys, EnableKey, DisableKey, CreateKeyVersion, GetKeyVersion."""
    made = shell.keys("key create", compartment_id=shell.compartment, display_name="cli", key_shape=AES, wait_for_state="ENABLED")
    key = {"key_id": made["id"]}
    assert shell.keys("key update", display_name="renamed", **key)["display-name"] == "renamed"
    assert shell.keys("key disable", wait_for_state="DISABLED", **key)["lifecycle-state"] == "DISABLED"
    assert shell.keys("key enable", **key)["lifecycle-state"] == "ENABLED"
    assert shell.keys("key get", **key)["display-name"] == "renamed"
    assert made["id"] in [k["id"] for k in shell.keys("key list", compartment_id=shell.compartment, all=True)]
    shell.keys("key change-compartment", compartment_id=shell.compartment, **key)
    newer = shell.keys("key-version create", wait_for_state="ENABLED", **key)
    assert len(shell.keys("key-version list", **key)) == 2
    old = {"key_version_id": made["current-key-version"], **key}
    assert shell.keys("key-version get", **old)["lifecycle-state"] == "ENABLED" and newer["id"] != old["key_version_id"]
    assert shell.keys("key-version schedule-deletion", **old)["lifecycle-state"] == "PENDING_DELETION"
    shell.keys("key-version cancel-deletion", **old)
    assert shell.keys("key-version get", **old)["lifecycle-state"] == "ENABLED"
    shell.keys("key schedule-deletion", wait_for_state="PENDING_DELETION", **key)
    assert shell.keys("key get", **key)["time-of-deletion"]
    shell.keys("key cancel-deletion", **key)
    assert shell.keys("key get", **key)["lifecycle-state"] == "ENABLED"
    shell.keys("key backup", **place("cli-key"), **key)
    file = str(shell.vault.directory / "backups" / "cli-key")
    for how in (place("cli-key"), {"restore_key_from_file_location": file}):
        shell.keys("key schedule-deletion", **key)
        shell.vault.advance(days=31)
        words = "key restore" if "namespace" in how else "key restore-from-file"
        shell.keys(words, **how)
        restored = shell.keys("key get", **key)
        assert (restored["lifecycle-state"], restored["restored-from-key-id"]) == ("ENABLED", made["id"])


def test_import(shell):
    """GetWrappingKey, ImportKey, ImportKeyVersion."""
    pem = shell.keys("wrapping-key get")["public-key"]
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    sealed = serialization.load_pem_public_key(pem.encode()).encrypt(os.urandom(32), oaep)
    wrapped = json.dumps({"keyMaterial": b64(sealed), "wrappingAlgorithm": "RSA_OAEP_SHA256"})
    key = shell.keys("key import", compartment_id=shell.compartment, display_name="in", key_shape=AES, wrapped_import_key=wrapped)
    version = shell.keys("key-version import", key_id=key["id"], wrapped_import_key=wrapped)
    assert version["origin"] == "EXTERNAL"


def test_crypto(shell):
    """Encrypt, Decrypt, GenerateDataEncryptionKey, Sign, Verify, ExportKey."""
    key = {"key_id": shell.vault.dev["key_id"]}
    sealed = shell.crypto("encrypt", plaintext=TEXT, associated_data='{"a":"b"}', **key)
    opened = shell.crypto("decrypt", ciphertext=sealed["ciphertext"], associated_data='{"a":"b"}', **key)
    assert opened["plaintext"] == TEXT
    made = shell.crypto("generate-data-encryption-key", include_plaintext_key="true", key_shape=AES, **key)
    assert shell.crypto("decrypt", ciphertext=made["ciphertext"], **key)["plaintext"] == made["plaintext"]
    signer = shell.keys("key create", compartment_id=shell.compartment, display_name="signer", key_shape=CURVE)
    signing = {"key_id": signer["id"], "message": TEXT, "signing_algorithm": "ECDSA_SHA_256"}
    signed = shell.crypto("signed-data sign", **signing)
    verified = shell.crypto("verified-data verify", key_version_id=signed["key-version-id"], signature=signed["signature"], **signing)
    assert verified["is-signature-valid"] is True
    own = rsa.generate_private_key(65537, 2048)
    pem = own.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    exported = shell.crypto("key export", algorithm="RSA_OAEP_SHA256", public_key=pem.decode(), **key)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    assert len(own.decrypt(base64.b64decode(exported["encrypted-key"]), oaep)) == 32


def test_refusals_reach_the_person(shell):
    """CreateKey, Encrypt, Decrypt, GetKey, BackupKey."""
    management, crypto = shell.vault.dev["management_endpoint"], shell.vault.dev["crypto_endpoint"]
    key = shell.vault.dev["key_id"]
    shape = json.dumps({"algorithm": "AES", "length": 31})
    refused = shell.refused("management key create", endpoint=management, compartment_id=shell.compartment, display_name="x", key_shape=shape)
    assert refused["code"] == "InvalidParameter" and "keyShape.length" in refused["message"]
    refused = shell.refused("crypto decrypt", endpoint=crypto, key_id=key, ciphertext=TEXT)
    assert refused["code"] == "InvalidParameter" and refused["message"].startswith("ciphertext:")
    refused = shell.refused("crypto encrypt", endpoint=crypto, key_id=absent(key), plaintext=TEXT)
    assert refused["status"] == 404
    refused = shell.refused("management key get", endpoint=management, key_id=absent(key))
    assert refused["code"] == "NotAuthorizedOrNotFound"
    elsewhere = "https://elsewhere.example/o/x"
    refused = shell.refused("management key backup", endpoint=management, key_id=key, uri=elsewhere)
    assert "backupLocation.uri" in refused["message"]
