"""The root key is replaced while servers run, killed at random moments, and the old one opens nothing afterwards."""

import json
import random
import shutil
import signal
import subprocess
import threading
import time

import oci
import pytest
from oci.exceptions import ServiceError

from postgres import Postgres
from serving import PASSPHRASE, Server, free_port
from test_move import connection, url_of, wait_for
from test_principals import requests
from test_serve import private
from vault import BINARY

KILLS = 24
VAULTS = 12


def rotate_words(server, *more):
    return [str(word) for word in (
        BINARY, "admin", "rotate-root-key", "--server-config", server.config, *connection(server), *more)]


def rotate(server, *more):
    done = subprocess.run(rotate_words(server, *more), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def root_file(server):
    return (server.data / "root.key").read_bytes()


@pytest.fixture
def furnished(tmp_path):
    server = Server(tmp_path / "server").init().start().furnish()
    server.vaults = [server.new_vault(f"v{number}") for number in range(VAULTS)]
    server.secret = server.new_secret("s", b"kept")
    yield server
    if server.process:
        assert server.end() == 0


def read_all(server):
    """Every vault's key opens, or the server would not have started; and one makes a key in each."""
    assert server.content(server.secret.id) == b"kept"
    for vault in random.sample(server.vaults, 2):
        assert server.new_key(vault).id


def test_a_rotation_survives_every_kill(furnished):
    """RotateRootKey: it goes on where it was, nothing is lost, and in the end the old key opens nothing."""
    server = furnished
    first, killed, begun = root_file(server), 0, 0
    while killed < KILLS:
        asking = subprocess.Popen(rotate_words(server), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begun += 1
        time.sleep(random.uniform(0.2, 1.2))
        for _ in range(random.randrange(1, 4)):
            server.end(signal.SIGKILL)
            killed += 1
            server.start()
            time.sleep(random.uniform(0, 0.6))
        asking.kill()
        asking.wait()
        read_all(server)
    print(f"{killed} kills in {begun} rotations")
    until = time.monotonic() + 60
    while (done := subprocess.run(rotate_words(server), capture_output=True, text=True, check=False)).returncode:
        assert "Another rotation" in done.stderr and time.monotonic() < until, done.stderr
        time.sleep(0.5)
    read_all(server)
    last = root_file(server)
    assert last != first
    assert server.end() == 0
    unknown = subprocess.run(
        rotate_words(server, "--new-passphrase-file", server.directory / "passphrase"),
        capture_output=True, text=True, check=False)
    assert unknown.returncode and "may be under way" in unknown.stderr and "Keep `" in unknown.stderr, unknown.stderr
    (server.data / "root.key").write_bytes(first)
    refused = server.try_run("serve")
    assert refused.returncode == 3 and "root key was rotated" in refused.stderr, refused.stderr
    (server.data / "root.key").write_bytes(last)
    server.start()
    read_all(server)


def test_a_new_passphrase_opens_the_new_key_alone(furnished, tmp_path):
    server = furnished
    # The root key in force has a name of its own from then on.
    assert "opens nothing any more" in rotate(server)
    private(tmp_path / "next", b"another horse\n")
    backup, copy = tmp_path / "store.backup", Server(tmp_path / "copy", address="127.0.0.2").like(server)
    told, first = [], root_file(server)
    asking = threading.Thread(target=lambda: told.append(rotate(server, "--new-passphrase-file", tmp_path / "next")))
    asking.start()
    wait_for(lambda: root_file(server) != first)
    shutil.copy(tmp_path / "next", server.directory / "passphrase")
    # The old key is not forgotten yet: the backup has both in it.
    server.run("admin", "backup", "-o", backup)
    assert asking.is_alive()
    while asking.is_alive():
        assert server.content(server.secret.id) == b"kept"
    asking.join()
    assert "put it in place of the passphrase" in told[0]
    read_all(server)
    assert server.end() == 0
    server.start()
    read_all(server)
    (server.directory / "passphrase").write_bytes(PASSPHRASE)
    refused = server.try_run("admin", "backup", "-o", tmp_path / "refused")
    assert refused.returncode == 3 and "passphrase does not open" in refused.stderr
    refused = copy.try_run("admin", "restore", backup)
    assert refused.returncode == 3 and "passphrase does not open" in refused.stderr
    shutil.copy(tmp_path / "next", copy.directory / "passphrase")
    copy.run("admin", "restore", backup)
    copy.start()
    assert copy.content(server.secret.id) == b"kept"
    assert copy.end() == 0


def test_two_servers_at_one_database(tmp_path):
    database = Postgres()
    database.start()
    database.administer("CREATE ROLE strongroom LOGIN PASSWORD 'p4ss/word'")
    url, port = url_of(database, "vault"), free_port()
    one = Server(tmp_path / "one", url, port=port).init()
    other = Server(tmp_path / "other", url, port=port, address="127.0.0.2").like(one)
    other.data.mkdir(mode=0o700)
    for name in ("root.key", "strongroom.lock"):
        private(other.data / name, (one.data / name).read_bytes())
    one.start()
    one.furnish()
    other.like(one).start()
    secret = one.new_secret("s", b"kept")
    vaults = [one.new_vault(f"v{number}") for number in range(6)]
    done, seen = threading.Event(), []

    def use():
        bundles = other.client(oci.secrets.SecretsClient)
        while not done.is_set():
            try:
                seen.append(other.content(secret.id, bundles))
            except ServiceError as refused:
                seen.append(f"{refused.status} {(other.directory / 'log').read_text()[-600:]}")

    user = threading.Thread(target=use)
    user.start()
    old = root_file(one)
    asking = subprocess.Popen(rotate_words(one), stdout=subprocess.DEVNULL)
    vaults.append(other.new_vault("meanwhile"))
    assert asking.wait(timeout=120) == 0
    done.set()
    user.join()
    # A machine that is at its limit may let the probe of freshness run out, and then nothing is answered.
    wrong = {one for one in seen if one != b"kept" and "did not answer in time" not in one}
    assert seen.count(b"kept") > 10 and not wrong, wrong
    wait_for(lambda: root_file(other) == root_file(one) != old)
    for server in (one, other):
        assert server.end() == 0
    for server in (one, other):
        server.start()
    for server in (one, other):
        assert server.content(secret.id) == b"kept"
        assert server.new_key(vaults[-1]).id
    for server in (one, other):
        assert server.end() == 0
    database.stop()


def test_what_is_no_rotation_is_refused(vault):
    """A development server keeps its root key in the clear, and says so."""
    body = json.dumps({"rootFile": "eA==", "next": "eA==", "previous": "eA=="})
    signer = oci.signer.Signer.from_config(oci.config.from_file(vault.dev["config_file"]))
    url = vault.dev["base_url"] + "/_strongroom/v1/rootKey/actions/rotate"
    answer = requests().post(url, data=body, auth=signer, headers={"content-type": "application/json"}, timeout=20)
    assert answer.status_code == 409 and "in the clear" in answer.json()["message"]
