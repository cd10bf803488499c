"""Keys in a PKCS#11 token: the crypto suite again, and what only a token can lose."""

import os
import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import oci
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from oci.key_management import models as m

from softhsm import PIN, SoftHsm
from test_kms_crypto import (  # noqa: F401  the suite runs here with the token's keys
    Crypto,
    pkcs8,
    raw,
    rsa_scheme,
    test_data_keys,
    test_ecdsa_signatures,
    test_no_bent_ciphertext_opens,
    test_old_versions_verify,
    test_rsa_signatures,
    test_symmetric_encryption,
    test_what_is_not_enabled_does_nothing,
    unwrapped,
    wrapped,
)
from test_memory import stays_clean
from test_python_sdk import refusal
from vault import BINARY, Vault, content_in, content_of

INVALID = (400, "InvalidParameter")
AWAY = (503, "ServiceUnavailable")


@pytest.fixture(scope="module")
def hsm(tmp_path_factory):
    return SoftHsm(tmp_path_factory.mktemp("hsm"))


@pytest.fixture(scope="module")
def server(hsm, tmp_path_factory):
    directory = tmp_path_factory.mktemp("with-hsm") / "data"
    server = Vault(directory, "--listen", "127.0.0.1:0", "--clock", "manual", "--hsm-config", str(hsm.config), **hsm.environment)
    server.start()
    yield server
    assert server.end() == 0
    assert PIN not in server.log.read_text()


@pytest.fixture(scope="module")
def kms(server):
    return Crypto(server)


def test_keys_are_in_the_token_unless_asked_otherwise(kms):
    """CreateKey: `protectionMode` absent is HSM; ExportKey refuses."""
    key = kms.shaped("AES", 32)
    assert key.protection_mode == "HSM"
    usage = kms.vaults.get_vault_usage(key.vault_id).data
    assert usage.key_count >= 1 and usage.software_key_count >= 1
    soft = kms.new_key(protection_mode="SOFTWARE")
    assert raw(kms.decrypt(soft, kms.encrypt(soft, b"x").ciphertext).plaintext) == b"x"
    assert "never leaves" in refusal(*INVALID, unwrapped, kms, key).message


