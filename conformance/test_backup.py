"""Backups of a store: taken while the server writes, restored on another machine, and what is wrong with a file is told.

`STRONGROOM_BACKUP_SECRETS=100000` makes the drill as large; see `docs/operations.md`.
"""

import concurrent.futures
import hashlib
import hmac
import json
import os
import random
import signal
import stat
import struct
import subprocess
import threading
import time

import oci
import pytest
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from serving import PASSPHRASE, Server
from vault import BINARY, content_in

KILLS = 12
SECRETS = int(os.environ.get("STRONGROOM_BACKUP_SECRETS", "300"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("backup") / "source").init().start().furnish()
    yield made
    assert made.end() == 0


def write_until(server, done, written):
    """Makes secrets, and new versions of them, and notes what was acknowledged and when."""
    vaults = server.client(oci.vault.VaultsClient)
    name = f"under-load-{threading.get_ident()}"
    number = 0
    while not done.is_set():
        content = f"{name} {number}".encode()
        secret = server.new_secret(f"{name}-{number}", content, vaults)
        written.append((time.monotonic(), secret.id, content))
        number += 1


def fill(server, count):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        clients = threading.local()

        def one(number):
            if not hasattr(clients, "vaults"):
                clients.vaults = server.client(oci.vault.VaultsClient)
            return server.new_secret(f"s-{number:06}", f"content {number}".encode(), clients.vaults).id

        return list(pool.map(one, range(count)))


def contents(server, secret_ids):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        clients = threading.local()

        def one(secret_id):
            if not hasattr(clients, "bundles"):
                clients.bundles = server.client(oci.secrets.SecretsClient)
            got = clients.bundles.get_secret_bundle(secret_id)
            return content_in(got.data), got.headers["etag"], got.data.version_number, got.data.stages

        return list(pool.map(one, secret_ids))


def test_a_backup_under_load_has_all_that_was_acknowledged(server, tmp_path):
    """The drill: back up while four threads write, restore elsewhere, compare what applications read."""
    secret_ids = fill(server, SECRETS)
    done, written = threading.Event(), []
    writers = [threading.Thread(target=write_until, args=(server, done, written)) for _ in range(4)]
    for writer in writers:
        writer.start()
    while len(written) < 20:
        time.sleep(0.01)
    backup = tmp_path / "store.backup"
    began = time.monotonic()
    told = json.loads(server.run("admin", "backup", "-o", backup, "--json"))
    took = time.monotonic() - began
    at_end = len(written)
    while len(written) < at_end + 4:
        time.sleep(0.01)
    done.set()
    for writer in writers:
        writer.join()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert b"content 1" not in backup.read_bytes()
    before = [(secret_id, content) for when, secret_id, content in written if when < began]
    assert len(before) >= 20 and len(before) < len(written)

    # Vaults keep their ports, so a second server on this machine has another address.
    other = Server(tmp_path / "other", address="127.0.0.2").like(server)
    began = time.monotonic()
    assert json.loads(other.run("admin", "restore", backup, "--json")) == told
    print(f"{told['rows']} rows, {backup.stat().st_size} bytes: backup {took:.1f} s, restore {time.monotonic() - began:.1f} s")
    other.start()
    try:
        sample = secret_ids if SECRETS <= 1000 else random.sample(secret_ids, 1000)
        assert contents(other, sample) == contents(server, sample)
        bundles = other.client(oci.secrets.SecretsClient)
        for secret_id, content in before:
            assert other.content(secret_id, bundles) == content
        events = other.client(oci.audit.AuditClient).list_events(
            server.admin["tenancy"], "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
        assert events.data
        # What follows goes on where the source was.
        fresh = other.new_secret("after-the-restore", b"new")
        assert other.content(fresh.id, bundles) == b"new"
    finally:
        assert other.end() == 0


def opened(file, passphrase):
    """Opens a backup by `docs/format.md` alone: the rows, and their digest."""
    line, rest = file[:26], file[26:]
    assert line == b"strongroom store backup 1\n"
    length = struct.unpack(">I", rest[:4])[0]
    header, tag, chunks = rest[4 : 4 + length], rest[4 + length : 36 + length], rest[36 + length :]
    salt, root_file = header[16:48], header[48:]
    magic = b"strongroom sealed root key 1\n"
    assert root_file.startswith(magic)
    numbers, bound = root_file[len(magic):], root_file[: len(magic) + 28]
    memory, passes, lanes = struct.unpack(">III", numbers[:12])
    stretched = hash_secret_raw(passphrase, numbers[12:28], passes, memory, lanes, 32, Type.ID)
    label, sealed = b"strongroom/1/root-key", numbers[28:]
    derived = expand(stretched, label + sealed[1:33], 44)
    root = AESGCM(derived[:32]).decrypt(derived[32:], sealed[33:], label + b"\0\x01" + bound)
    label = b"strongroom/1/store-backup"
    derived = expand(root, label + salt, 76)
    assert hmac.digest(derived[32:64], file[: 30 + length], "sha256") == tag
    gcm, plain, size = AESGCM(derived[:32]), b"", 65536 + 16
    starts = range(0, len(chunks), size)
    for number, start in enumerate(starts):
        is_last = number == len(starts) - 1
        nonce = bytes(3) + struct.pack(">QB", number, is_last)
        plain += gcm.decrypt(nonce, chunks[start : start + size], label)
    place, rows = 0, {}
    while plain[place] == 1:
        length = struct.unpack_from(">I", plain, place + 1)[0]
        key = plain[place + 5 : place + 5 + length]
        place += 5 + length
        commit, length = struct.unpack_from(">QI", plain, place)
        rows[key] = commit, plain[place + 12 : place + 12 + length]
        place += 12 + length
    assert plain[place:] == b"\0" + struct.pack(">Q", len(rows))
    return rows, hashlib.sha256(plain[:place]).hexdigest()


def expand(material, info, length):
    extract = hmac.digest(b"strongroom/1", material, "sha256")
    return HKDFExpand(hashes.SHA256(), length, info).derive(extract)


def test_the_file_is_as_its_description_says(server, tmp_path):
    told = json.loads(server.run("admin", "backup", "-o", tmp_path / "store.backup", "--json"))
    rows, digest = opened((tmp_path / "store.backup").read_bytes(), PASSPHRASE.strip())
    assert (len(rows), digest) == (told["rows"], told["sha256"])
    assert list(rows) == sorted(rows)
    commit, value = rows[b"v/" + server.vault.id.encode()]
    assert 0 < commit <= told["commit"]
    assert json.loads(value)["row"]["vault"]["displayName"] == "v"


def test_the_commands_say_what_is_wrong(server, tmp_path):
    backup = tmp_path / "store.backup"
    said = server.run("admin", "backup", "-o", backup)
    assert said.startswith("backed up: ") and "sha256 " in said
    taken = server.try_run("admin", "backup", "-o", backup)
    assert taken.returncode == 1 and "is there already" in taken.stderr
    verified = server.run("admin", "restore", "--verify", backup)
    assert verified.split(": ", 1)[1] == said.split(": ", 1)[1]

    elsewhere = Server(tmp_path / "elsewhere", passphrase=b"another horse\n")
    refused = elsewhere.try_run("admin", "restore", backup)
    assert refused.returncode == 3 and "passphrase does not open" in refused.stderr
    assert not elsewhere.data.exists()

    running = server.try_run("admin", "restore", backup)
    assert running.returncode == 3 and "in use" in running.stderr

    content = backup.read_bytes()
    place = random.randrange(1000, len(content))
    bent = bytearray(content)
    bent[place] ^= 1
    for file, told in [
        (bytes(bent), "is not what was written there"),
        (content[:-9], "is not what was written there"),
        (content[: len(content) // 2 // 65552 * 65552], ""),
        (b"SQLite format 3\0" + content, "it is no backup of a store"),
        (content.replace(b"backup 1\n", b"backup 9\n", 1), "it has format 9, this program reads format 1"),
    ]:
        path = tmp_path / "wrong.backup"
        path.write_bytes(file)
        target = Server(tmp_path / f"target-{place}-{len(file)}-{told[:9]}")
        refused = target.try_run("admin", "restore", path)
        assert refused.returncode in (1, 3) and told in refused.stderr, refused.stderr
        assert not (target.data / "strongroom.db").exists() and not (target.data / "root.key").exists()


def test_a_store_is_replaced_only_with_consent(server, tmp_path):
    own = Server(tmp_path / "own").init().start().furnish()
    old = own.new_secret("old", b"old")
    backup = tmp_path / "store.backup"
    own.run("admin", "backup", "-o", backup)
    newer = own.new_secret("newer", b"newer")
    assert own.end() == 0
    refused = own.try_run("admin", "restore", backup)
    assert refused.returncode == 1 and "the store is not empty" in refused.stderr, refused.stderr
    assert "--accept-rollback" in refused.stderr
    own.start()
    assert own.content(newer.id) == b"newer"
    assert own.end() == 0
    foreign = tmp_path / "foreign.backup"
    server.run("admin", "backup", "-o", foreign)
    refused = own.try_run("admin", "restore", "--accept-rollback", foreign)
    assert refused.returncode == 3 and "another root key" in refused.stderr
    own.run("admin", "restore", "--accept-rollback", backup)
    own.start()
    assert own.content(old.id) == b"old"
    with pytest.raises(oci.exceptions.ServiceError) as gone:
        own.content(newer.id)
    assert gone.value.status == 404
    assert own.end() == 0


def test_a_restore_that_is_killed_goes_on(server, tmp_path):
    """kill -9 at random moments: no server takes the store for whole, and in the end it is."""
    server.new_secret("restored", b"content")
    backup = tmp_path / "store.backup"
    server.run("admin", "backup", "-o", backup)
    whole = Server(tmp_path / "whole")
    began = time.monotonic()
    whole.run("admin", "restore", backup)
    took = time.monotonic() - began
    killed = refused = 0
    targets = [Server(tmp_path / "target-0", address="127.0.0.2").like(server)]
    while killed < KILLS and len(targets) < 3 * KILLS:
        target = targets[-1]
        restore = subprocess.Popen(
            [str(BINARY), "admin", "restore", "--config", str(target.config), str(backup)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.1, 1) * took)
        restore.send_signal(signal.SIGKILL)
        code = restore.wait()
        if code != -signal.SIGKILL:
            # It was faster, or there was nothing to do: an earlier one was killed behind its last commit.
            took = 0.9 * took if code == 0 else took
            targets.append(Server(tmp_path / f"target-{len(targets)}", address="127.0.0.2").like(server))
            continue
        killed += 1
        if (target.data / "strongroom.db").exists() and refused < 3:
            refusal = target.try_start()
            if refusal is None:
                # It was killed behind the last commit.
                assert target.end() == 0
                continue
            code, said = refusal
            assert code == 3, said
            refused += "not whole" in said
    assert killed == KILLS
    target = targets[-1]
    again = target.try_run("admin", "restore", backup)
    # It may have been killed behind the last commit.
    assert again.returncode == 0 or "not empty" in again.stderr, again.stderr
    target.start()
    assert target.client(oci.vault.VaultsClient).list_secrets(server.admin["tenancy"]).data
    assert target.end() == 0
    rows = [json.loads(one.run("admin", "backup", "-o", tmp_path / f"{number}.backup", "--json"))["rows"]
               for number, one in enumerate((whole, target))]
    assert rows[1] >= rows[0] >= 1
