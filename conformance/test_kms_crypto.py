"""Encryption, signatures, import and export, cross-checked with `cryptography` and `openssl`."""

import base64
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import zlib

import pytest
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from oci.key_management import KmsCryptoClient
from oci.key_management import models as m

from test_kms_management import CONFLICT, HIDDEN, INVALID, Keys
from test_python_sdk import refusal
from vault import Vault

HASHES = {"224": hashes.SHA224(), "256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES = {32: ec.SECP256R1(), 48: ec.SECP384R1(), 66: ec.SECP521R1()}
ECDSA = {32: "ECDSA_SHA_256", 48: "ECDSA_SHA_384", 66: "ECDSA_SHA_512"}
RSA_ALGORITHMS = [f"SHA_{bits}_RSA_{kind}" for bits in HASHES for kind in ("PKCS_PSS", "PKCS1_V1_5")]


def b64(data):
    return base64.b64encode(data).decode()


def raw(text):
    return base64.b64decode(text)


class Crypto(Keys):
    def __init__(self, vault):
        super().__init__(vault)
        self.crypto = vault.client(KmsCryptoClient, vault.dev["crypto_endpoint"])

    def encrypt(self, key, plaintext, associated=None, **more):
        return self.crypto.encrypt(m.EncryptDataDetails(
            key_id=key.id, plaintext=b64(plaintext), associated_data=associated, **more)).data

    def decrypt(self, key, ciphertext, associated=None, **more):
        return self.crypto.decrypt(m.DecryptDataDetails(
            key_id=key.id, ciphertext=ciphertext, associated_data=associated, **more)).data

    def sign(self, key, message, algorithm, kind="RAW", **more):
        return self.crypto.sign(m.SignDataDetails(
            key_id=key.id, message=b64(message), signing_algorithm=algorithm, message_type=kind, **more)).data

    def verify(self, key, signed, message, kind="RAW", signature=None, algorithm=None):
        return self.crypto.verify(m.VerifyDataDetails(
            key_id=key.id, key_version_id=signed.key_version_id, signature=signature or signed.signature,
            message=b64(message), message_type=kind,
            signing_algorithm=algorithm or signed.signing_algorithm)).data.is_signature_valid

    def shaped(self, algorithm, length):
        return self.new_key(m.KeyShape(algorithm=algorithm, length=length))

    def public(self, key, version=None):
        version = self.keys.get_key_version(key.id, version or key.current_key_version).data
        return serialization.load_pem_public_key(version.public_key.encode())


@pytest.fixture(scope="module")
def kms(vault):
    return Crypto(vault)


@pytest.mark.parametrize("length", [16, 24, 32])
def test_symmetric_encryption(kms, length):
    """Encrypt, Decrypt: across a rotation, with associated data, and of nothing else."""
    key = kms.shaped("AES", length)
    plaintext, context = os.urandom(4096), {"app": "a", "env": "b"}
    sealed = kms.encrypt(key, plaintext, context)
    assert (sealed.key_id, sealed.encryption_algorithm) == (key.id, "AES_256_GCM")
    kms.keys.create_key_version(key.id)
    opened = kms.decrypt(key, sealed.ciphertext, dict(reversed(context.items())))
    assert raw(opened.plaintext) == plaintext and opened.key_version_id == key.current_key_version
    assert opened.plaintext_checksum == str(zlib.crc32(plaintext))
    assert kms.encrypt(key, plaintext, context).key_version_id != key.current_key_version
    ciphertexts = {kms.encrypt(key, b"same").ciphertext for _ in range(20)}
    assert len(ciphertexts) == 20
    for wrong in (None, {}, {"app": "a"}, {"app": "a", "env": "B"}, {"app": "ae", "nv": "b"}):
        refusal(*INVALID, kms.decrypt, key, sealed.ciphertext, wrong)
    refusal(*INVALID, kms.decrypt, kms.shaped("AES", length), sealed.ciphertext, context)


def test_no_bent_ciphertext_opens(kms):
    key = kms.shaped("AES", 32)
    sealed = raw(kms.encrypt(key, b"s3cr3t").ciphertext)
    seed = random.randrange(2**32)
    print("seed", seed)
    places = random.Random(seed).sample(range(len(sealed)), 40)
    for place in [0, 1, 2, len(sealed) - 1, *places]:
        bent = bytearray(sealed)
        bent[place] ^= 1 << random.Random(place).randrange(8)
        refusal(*INVALID, kms.decrypt, key, b64(bytes(bent)))
    for cut in (0, 1, 50, len(sealed) - 1):
        expected = (400, "InvalidParameter")
        refusal(*expected, kms.decrypt, key, b64(sealed[:cut]))
    refusal(*INVALID, kms.decrypt, key, b64(sealed + b"\0"))


@pytest.mark.parametrize("length", [256, 384, 512])
def test_asymmetric_encryption(kms, length):
    """Encrypt, Decrypt: OAEP, with the version given after a rotation."""
    key = kms.shaped("RSA", length)
    public = kms.public(key)
    for name, hash_ in (("RSA_OAEP_SHA_1", hashes.SHA1()), ("RSA_OAEP_SHA_256", hashes.SHA256())):
        oaep = padding.OAEP(padding.MGF1(hash_), hash_, None)
        assert raw(kms.decrypt(key, b64(public.encrypt(b"theirs", oaep)), encryption_algorithm=name).plaintext) == b"theirs"
        ours = kms.encrypt(key, b"ours", encryption_algorithm=name)
        longest = length - 2 * hash_.digest_size - 2
        kms.encrypt(key, b"x" * longest, encryption_algorithm=name)
        refusal(*INVALID, kms.encrypt, key, b"x" * (longest + 1), encryption_algorithm=name)
        assert raw(kms.decrypt(key, ours.ciphertext, encryption_algorithm=name).plaintext) == b"ours"
    kms.keys.create_key_version(key.id)
    refusal(*INVALID, kms.decrypt, key, ours.ciphertext, encryption_algorithm=name)
    old = kms.decrypt(key, ours.ciphertext, encryption_algorithm=name, key_version_id=key.current_key_version)
    assert raw(old.plaintext) == b"ours"
    assert "encryptionAlgorithm" in refusal(*INVALID, kms.encrypt, key, b"x").message
    refusal(*INVALID, kms.encrypt, key, b"x", encryption_algorithm="AES_256_GCM")
    refusal(*INVALID, kms.encrypt, key, b"x", {"a": "b"}, encryption_algorithm=name)
    assert "current version" in refusal(*INVALID, kms.encrypt, key, b"x", encryption_algorithm=name, key_version_id=key.current_key_version).message


def rsa_scheme(algorithm):
    hash_ = HASHES[algorithm.split("_")[1]]
    if algorithm.endswith("PSS"):
        return padding.PSS(padding.MGF1(hash_), hash_.digest_size), hash_
    return padding.PKCS1v15(), hash_


@pytest.mark.parametrize("length", [256, 384, 512])
def test_rsa_signatures(kms, length):
    """Sign, Verify: eight algorithms, message and digest, both directions."""
    key = kms.shaped("RSA", length)
    public, message = kms.public(key), os.urandom(100)
    for algorithm in RSA_ALGORITHMS:
        scheme, hash_ = rsa_scheme(algorithm)
        digest = hashlib.new(hash_.name, message).digest()
        for kind, given in (("RAW", message), ("DIGEST", digest)):
            signed = kms.sign(key, given, algorithm, kind)
            public.verify(raw(signed.signature), message, scheme, hash_)
            assert kms.verify(key, signed, given, kind)
        assert kms.verify(key, signed, message) and not kms.verify(key, signed, message + b"x")
        bent = bytearray(raw(signed.signature))
        bent[-1] ^= 1
        assert not kms.verify(key, signed, message, signature=b64(bytes(bent)))
        refusal(*INVALID, kms.sign, key, digest[:-1], algorithm, "DIGEST")
    assert not kms.verify(key, signed, message, algorithm="SHA_256_RSA_PKCS_PSS")
    refusal(*INVALID, kms.sign, key, message, "ECDSA_SHA_256")


@pytest.mark.parametrize("length", [32, 48, 66])
def test_ecdsa_signatures(kms, length, tmp_path):
    """Sign, Verify: the curve's own hash, DER, and what openssl says."""
    key, algorithm = kms.shaped("ECDSA", length), ECDSA[length]
    hash_ = HASHES[algorithm[-3:]]
    public, message = kms.public(key), os.urandom(100)
    assert public.curve.name == CURVES[length].name
    digest = hashlib.new(hash_.name, message).digest()
    for kind, given in (("RAW", message), ("DIGEST", digest)):
        signed = kms.sign(key, given, algorithm, kind)
        public.verify(raw(signed.signature), message, ec.ECDSA(hash_))
        assert kms.verify(key, signed, given, kind)
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for name, data in (("key", pem), ("sig", raw(signed.signature)), ("message", message)):
        (tmp_path / name).write_bytes(data)
    checked = subprocess.run(
        ["openssl", "dgst", f"-{hash_.name}", "-verify", "key", "-signature", "sig", "message"],
        cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.stdout == "Verified OK\n", checked.stderr
    assert not kms.verify(key, signed, b"other")
    for other in set(ECDSA.values()) - {algorithm}:
        refusal(*INVALID, kms.sign, key, message, other)
    refusal(*INVALID, kms.encrypt, key, b"x")


def test_old_versions_verify(kms):
    """Sign, Verify."""
    key = kms.shaped("ECDSA", 32)
    signed = kms.sign(key, b"m", "ECDSA_SHA_256")
    newer = kms.keys.create_key_version(key.id).data
    assert kms.verify(key, signed, b"m")
    assert kms.sign(key, b"m", "ECDSA_SHA_256").key_version_id == newer.id
    refusal(*INVALID, kms.sign, key, b"m", "ECDSA_SHA_256", key_version_id=signed.key_version_id)
    refusal(*HIDDEN, kms.sign, key, b"m", "ECDSA_SHA_256", key_version_id=kms.shaped("ECDSA", 32).current_key_version)


def generated(kms, key, length, **more):
    return kms.crypto.generate_data_encryption_key(m.GenerateKeyDetails(
        key_id=key.id, key_shape=m.KeyShape(algorithm="AES", length=length),
        include_plaintext_key=more.pop("plain", True), **more)).data


def test_data_keys(kms):
    """GenerateDataEncryptionKey: at least as strong as the master key."""
    key = kms.shaped("AES", 24)
    for length in (24, 32):
        made = generated(kms, key, length, associated_data={"a": "b"})
        assert len(raw(made.plaintext)) == length
        assert made.plaintext_checksum == str(zlib.crc32(raw(made.plaintext)))
        assert kms.decrypt(key, made.ciphertext, {"a": "b"}).plaintext == made.plaintext
    assert "keyShape.length" in refusal(*INVALID, generated, kms, key, 16).message
    silent = generated(kms, key, 32, plain=False)
    assert (silent.plaintext, silent.plaintext_checksum) == (None, None)
    refusal(*INVALID, generated, kms, kms.shaped("RSA", 256), 32)


def test_what_is_not_enabled_does_nothing(kms):
    """Encrypt, Decrypt: a disabled key and a version to be deleted; the secrets of the key, too."""
    key = kms.shaped("AES", 32)
    sealed = kms.encrypt(key, b"x")
    kms.keys.disable_key(key.id)
    refusal(*CONFLICT, kms.encrypt, key, b"x")
    refusal(*CONFLICT, kms.decrypt, key, sealed.ciphertext)
    kms.keys.enable_key(key.id)
    kms.keys.create_key_version(key.id)
    kms.keys.schedule_key_version_deletion(key.id, key.current_key_version, m.ScheduleKeyVersionDeletionDetails())
    refusal(*CONFLICT, kms.decrypt, key, sealed.ciphertext)
    kms.keys.cancel_key_version_deletion(key.id, key.current_key_version)
    assert raw(kms.decrypt(key, sealed.ciphertext).plaintext) == b"x"


def wrapped(kms, material, algorithm="RSA_OAEP_AES_SHA256"):
    key = serialization.load_pem_public_key(kms.keys.get_wrapping_key().data.public_key.encode())
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    if algorithm == "RSA_OAEP_SHA256":
        data = key.encrypt(material, oaep)
    else:
        temporary = os.urandom(32)
        data = key.encrypt(temporary, oaep) + keywrap.aes_key_wrap_with_padding(temporary, material)
    return m.WrappedImportKey(key_material=b64(data), wrapping_algorithm=algorithm)


def imported(kms, shape, wrapping):
    return kms.keys.import_key(m.ImportKeyDetails(
        compartment_id=kms.compartment, display_name="imported", key_shape=shape, wrapped_import_key=wrapping)).data


def pkcs8(key):
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def unwrapped(kms, key, algorithm="RSA_OAEP_AES_SHA256", bits=2048):
    own = rsa.generate_private_key(65537, bits)
    pem = own.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    exported = kms.crypto.export_key(m.ExportKeyDetails(
        key_id=key.id, algorithm=algorithm, public_key=pem.decode())).data
    data, oaep = raw(exported.encrypted_key), padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    if algorithm == "RSA_OAEP_SHA256":
        return own.decrypt(data, oaep)
    temporary = own.decrypt(data[: bits // 8], oaep)
    return keywrap.aes_key_unwrap_with_padding(temporary, data[bits // 8 :])


def test_the_wrapping_key(kms):
    """GetWrappingKey: one per vault, RSA-4096, and GetVault names it."""
    key = kms.keys.get_wrapping_key().data
    assert serialization.load_pem_public_key(key.public_key.encode()).key_size == 4096
    assert kms.keys.get_wrapping_key().data == key and key.lifecycle_state == "ENABLED"
    assert kms.vaults.get_vault(kms.vault.dev["vault_id"]).data.wrappingkey_id == key.id


@pytest.mark.parametrize("length", [16, 24, 32])
@pytest.mark.parametrize("algorithm", ["RSA_OAEP_SHA256", "RSA_OAEP_AES_SHA256"])
def test_aes_in_and_out(kms, length, algorithm):
    """ImportKey, ExportKey."""
    material = os.urandom(length)
    key = imported(kms, m.KeyShape(algorithm="AES", length=length), wrapped(kms, material, algorithm))
    assert kms.keys.get_key_version(key.id, key.current_key_version).data.origin == "EXTERNAL"
    assert raw(kms.decrypt(key, kms.encrypt(key, b"x").ciphertext).plaintext) == b"x"
    for bits in (2048, 3072, 4096):
        assert unwrapped(kms, key, algorithm, bits) == material


@pytest.mark.parametrize("length", [256, 384, 512])
def test_rsa_in_and_out(kms, length):
    """ImportKey, ExportKey: what is exported signs as what was imported."""
    theirs = rsa.generate_private_key(65537, length * 8)
    key = imported(kms, m.KeyShape(algorithm="RSA", length=length), wrapped(kms, pkcs8(theirs)))
    signed = kms.sign(key, b"m", "SHA_384_RSA_PKCS_PSS")
    theirs.public_key().verify(raw(signed.signature), b"m", *rsa_scheme("SHA_384_RSA_PKCS_PSS"))
    back = serialization.load_der_private_key(unwrapped(kms, key), None)
    assert back.private_numbers() == theirs.private_numbers()
    signature = back.sign(b"m", *rsa_scheme("SHA_224_RSA_PKCS1_V1_5"))
    assert kms.verify(key, signed, b"m", signature=b64(signature), algorithm="SHA_224_RSA_PKCS1_V1_5")
    message = refusal(*INVALID, unwrapped, kms, key, "RSA_OAEP_SHA256").message
    assert "RSA_OAEP_AES_SHA256" in message


@pytest.mark.parametrize("length", [32, 48, 66])
def test_ecdsa_in_and_out(kms, length):
    """ImportKey, ExportKey."""
    theirs = ec.generate_private_key(CURVES[length])
    key = imported(kms, m.KeyShape(algorithm="ECDSA", length=length), wrapped(kms, pkcs8(theirs)))
    signed = kms.sign(key, b"m", ECDSA[length])
    theirs.public_key().verify(raw(signed.signature), b"m", ec.ECDSA(HASHES[ECDSA[length][-3:]]))
    back = serialization.load_der_private_key(unwrapped(kms, key), None)
    assert back.private_numbers() == theirs.private_numbers()


def test_an_imported_version_is_the_current_one(kms):
    """ImportKeyVersion."""
    key, material = kms.shaped("AES", 32), os.urandom(32)
    sealed = kms.encrypt(key, b"before")
    details = m.ImportKeyVersionDetails(wrapped_import_key=wrapped(kms, material))
    version = kms.keys.import_key_version(key.id, details).data
    assert version.origin == "EXTERNAL"
    assert kms.keys.get_key(key.id).data.current_key_version == version.id
    assert raw(kms.decrypt(key, sealed.ciphertext).plaintext) == b"before"
    assert unwrapped(kms, key) == material


def test_material_that_does_not_fit_is_refused(kms):
    """ImportKey, ExportKey: one answer, whatever is wrong."""
    aes, other = m.KeyShape(algorithm="AES", length=32), m.KeyShape(algorithm="RSA", length=256)
    good = wrapped(kms, os.urandom(32))
    bent = bytearray(raw(good.key_material))
    bent[-1] ^= 1
    small = pkcs8(rsa.generate_private_key(65537, 3072))
    wrong = [
        (aes, wrapped(kms, os.urandom(31))),
        (aes, m.WrappedImportKey(key_material=b64(bytes(bent)), wrapping_algorithm="RSA_OAEP_AES_SHA256")),
        (aes, m.WrappedImportKey(key_material=good.key_material, wrapping_algorithm="RSA_OAEP_SHA256")),
        (aes, m.WrappedImportKey(key_material=b64(b"x"), wrapping_algorithm="RSA_OAEP_AES_SHA256")),
        (other, wrapped(kms, small)),
        (other, wrapped(kms, os.urandom(256))),
        (m.KeyShape(algorithm="ECDSA", length=48), wrapped(kms, pkcs8(ec.generate_private_key(ec.SECP256R1())))),
    ]
    messages = {refusal(*INVALID, imported, kms, shape, wrapping).message for shape, wrapping in wrong}
    assert len(messages) == 1
    key = kms.shaped("AES", 32)
    refusal(*INVALID, unwrapped, kms, key, bits=1024)
    details = dict(key_id=key.id, algorithm="RSA_OAEP_SHA256")
    for pem in ("x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"):
        refusal(*INVALID, kms.crypto.export_key, m.ExportKeyDetails(public_key=pem, **details))


def test_bounds_name_the_field(kms):
    """Encrypt, Sign."""
    key, signer = kms.shaped("AES", 32), kms.shaped("ECDSA", 32)
    for call, field in [
        (lambda: kms.encrypt(key, b""), "plaintext"),
        (lambda: kms.encrypt(key, b"x" * 4097), "plaintext"),
        (lambda: kms.encrypt(key, b"x", {"a": "b" * 4090}), "associatedData"),
        (lambda: kms.decrypt(key, "@@"), "ciphertext"),
        (lambda: kms.sign(signer, b"x" * 4097, "ECDSA_SHA_256"), "message"),
        (lambda: kms.sign(key, b"x", "ECDSA_SHA_256"), "signingAlgorithm"),
    ]:
        assert refusal(*INVALID, call).message.startswith(field + ":")


def test_the_audit_record_keeps_the_logging_context(own_vault):
    """Encrypt: `loggingContext` is on record, the plaintext nowhere."""
    own_vault.start()
    kms = Crypto(own_vault)
    key = kms.shaped("AES", 32)
    kms.encrypt(key, b"s3cr3t-plaintext", logging_context={"ticket": "INC-7"})
    own_vault.end()
    path = next(own_vault.directory.glob("*.db"))
    rows = sqlite3.connect(path).execute("select v from kv where cast(k as text) like 'audit/%'").fetchall()
    assert any(b"INC-7" in row[0] for row in rows)
    for file in own_vault.directory.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"s3cr3t-plaintext" not in content and b64(b"s3cr3t-plaintext").encode() not in content


def test_two_copies_of_a_data_directory_never_seal_alike(tmp_path):
    """Encrypt: from the same state, killed and copied, no salt is the same."""
    first = Vault(tmp_path / "first" / "data")
    first.directory.parent.mkdir()
    first.start()
    key = Crypto(first).shaped("AES", 32)
    first.end(signal.SIGKILL)
    shutil.copytree(first.directory.parent, tmp_path / "second")
    second = Vault(tmp_path / "second" / "data")
    salts = []
    for copy in (first, second):
        copy.start()
        kms = Crypto(copy)
        for _ in range(300):
            sealed = raw(kms.encrypt(key, b"x").ciphertext)
            salts.append(sealed[2 + sealed[1] :][:32])
        assert copy.end() == 0
    assert len(set(salts)) == len(salts) == 600
