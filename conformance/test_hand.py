"""Our own commands: exact bytes, exit codes, errors that help."""

import json
import os
import subprocess

from vault import BINARY


def test_a_value_comes_back_byte_for_byte(vault):
    value = bytes(range(256)) + b"\n"
    stored = vault.strongroom("put", "secret://dev/hand-bytes", stdin=value)
    assert stored.returncode == 0 and b"version 1" in stored.stdout
    assert vault.strongroom("get", "secret://dev/hand-bytes").stdout == value
    again = vault.strongroom("put", "--json", "secret://dev/hand-bytes", stdin=b"second")
    assert json.loads(again.stdout)["versionNumber"] == 2
    assert vault.strongroom("get", "secret://dev/hand-bytes").stdout == b"second"
    assert vault.strongroom("get", "secret://dev/hand-bytes?version=1").stdout == value
    assert vault.strongroom("get", "secret://dev/hand-bytes", "--stage", "previous").stdout == value
    document = json.loads(vault.strongroom("get", "--json", "secret://dev/hand-bytes").stdout)
    assert (document["versionNumber"], document["contentBase64"]) == (2, "c2Vjb25k")


def test_pending_waits(vault):
    vault.strongroom("put", "secret://dev/hand-pending", stdin=b"now")
    later = vault.strongroom("put", "--stage", "pending", "--json", "secret://dev/hand-pending", stdin=b"later")
    assert json.loads(later.stdout)["versionNumber"] == 2
    assert vault.strongroom("get", "secret://dev/hand-pending").stdout == b"now"
    assert vault.strongroom("get", "secret://dev/hand-pending?stage=pending").stdout == b"later"


def test_lists(vault):
    vault.strongroom("put", "secret://dev/hand-list", stdin=b"x")
    assert b"hand-list" in vault.strongroom("ls").stdout
    names = [row["secretName"] for row in json.loads(vault.strongroom("ls", "--json").stdout)]
    assert "hand-list" in names and names == sorted(names)
    versions = vault.strongroom("versions", "secret://dev/hand-list").stdout.decode().splitlines()
    assert versions[0].split() == ["NUMBER", "STAGES", "NAME", "CREATED"]
    assert versions[1].split()[:2] == ["1", "CURRENT,LATEST"]


def test_json_pointers(vault):
    vault.strongroom("put", "secret://dev/hand-json", stdin=b'{"db":{"password":"p w","port":5432}}')
    assert vault.strongroom("get", "secret://dev/hand-json#db.password").stdout == b"p w"
    assert vault.strongroom("get", "secret://dev/hand-json#/db/port").stdout == b"5432"
    failed = vault.strongroom("get", "secret://dev/hand-json#db.user")
    assert failed.returncode == 1 and b"p w" not in failed.stderr and failed.stdout == b""


def test_the_environment_points_both_command_lines_at_the_vault(vault):
    lines = vault.strongroom("env", "--for", "cli").stdout.decode()
    script = f'{lines}\n{BINARY} get "$SECRET_ID"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"hello from strongroom"
    script = f"{lines}\n{BINARY} get secret://dev/sample"
    environment = {"HOME": "/nonexistent", "PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, env=environment, timeout=60)
    assert done.stdout == b"hello from strongroom"


def test_failures_have_codes_and_say_what_to_do(vault, tmp_path):
    missing = vault.strongroom("get", "secret://dev/hand-missing")
    assert missing.returncode == 1 and b"error[missing-or-hidden]" in missing.stderr
    assert b"request: " in missing.stderr and missing.stdout == b""
    bad = vault.strongroom("get", "hand-missing")
    assert bad.returncode == 2 and b"error[bad-reference]" in bad.stderr
    assert vault.strongroom("get").returncode == 2
    unknown = vault.strongroom("get", "secret://prod/x")
    assert unknown.returncode == 3 and b"STRONGROOM_VAULT_PROD" in unknown.stderr
    nowhere = [str(BINARY), "get", "--data-dir", str(tmp_path), "secret://dev/x"]
    done = subprocess.run(nowhere, capture_output=True, check=False, timeout=60)
    assert done.returncode == 3 and b"error[no-dev-server]" in done.stderr
    config = vault.directory / "oci" / "config"
    closed = [str(BINARY), "get", "--endpoint", "http://127.0.0.1:1", "--config-file", str(config),
              vault.dev["secret_id"]]
    done = subprocess.run(closed, capture_output=True, check=False, timeout=60)
    assert done.returncode == 4 and b"error[unreachable]" in done.stderr


def test_a_value_is_never_an_argument(vault):
    refused = vault.strongroom("put", "secret://dev/hand-argv", "the-value")
    assert refused.returncode == 2
    help_text = vault.strongroom("put", "--help").stdout
    assert b"--value" not in help_text