def test_the_token_is_described(hsm, tmp_path):
    config = tmp_path / "serve.toml"
    table = hsm.config.read_text()
    config.write_text(f'data_dir = "{tmp_path}"\nlisten = "127.0.0.1:0"\n[unseal]\npassphrase_file = "x"\n[pkcs11]\n{table}')
    done = subprocess.run(
        [str(BINARY), "admin", "hsm", "--config", str(config)], capture_output=True, text=True,
        env={**os.environ, **hsm.environment}, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "token strongroom (SoftHSM" in done.stdout
    assert re.search(r"^no +CKM_RSA_PKCS_OAEP with SHA-256", done.stdout, re.M)
    assert re.search(r"^yes +CKM_AES_GCM", done.stdout, re.M)


def test_the_token_seals_the_root_key(hsm, tmp_path):
    """`init` and `serve` with `token = true`: the file opens with the token, and only with it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "serve.toml"
    config.write_text(
        f'data_dir = "{tmp_path}/data"\nlisten = "127.0.0.1:{port}"\n[unseal]\ntoken = true\n'
        f"[pkcs11]\n{hsm.config.read_text()}")
    command = lambda name: [str(BINARY), name, "--config", str(config)]
    environment = {**os.environ, **hsm.environment}
    made = subprocess.run(command("init"), capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    file = (tmp_path / "data" / "root.key").read_bytes()
    assert file.startswith(b"strongroom root key in a token 1\n")
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(command("serve"), stderr=log, env=environment)
    deadline = time.monotonic() + 20
    while b'"ready"' not in (tmp_path / "log").read_bytes():
        assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.05)
    server.terminate()
    assert server.wait(timeout=20) == 0
    (tmp_path / "data" / "root.key").write_bytes(file[:-1] + bytes([file[-1] ^ 1]))
    refused = subprocess.run(command("serve"), capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert refused.returncode == 3 and "root-key-unusable" in refused.stderr


def test_what_the_token_cannot_do_is_named(kms):
    """Decrypt: SoftHSM2 has no OAEP with SHA-256."""
    key = kms.shaped("RSA", 256)
    for name in ("RSA_OAEP_SHA_1", "RSA_OAEP_SHA_256"):
        sealed = kms.encrypt(key, b"x", encryption_algorithm=name)
        if name.endswith("_1"):
            assert raw(kms.decrypt(key, sealed.ciphertext, encryption_algorithm=name).plaintext) == b"x"
        else:
            message = refusal(*INVALID, kms.decrypt, key, sealed.ciphertext, encryption_algorithm=name).message
            assert "CKM_RSA_PKCS_OAEP with SHA-256" in message


def imported(kms, material, shape=None):
    return kms.keys.import_key(m.ImportKeyDetails(
        compartment_id=kms.compartment, display_name="in", key_shape=shape or m.KeyShape(algorithm="AES", length=len(material)),
        wrapped_import_key=wrapped(kms, material), protection_mode="HSM")).data


def pairs():
    """Key pairs of somebody else's, and their shapes."""
    return [(rsa.generate_private_key(65537, 2048), m.KeyShape(algorithm="RSA", length=256)),
            (ec.generate_private_key(ec.SECP256R1()), m.KeyShape(algorithm="ECDSA", length=32))]


def test_imported_keys_work_in_the_token(kms):
    """ImportKey: AES, RSA and ECDSA material."""
    key = imported(kms, os.urandom(32))
    assert raw(kms.decrypt(key, kms.encrypt(key, b"x").ciphertext).plaintext) == b"x"
    for theirs, shape in pairs():
        made = imported(kms, pkcs8(theirs), shape)
        algorithm = "SHA_256_RSA_PKCS_PSS" if shape.algorithm == "RSA" else "ECDSA_SHA_256"
        signature = raw(kms.sign(made, b"m", algorithm).signature)
        scheme = rsa_scheme(algorithm) if shape.algorithm == "RSA" else (ec.ECDSA(hashes.SHA256()),)
        theirs.public_key().verify(signature, b"m", *scheme)


def test_no_key_leaves_the_token(kms, hsm):
    """CreateKey, ImportKey: the token gives no key to whoever has the PIN, and one that it made it never could."""
    before = hsm.keys()
    for shape in (("AES", 32), ("RSA", 256), ("ECDSA", 32)):
        kms.shaped(*shape)
    generated = hsm.keys()
    imported(kms, os.urandom(32))
    for theirs, shape in pairs():
        imported(kms, pkcs8(theirs), shape)
    everything = hsm.keys()
    for older, newer in ((before, generated), (generated, everything)):
        assert sorted(newer[name]["kind"] for name in newer.keys() - older.keys()) == ["AES", "ECDSA", "RSA"]
    for key in everything.values():
        assert key["private"] and key["sensitive"] and not key["extractable"] and key["value_refused"], key
    for name in generated.keys() - before.keys():
        key = generated[name]
        assert key["local"] and key["always_sensitive"] and key["never_extractable"], key


def test_secrets_under_a_key_in_the_token(kms, server):
    key = kms.shaped("AES", 32)
    secret = server.client(oci.vault.VaultsClient).create_secret(oci.vault.models.CreateSecretDetails(
        compartment_id=kms.compartment, vault_id=key.vault_id, key_id=key.id, secret_name="in-hsm",
        secret_content=content_of(b"value"))).data
    bundles = server.client(oci.secrets.SecretsClient)
    assert content_in(bundles.get_secret_bundle(secret.id).data) == b"value"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read another process's memory")
def test_key_bytes_are_neither_in_memory_nor_on_disk(kms, server, hsm, tmp_path):
    material = os.urandom(32)
    key = imported(kms, material)
    for _ in range(20):
        kms.decrypt(key, kms.encrypt(key, b"x").ciphertext)
    work = lambda: kms.decrypt(key, kms.encrypt(key, b"x").ciphertext)
    assert stays_clean(server, tmp_path, [material], work)
    for root in (server.directory, hsm.tokens):
        for file in root.rglob("*"):
            if file.is_file():
                assert material not in file.read_bytes()


def test_deleted_keys_leave_the_token(kms, server, hsm):
    """ScheduleKeyDeletion."""
    objects = lambda: sum(1 for _ in hsm.tokens.rglob("*.object"))
    key = kms.shaped("AES", 32)
    # In many sessions, which remember where they found it.
    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda _: kms.encrypt(key, b"x"), range(64)))
    before = objects()
    kms.keys.schedule_key_deletion(key.id, m.ScheduleKeyDeletionDetails())
    place = m.BackupLocationBucket(namespace="dev", bucket_name="backups", object_name="hsm-key")
    kms.keys.cancel_key_deletion(key.id)
    kms.keys.backup_key(key.id, backup_key_details=m.BackupKeyDetails(backup_location=place))
    kms.keys.schedule_key_deletion(key.id, m.ScheduleKeyDeletionDetails())
    server.advance(days=31)
    assert objects() == before - 1
    details = m.RestoreKeyFromObjectStoreDetails(backup_location=place)
    refused = refusal(409, "Conflict", kms.keys.restore_key_from_object_store, restore_key_from_object_store_details=details)
    for _ in range(16):
        refused = refusal(409, "Conflict", kms.keys.restore_key_from_object_store, restore_key_from_object_store_details=details)
        assert "HSM does not hold" in refused.message


