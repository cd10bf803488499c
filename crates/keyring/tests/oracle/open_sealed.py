"""Opens what the keyring sealed with an implementation of docs/format.md of its own, made of
Python's `cryptography` and argon2.

usage: open_sealed.py PATH-OF-THE-EXAMPLE-`seal`
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

MAGIC = b"strongroom sealed root key 1\n"
TENANCY, VAULT = "ocid1.tenancy.oc1..t", "ocid1.vault.oc1.iad.v"
KEY = "ocid1.key.oc1.iad.v.k"
VERSION, SECRET = "ocid1.keyversion.oc1.iad.v.k", "ocid1.vaultsecret.oc1.iad.s"


def binding(object_id, version):
    return texts(TENANCY, VAULT, object_id) + struct.pack(">Q", version)


def texts(*all_texts):
    return b"".join(struct.pack(">Q", len(text)) + text.encode() for text in all_texts)


def derive(material, label, salt, key_bytes):
    extract = hmac.HMAC(b"strongroom/1", hashes.SHA256())
    extract.update(material)
    derived = HKDFExpand(hashes.SHA256(), key_bytes + 12, label + salt).derive(extract.finalize())
    return AESGCM(derived[:key_bytes]), derived[key_bytes:]


def unseal(material, label, bound, sealed):
    assert sealed[0] == 1
    gcm, nonce = derive(material, label, sealed[1:33], 32)
    return gcm.decrypt(nonce, sealed[33:], label + b"\0\x01" + bound)


def decrypt(material, associated, ciphertext):
    """Opens what `Encrypt` made with an AES key."""
    label, end = b"strongroom/1/ciphertext", 2 + ciphertext[1]
    header, salt, body = ciphertext[:end], ciphertext[end : end + 32], ciphertext[end + 32 :]
    assert header[0] == 1 and header[2:] == VERSION.encode()
    gcm, nonce = derive(material, label, salt, len(material))
    pairs = [text for pair in sorted(associated.items()) for text in pair]
    return gcm.decrypt(nonce, body, label + b"\0" + header + texts(KEY, *pairs))


def main():
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run([sys.argv[1], directory], capture_output=True, text=True, check=True)
        file = (pathlib.Path(directory) / "root.key").read_bytes()
    sealed = {name: bytes.fromhex(value) for name, value in json.loads(done.stdout).items()}
    header, sealed_root = file[: len(MAGIC) + 28], file[len(MAGIC) + 28 :]
    assert header.startswith(MAGIC)
    memory, passes, lanes = struct.unpack(">III", header[len(MAGIC) : len(MAGIC) + 12])
    stretched = hash_secret_raw(b"correct horse", header[-16:], passes, memory, lanes, 32, Type.ID)
    root = unseal(stretched, b"strongroom/1/root-key", header, sealed_root)
    vault = unseal(root, b"strongroom/1/vault-key", binding(VAULT, 1), sealed["vault"])
    master = unseal(vault, b"strongroom/1/key-version", binding(VERSION, 1), sealed["master"])
    data_key = unseal(master, b"strongroom/1/data-key", binding(SECRET, 7), sealed["data_key"])
    content = unseal(data_key, b"strongroom/1/content", binding(SECRET, 7), sealed["content"])
    assert (len(root), len(vault), len(master), len(data_key)) == (32, 32, 24, 32)
    assert content == b"known content"
    assert decrypt(master, {"a": "1", "b": "2"}, sealed["ciphertext"]) == b"known plaintext"
    print("root, vault, master and data key, content and ciphertext opened by an independent implementation")


if __name__ == "__main__":
    main()
