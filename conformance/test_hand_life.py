"""Our commands for the life of a secret: what they change, what they say, and what they refuse."""

import base64
import json

import pytest

from vault import Vault

REFERENCE = "secret://dev/life"


@pytest.fixture
def life(tmp_path):
    server = Vault(tmp_path / "data", "--listen", "127.0.0.1:0", "--clock", "manual")
    server.start()
    for content in (b"c4nary-1", b"c4nary-2"):
        assert server.strongroom("put", REFERENCE, stdin=content).returncode == 0
    yield server
    assert server.end() == 0


def changed(server, *arguments, **more):
    """What a command says it changed; content is never in it."""
    done = server.strongroom(*arguments, "--json", **more)
    assert done.returncode == 0, done.stderr.decode()
    assert b"c4nary" not in done.stdout + done.stderr
    document = json.loads(done.stdout)
    return {name: (values["before"], values["after"]) for name, values in document["changed"].items()}


def refused(server, *arguments, **more):
    """Exit code, word of the error and the whole message."""
    done = server.strongroom(*arguments, **more)
    text = done.stderr.decode()
    assert done.returncode != 0 and done.stdout == b"" and "c4nary" not in text
    return done.returncode, text.partition("]")[0].removeprefix("error["), text


def value(server, reference=REFERENCE):
    return server.strongroom("get", reference).stdout


def test_put_tells_what_it_changed(life, tmp_path):
    file = tmp_path / "value"
    file.write_bytes(b"c4nary-3\n")
    done = life.strongroom("put", REFERENCE, "--from-file", file, "--trim-newline").stdout.decode().splitlines()
    assert done[0].startswith("life  version 3  ocid1.vaultsecret.")
    assert "  currentVersionNumber: 2 -> 3" in done and "  version 2: CURRENT,LATEST -> PREVIOUS" in done
    assert value(life) == b"c4nary-3"


def test_promotion_and_rollback(life):
    assert refused(life, "promote", REFERENCE)[:2] == (1, "nothing-pending")
    life.strongroom("put", REFERENCE, "--stage", "pending", stdin=b"c4nary-3")
    assert value(life) == b"c4nary-2"
    moved = changed(life, "promote", REFERENCE)
    assert moved["currentVersionNumber"] == ("2", "3") and moved["version 2"] == ("CURRENT", "PREVIOUS")
    assert value(life) == b"c4nary-3"
    assert changed(life, "rollback", REFERENCE)["currentVersionNumber"] == ("3", "2")
    assert changed(life, "promote", REFERENCE + "?version=1")["currentVersionNumber"] == ("2", "1")
    assert value(life) == b"c4nary-1"
    assert refused(life, "promote", REFERENCE + "?version=9")[:2] == (1, "refused")
    life.strongroom("put", "secret://dev/young", stdin=b"x")
    assert refused(life, "rollback", "secret://dev/young")[:2] == (1, "nothing-previous")
    assert refused(life, "rollback", REFERENCE + "?version=1")[:2] == (2, "bad-reference")


def test_a_secret_is_removed_and_restored(life):
    said = life.strongroom("rm", REFERENCE, "--days", "3").stdout.decode()
    until = said.partition("timeOfDeletion: - -> ")[2].partition("\n")[0]
    assert said.endswith(f"Until {until}, `strongroom restore {REFERENCE}` brings it back.\n")
    assert life.strongroom("get", REFERENCE).returncode == 1
    assert refused(life, "put", REFERENCE, stdin=b"c4nary-3")[:2] == (1, "refused")
    assert changed(life, "restore", REFERENCE)["lifecycleState"] == ("PENDING_DELETION", "ACTIVE")
    assert value(life) == b"c4nary-2"
    assert refused(life, "restore", REFERENCE)[:2] == (1, "refused")
    life.strongroom("rm", REFERENCE)
    life.advance(days=29)
    assert life.strongroom("versions", REFERENCE).returncode == 0
    life.advance(days=2)
    assert refused(life, "restore", REFERENCE)[:2] == (1, "missing-or-hidden")
    assert life.strongroom("put", REFERENCE, stdin=b"c4nary-new").returncode == 0, "the name is free"
    assert refused(life, "rm", REFERENCE, "--days", "31")[0] == 2


