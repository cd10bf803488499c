"""What lies on the disk and in the log holds no secret and no key."""

import base64
import json
import pathlib
import urllib.parse

import oci

from vault import content_of

CANARIES = [b"canary-content-one-0123456789", b"\x00\x01binary-canary\xfe\xff" * 3]


def spellings(secret):
    """The bytes themselves, and what base64, hex, JSON and URLs make of them."""
    yield secret
    for encoded in base64.b64encode(secret), base64.urlsafe_b64encode(secret):
        yield encoded
        yield encoded.rstrip(b"=")
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    text = secret.decode(errors="replace")
    for escaped in json.dumps(text), json.dumps(text, ensure_ascii=False):
        yield escaped[1:-1].encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield urllib.parse.quote_plus(secret).encode()


def test_no_file_holds_a_secret(own_vault):
    own_vault.start()
    first = own_vault.new_secret("at-rest", CANARIES[0])
    own_vault.client(oci.vault.VaultsClient).update_secret(
        first.id, oci.vault.models.UpdateSecretDetails(secret_content=content_of(CANARIES[1])))
    own_vault.client(oci.secrets.SecretsClient).get_secret_bundle(first.id)
    running = {path: path.read_bytes() for path in files(own_vault)}
    assert own_vault.end() == 0
    stopped = {path: path.read_bytes() for path in files(own_vault)}
    assert any(path.name == "strongroom.db-wal" for path in running)
    assert any(b"at-rest" in content for content in stopped.values()), "names are there to be found"
    for content in [*running.values(), *stopped.values()]:
        for canary in CANARIES:
            for spelling in spellings(canary):
                assert spelling not in content


def test_keys_are_in_their_own_files_only(own_vault):
    own_vault.start()
    assert own_vault.end() == 0
    root = (own_vault.directory / "root.key").read_bytes().split(b"\n", 1)[1]
    assert len(root) == 32
    pem = (own_vault.directory / "oci" / "admin.pem").read_bytes().split(b"\n")[1]
    for path in files(own_vault):
        content = path.read_bytes()
        for spelling in spellings(root):
            assert (spelling in content) == (path.name == "root.key" and spelling == root), path
        assert (pem in content) == (path.name == "admin.pem"), path


def files(server):
    paths = [path for path in pathlib.Path(server.directory).rglob("*") if path.is_file()]
    return [*paths, server.log]