def test_a_vault_comes_back_beside_a_key_that_does_not(kms, server):
    """BackupVault, RestoreVaultFromObjectStore: what was deleted before the backup needs no token."""
    vault = kms.new_vault()
    own = kms.at(vault.management_endpoint)
    soft, gone = kms.new_key(at=own, protection_mode="SOFTWARE"), kms.new_key(at=own)
    own.schedule_key_deletion(gone.id, m.ScheduleKeyDeletionDetails())
    server.advance(days=31)
    place = m.BackupLocationBucket(namespace="dev", bucket_name="backups", object_name="hsm-vault")
    kms.vaults.backup_vault(vault.id, backup_vault_details=m.BackupVaultDetails(backup_location=place, is_include_keys=True))
    kms.vaults.schedule_vault_deletion(vault.id, m.ScheduleVaultDeletionDetails())
    server.advance(days=31)
    back = kms.vaults.restore_vault_from_object_store(
        kms.compartment, restore_vault_from_object_store_details=m.RestoreVaultFromObjectStoreDetails(backup_location=place)).data
    states = {key.id: key.lifecycle_state for key in kms.at(back.management_endpoint).list_keys(kms.compartment).data}
    assert states == {soft.id: "ENABLED", gone.id: "DELETED"}


def test_a_token_that_goes_away_and_comes_back(kms, server, hsm):
    """Encrypt, Sign: 503 and nothing else, and no restart."""
    key, signer, soft = kms.shaped("AES", 32), kms.shaped("ECDSA", 32), kms.new_key(protection_mode="SOFTWARE")
    sealed = kms.encrypt(key, b"x").ciphertext
    hsm.take_away()
    try:
        for _ in range(3):
            began = time.monotonic()
            refusal(*AWAY, kms.decrypt, key, sealed)
            refusal(*AWAY, kms.sign, signer, b"m", "ECDSA_SHA_256")
            assert time.monotonic() - began < 5
        assert raw(kms.decrypt(soft, kms.encrypt(soft, b"y").ciphertext).plaintext) == b"y"
        assert kms.keys.get_key(key.id).data.lifecycle_state == "ENABLED"
    finally:
        hsm.bring_back()
    deadline = time.monotonic() + 20
    while True:
        try:
            assert raw(kms.decrypt(key, sealed).plaintext) == b"x"
            break
        except Exception as error:
            assert getattr(error, "status", None) == 503 and time.monotonic() < deadline, error
            time.sleep(0.2)
    kms.sign(signer, b"m", "ECDSA_SHA_256")


def test_the_token_never_seals_alike(kms):
    """Encrypt: salt and nonce are new each time."""
    key = kms.shaped("AES", 32)
    heads = set()
    for _ in range(200):
        sealed = raw(kms.encrypt(key, b"x").ciphertext)
        start = 2 + sealed[1]
        heads.add(sealed[start : start + 1 + 32 + 12])
    assert len(heads) == 200