def test_a_version_is_removed_and_restored(life):
    life.strongroom("put", REFERENCE, stdin=b"c4nary-3")
    version = REFERENCE + "?version=1"
    said = life.strongroom("rm", version, "--days", "2").stdout.decode()
    assert f"`strongroom restore '{version}'` brings it back" in said
    assert life.strongroom("get", version).returncode == 1 and value(life) == b"c4nary-3"
    assert changed(life, "restore", version)["version 1"][1] == "DEPRECATED"
    assert value(life, version) == b"c4nary-1"
    assert refused(life, "rm", REFERENCE + "?version=3")[:2] == (1, "refused"), "it is in use"
    assert refused(life, "rm", REFERENCE + "?stage=current")[:2] == (2, "bad-reference")


def test_generation_and_rotation(life, tmp_path):
    template = tmp_path / "template"
    template.write_text('{"user":"app","password":"%GENERATED_PASSPHRASE%"}')
    made = life.strongroom("generate", "secret://dev/made", "--passphrase", "--length", "20", "--template", template)
    assert made.returncode == 0 and b"password" not in made.stdout
    first = value(life, "secret://dev/made#password")
    assert len(first) == 20 and value(life, "secret://dev/made#user") == b"app"
    assert changed(life, "rotate", "secret://dev/made")["currentVersionNumber"] == ("1", "2")
    assert value(life, "secret://dev/made#password") not in (first, b"")
    assert value(life, "secret://dev/made?stage=previous#password") == first
    life.strongroom("generate", "secret://dev/bytes", "--bytes", "512")
    assert len(value(life, "secret://dev/bytes")) == 512
    assert life.strongroom("generate", "secret://dev/ssh", "--ssh-key", "2048").returncode == 0
    assert b"BEGIN" in value(life, "secret://dev/ssh#privateKey")
    assert refused(life, "rotate", REFERENCE)[:2] == (1, "refused")
    assert refused(life, "generate", "secret://dev/made", "--bytes", "512")[:2] == (1, "refused")
    for wrong in (["--passphrase", "--bytes", "512"], [], ["--bytes", "7"], ["--length", "9"]):
        assert refused(life, "generate", "secret://dev/wrong", *wrong)[0] == 2
    missing = refused(life, "generate", "secret://dev/wrong", "--passphrase", "--template", tmp_path / "none")
    assert missing[:2] == (1, "no-template")


def test_help_shows_the_way_without_downtime(life):
    """Deleting and making anew, as `oci vault secret delete` would suggest, breaks whoever reads."""
    text = life.strongroom("rm", "--help").stdout.decode()
    assert "another OCID" in text and "strongroom put" in text and "strongroom rollback" in text


def test_wrong_contents_are_answered_with_the_way(life):
    """PLAIN, and values that nobody encoded, come back with what to do, and without the value."""
    vault, key, place = (life.dev[name] for name in ("vault_id", "key_id", "compartment_id"))
    for content, word in (({"contentType": "PLAIN", "content": "c4nary"}, "BASE64"),
                          ({"contentType": "BASE64", "content": "c4nary plain"}, "base64 -w0")):
        body = {"compartmentId": place, "vaultId": vault, "keyId": key, "secretName": "w", "secretContent": content}
        done = life.oci("raw-request", "--http-method", "POST", "--target-uri",
                        life.dev["base_url"] + "/20180608/secrets", "--request-body", json.dumps(body))
        assert done["status"] == "400 Bad Request" and word in done["data"]["message"]
        assert "c4nary" not in json.dumps(done["data"])
    encoded = base64.b64encode(b"value").decode()
    assert life.oci("vault", "secret", "create-base64", "--compartment-id", place, "--vault-id", vault, "--key-id", key,
                    "--secret-name", "w", "--secret-content-content", encoded)["data"]["lifecycle-state"] == "ACTIVE"
