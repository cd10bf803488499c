"""The ledger with the real program: checkpoints, rollback, edits while it runs, exports."""

import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import time

import pytest

from vault import BINARY, Vault

(FAKETIME,) = pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")


def strongroom(*arguments):
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


class Server:
    """`serve` over plain HTTP, with two checkpoint files."""

    def __init__(self, directory):
        self.directory = directory
        self.config = directory / "strongroom.toml"
        self.checkpoints = [directory / "mount" / "checkpoint", directory / "checkpoint"]
        (directory / "mount").mkdir()
        with os.fdopen(os.open(directory / "passphrase", os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write("correct horse\n")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.config.write_text(
            f"data_dir = '{directory}/data'\nlisten = '127.0.0.1:{self.port}'\n"
            f"checkpoint_files = {[str(path) for path in self.checkpoints]}\n"
            f"[unseal]\npassphrase_file = '{directory}/passphrase'\n")
        made = strongroom("init", "--config", self.config)
        assert made.returncode == 0, made.stderr

    def start(self, *arguments, days_ago=0):
        self.log = self.directory / "log"
        old = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"-{days_ago}d", "DONT_FAKE_MONOTONIC": "1"}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", "--config", str(self.config), *arguments], stderr=log,
                env={**os.environ, **(old if days_ago else {})})
        began = time.monotonic()
        while b'"ready"' not in self.log.read_bytes():
            if self.process.poll() is not None:
                return self.process.returncode, self.log.read_text()
            assert time.monotonic() - began < 20, self.log.read_text()
            time.sleep(0.02)
        return None, self.log.read_text()

    def ask(self):
        """A request without a signature: refused, and recorded."""
        with socket.create_connection(("127.0.0.1", self.port)) as stream:
            stream.sendall(b"GET /20160918/users HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return int(stream.makefile("rb").readline().split()[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=20) == 0, self.log.read_text()

    @property
    def database(self):
        return self.directory / "data" / "strongroom.db"

    def verify(self, *arguments):
        return strongroom("audit", "verify", "--config", self.config, *arguments)


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    if hasattr(made, "process"):
        made.process.kill()


def entries_of(path):
    return int(path.read_text().splitlines()[1])


def test_checkpoints_follow_and_a_database_that_is_older_is_refused(server, tmp_path):
    assert server.start()[0] is None
    assert server.ask() == 401
    began = time.monotonic()
    while not all(path.exists() and entries_of(path) >= 2 for path in server.checkpoints):
        assert time.monotonic() - began < 10
        time.sleep(0.05)
    assert {stat.S_IMODE(path.stat().st_mode) for path in server.checkpoints} == {0o600}
    server.stop()
    older = tmp_path / "older.db"
    connection = sqlite3.connect(server.database)
    connection.execute("VACUUM INTO ?", (str(older),))
    connection.close()
    verified = server.verify("--json")
    assert verified.returncode == 0, verified.stderr
    told = json.loads(verified.stdout)
    assert told["entries"] == 2 and told["auditRows"] == 1 and len(told["checkpoints"]) == 2
    assert server.start()[0] is None
    assert [server.ask() for _ in range(3)] == [401] * 3
    server.stop()
    assert entries_of(server.checkpoints[0]) == json.loads(server.verify("--json").stdout)["entries"] > 2
    kept = server.checkpoints[0].read_bytes()
    for beside in server.database.parent.glob("strongroom.db-*"):
        beside.unlink()
    shutil.copy(older, server.database)
    code, log = server.start()
    assert code == 1 and "error[store-rolled-back]" in log and "--accept-rollback" in log
    found = server.verify()
    assert found.returncode == 5 and "is missing" in found.stderr
    assert server.start("--accept-rollback")[0] is None
    time.sleep(2)
    server.stop()
    assert server.verify().returncode == 0
    exported = strongroom("audit", "export", "--config", server.config)
    assert "ACCEPT-ROLLBACK" in exported.stdout
    # A checkpoint that was kept elsewhere still tells.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(kept)
    assert server.verify("--checkpoint", elsewhere).returncode == 5
    elsewhere.write_bytes(kept.replace(b"chain 0", b"chain 1", 1))
    bent = server.verify("--checkpoint", elsewhere)
    assert bent.returncode == 5 and "signature" in bent.stderr


def test_kill_and_checkpoint_agree(server):
    """What the process left to the operating system is no rollback."""
    for _ in range(3):
        assert server.start()[0] is None, server.log.read_text()
        for _ in range(20):
            server.ask()
        server.process.kill()
        server.process.wait()
    assert server.start()[0] is None, server.log.read_text()
    server.stop()
    assert server.verify().returncode == 0


def test_an_export_is_checked_with_the_public_key_alone(server, tmp_path):
    assert server.start()[0] is None
    for _ in range(5):
        server.ask()
    server.stop()
    key = strongroom("audit", "public-key", "--config", server.config).stdout.strip()
    export = tmp_path / "export"
    assert strongroom("audit", "export", "--config", server.config, "-o", export).returncode == 0
    assert stat.S_IMODE(export.stat().st_mode) == 0o600
    lines = export.read_text().splitlines(keepends=True)
    events = [event for line in map(json.loads, lines) for event in line.get("events", [])]
    assert len(events) == 5 and {event["data"]["response"]["status"] for event in events} == {"401"}

    def check(content, with_key=key):
        export.write_text("".join(content))
        return strongroom("audit", "verify", "--export", export, "--public-key", with_key)

    whole = check(lines)
    assert whole.returncode == 0 and whole.stdout.startswith("5 events in"), whole.stdout + whole.stderr
    assert "They are all that was entered before 20" in whole.stdout
    spaced = check(lines[:-1] + [json.dumps(json.loads(lines[-1])) + "\n"])
    assert spaced.returncode == 5 and "it is not as it was written" in spaced.stderr
    line_of = lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"
    assert [line_of(json.loads(line)) for line in lines] == lines
    kept = line_of({"checkpoint": server.checkpoints[0].read_text()})
    refused = check(lines[:-1] + [kept])
    assert refused.returncode == 5 and "one that a server keeps" in refused.stderr
    for place in range(len(lines)):
        assert check(lines[:place] + lines[place + 1:]).returncode == 5, f"line {place} left out"
    chains = [json.loads(line).get("chain") for line in lines]
    after_each_other = [place for place in range(1, len(lines) - 2) if chains[place] == chains[place + 1]]
    assert after_each_other
    for place in after_each_other:
        assert check(lines[:place] + [lines[place + 1], lines[place]] + lines[place + 2:]).returncode == 5
    at = next(place for place, line in enumerate(lines) if '"events":[{' in line)
    line = json.loads(lines[at])
    line["events"][0]["data"]["identity"]["ipAddress"] = "192.0.2.1"
    refused = check(lines[:at] + [line_of(line)] + lines[at + 1:])
    assert refused.returncode == 5 and "the events are not those of the audit rows" in refused.stderr
    assert check(lines, "A" * 43 + "=").returncode == 5
    assert check(lines, "short").returncode == 2


def edit(database, statement):
    connection = sqlite3.connect(database)
    with connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


@pytest.mark.parametrize("statement", [
    "UPDATE kv SET v = (SELECT v FROM kv o WHERE CAST(o.k AS TEXT) LIKE 's/%' AND o.k != kv.k)"
    " WHERE k = (SELECT min(k) FROM kv WHERE CAST(k AS TEXT) LIKE 's/%')",
    "DELETE FROM kv WHERE CAST(k AS TEXT) LIKE 'p/%'",
    "DELETE FROM kv WHERE k = (SELECT max(k) FROM kv WHERE CAST(k AS TEXT) LIKE 'audit/%')",
    "DELETE FROM kv WHERE k = (SELECT max(k) FROM kv WHERE CAST(k AS TEXT) LIKE 'l/%')",
])
def test_an_edit_ends_the_start_and_is_told(tmp_path, statement):
    vault = Vault(tmp_path / "data")
    vault.start()
    put = strongroom("generate", "--bytes", "512", "--data-dir", vault.directory, "secret://dev/other")
    assert put.returncode == 0, put.stderr
    assert strongroom("get", "--data-dir", vault.directory, "secret://dev/sample").returncode == 0
    vault.end()
    assert strongroom("audit", "verify", "--data-dir", vault.directory).returncode == 0
    edit(vault.directory / "strongroom.db", statement)
    told = strongroom("audit", "verify", "--data-dir", vault.directory)
    assert told.returncode == 5 and "error[ledger-broken]" in told.stderr
    with pytest.raises(AssertionError, match="store-unusable"):
        vault.start()


def test_an_edit_under_a_server_is_not_read(tmp_path):
    vault = Vault(tmp_path / "data")
    vault.start()
    database = vault.directory / "strongroom.db"
    changed = subprocess.run(
        [str(BINARY), "put", "--data-dir", vault.directory, "secret://dev/sample"], input="second", text=True,
        capture_output=True, timeout=60, check=False)
    assert changed.returncode == 0, changed.stderr
    # The first version's content in the second's place, before anybody reads it.
    versions = "CAST(k AS TEXT) LIKE 'sv/%'"
    edit(database, f"UPDATE kv SET (ver, mac, v) = (SELECT ver, mac, v FROM kv WHERE {versions} ORDER BY k LIMIT 1)"
                   f" WHERE k = (SELECT max(k) FROM kv WHERE {versions})")
    refused = strongroom("get", "--data-dir", vault.directory, "secret://dev/sample")
    assert refused.returncode != 0 and refused.stdout == "", refused
    vault.end()
    assert "a row of kind `sv` is not as it was written" in strongroom(
        "audit", "verify", "--data-dir", vault.directory).stderr


def test_records_go_when_they_were_kept_long_enough_and_the_rest_is_still_proved(server, tmp_path):
    """What 60 requests a hundred days ago left goes at the next start that is told so; not before."""
    def keys(kind):
        with sqlite3.connect(server.database) as database:
            found = database.execute("SELECT CAST(k AS TEXT) FROM kv WHERE CAST(k AS TEXT) GLOB ?", (f"{kind}/*",))
            return [key for key, in found]

    then = int((time.time() - 90 * 86_400) * 1e6)
    record, chain = f"audit/{then:020}", f"l/{then:016x}"
    for _ in range(2):
        server.start(days_ago=100)
        assert [server.ask() for _ in range(30)] == [401] * 30
        server.stop()
    old = server.checkpoints[1].read_bytes()
    server.config.write_text("audit_retention_days = 90\n" + server.config.read_text())
    # The clock that is a hundred days further than when it was seen last may be the one that is wrong.
    server.start()
    time.sleep(2)
    server.stop()
    assert "the clock may be wrong" in server.log.read_text()
    assert sum(key < record for key in keys("audit")) == 60 and sum(key < chain for key in keys("l")) >= 60
    server.start()
    assert server.ask() == 401
    until = time.monotonic() + 20
    while sum(key < chain for key in keys("l")) > 2:
        assert time.monotonic() < until, server.log.read_text()
        time.sleep(0.1)
    server.stop()
    assert min(keys("audit")) > record
    done = server.verify()
    assert done.returncode == 0, done.stderr
    # A checkpoint of then names entries that another stands for now.
    (tmp_path / "then").write_bytes(old)
    done = server.verify("--checkpoint", tmp_path / "then")
    assert done.returncode == 0, done.stderr
    key = strongroom("audit", "public-key", "--config", server.config).stdout.strip()
    done = strongroom("audit", "export", "--config", server.config, "-o", tmp_path / "log.jsonl")
    assert done.returncode == 0, done.stderr
    export = ("audit", "verify", "--public-key", key, "--export")
    done = strongroom(*export, tmp_path / "log.jsonl")
    assert done.returncode == 0, done.stderr
    # Whoever takes away what is left of then is noticed.
    lines = (tmp_path / "log.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_text("".join(lines[:1] + lines[2:]))
    assert strongroom(*export, tmp_path / "cut.jsonl").returncode == 5
    with sqlite3.connect(server.database) as database:
        database.execute("DELETE FROM kv WHERE k = (SELECT min(k) FROM kv WHERE CAST(k AS TEXT) GLOB 'l/*')")
    done = server.verify()
    assert done.returncode == 5, done.stderr


@pytest.mark.parametrize("days", ["0", "89", "3651", "-1", "'90'"])
def test_the_audit_log_is_kept_for_a_time_that_makes_sense(server, days):
    server.config.write_text(f"audit_retention_days = {days}\n" + server.config.read_text())
    code, log = server.start()
    assert code == 3 and "audit_retention_days" in log, log
