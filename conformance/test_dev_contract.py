"""What `strongroom dev` promises: files, modes, readiness, restart, signals, clear refusals."""

import hashlib
import os
import pathlib
import signal
import socket
import stat
import subprocess
import threading
import time

import oci
import pytest

from vault import BINARY, Vault, content_in

KEYS = {
    "base_url", "tenancy_id", "compartment_id", "user_id", "vault_id", "management_endpoint",
    "crypto_endpoint", "key_id", "secret_id", "config_file", "imds_url", "federation_url",
    "instance_id", "instance_compartment_id", "region", "pid",
}
READY_SECS_MAX = 2.0


def refused(*arguments):
    done = subprocess.run(
        [str(BINARY), "dev", *map(str, arguments)], capture_output=True, text=True, timeout=20,
        check=False,
    )
    errors = [line for line in done.stderr.splitlines() if line.startswith("error[")]
    assert (done.returncode, len(errors)) == (3, 1), done.stderr
    return errors[0]


def digest_of(directory):
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(directory).rglob("*")):
        digest.update(str(path).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_ready_at_once_with_every_file_private_from_birth(own_vault):
    loose, stop = set(), threading.Event()

    def watch():
        while not stop.is_set():
            for path in own_vault.directory.rglob("*"):
                try:
                    mode = path.lstat().st_mode
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(mode) and mode & 0o077:
                    loose.add(path.name)

    watcher = threading.Thread(target=watch)
    before = os.umask(0)
    try:
        watcher.start()
        took = own_vault.start()
        time.sleep(0.2)
    finally:
        os.umask(before)
        stop.set()
        watcher.join()
    assert took < READY_SECS_MAX
    assert loose == set()
    assert set(own_vault.dev) == KEYS
    assert own_vault.dev["region"] == "us-ashburn-1"
    for name in ["dev.json", "oci/config", "oci/admin.pem"]:
        assert stat.S_IMODE((own_vault.directory / name).stat().st_mode) == 0o600
    profile = own_vault.config()
    assert profile["tenancy"] == own_vault.dev["tenancy_id"]
    assert profile["user"] == own_vault.dev["user_id"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_restart_finds_everything_again(own_vault, how):
    own_vault.start()
    first = own_vault.dev
    secret = own_vault.new_secret("kept", b"kept value")
    code = own_vault.end(how)
    assert code == (-signal.SIGKILL if how == signal.SIGKILL else 0)
    assert own_vault.start() < READY_SECS_MAX
    changing = {"base_url", "imds_url", "federation_url", "pid"}
    assert {k: v for k, v in own_vault.dev.items() if k not in changing} == {
        k: v for k, v in first.items() if k not in changing
    }
    bundle = own_vault.client(oci.secrets.SecretsClient).get_secret_bundle(secret.id).data
    assert content_in(bundle) == b"kept value"
    assert own_vault.end() == 0


def test_ephemeral_keeps_nothing(tmp_path):
    server = Vault(tmp_path / "data", "--ephemeral", "--listen", "127.0.0.1:0")
    server.start()
    server.new_secret("gone")
    assert not list(server.directory.glob("*.db*"))
    assert server.end() == 0
    assert not server.directory.exists()


def test_what_is_in_flight_is_finished(own_vault):
    own_vault.start()
    host, port = own_vault.dev["base_url"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /20180608/secrets HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{")
        time.sleep(0.2)
        own_vault.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.sendall(b"}")
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 401")
    assert own_vault.process.wait(timeout=20) == 0


def test_a_busy_port_is_said_and_nothing_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused("--data-dir", tmp_path / "data", "--listen", f"127.0.0.1:{port}")
    assert line == f"error[port-busy]: cannot listen on `127.0.0.1:{port}`"
    assert not (tmp_path / "data").exists()


def test_a_foreign_directory_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    before = digest_of(tmp_path)
    assert "data-dir-foreign" in refused("--data-dir", tmp_path, "--listen", "127.0.0.1:0")
    assert digest_of(tmp_path) == before


def test_a_place_that_cannot_be_a_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    assert "data-dir-unusable" in refused("--data-dir", tmp_path / "file" / "data", "--listen", "127.0.0.1:0")
    assert "data-dir-unusable" in refused("--data-dir", "/proc/strongroom", "--listen", "127.0.0.1:0")


def test_a_directory_in_use_is_left_alone(own_vault):
    own_vault.start()
    line = refused("--data-dir", own_vault.directory, "--listen", "127.0.0.1:0")
    assert "data-dir-in-use" in line
    assert (own_vault.directory / "dev.json").exists()
    assert own_vault.end() == 0


def test_another_region_than_the_directorys_is_refused(own_vault):
    own_vault.arguments += ["--region", "eu-frankfurt-1"]
    own_vault.start()
    assert own_vault.dev["secret_id"].startswith("ocid1.vaultsecret.oc1.fra.")
    assert own_vault.end() == 0
    line = refused("--data-dir", own_vault.directory, "--listen", "127.0.0.1:0", "--region", "us-phoenix-1")
    assert "region-differs" in line
