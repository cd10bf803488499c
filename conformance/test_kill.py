"""SIGKILL while writing, again and again: nothing that was acknowledged is lost."""

import base64
import http.client
import json
import os
import random
import signal
import sqlite3
import statistics
import threading
import time

from wire import Wire

RUNS = int(os.environ.get("STRONGROOM_KILL_RUNS", "200"))
WRITERS = 4
RESTART_SECS_MAX = 2.0
SAMPLE = 2000


class Writer(threading.Thread):
    """Writes on one connection until the server is gone, and notes what was acknowledged.

    It ends by a connection that is lost to the kill: anything else is its `fault`."""

    def __init__(self, vault, run, number, killing):
        super().__init__()
        self.vault, self.run_number, self.number, self.killing = vault, run, number, killing
        self.acknowledged, self.in_flight, self.fault = [], False, None

    def run(self):
        wire = Wire(self.vault)
        connection = http.client.HTTPConnection(wire.host, wire.port, timeout=10)
        try:
            self.write(wire, connection)
            self.fault = "nobody stopped it"
        except (ConnectionError, http.client.HTTPException) as lost:
            if not self.killing.is_set():
                self.fault = lost
        except Exception as fault:
            self.fault = fault
        finally:
            connection.close()

    def send(self, wire, connection, method, target, body):
        body = json.dumps(body).encode()
        connection.request(method, target, body, dict(wire.signed(method, target, body)))
        self.in_flight = not self.killing.is_set()
        answer = connection.getresponse()
        data = json.loads(answer.read())
        assert answer.status == 200, data
        self.in_flight = False
        return data

    def write(self, wire, connection):
        dev = self.vault.dev
        value = f"{self.run_number}/{self.number}/1"
        made = self.send(wire, connection, "POST", "/20180608/secrets", {
            "compartmentId": dev["compartment_id"], "vaultId": dev["vault_id"], "keyId": dev["key_id"],
            "secretName": f"kill-{self.run_number}-{self.number}", "secretContent": content(value)})
        self.acknowledged.append((made["id"], 1, value))
        for number in range(2, 1000):
            value = f"{self.run_number}/{self.number}/{number}"
            target = f"/20180608/secrets/{made['id']}"
            updated = self.send(wire, connection, "PUT", target, {"secretContent": content(value)})
            assert updated["currentVersionNumber"] == number
            self.acknowledged.append((made["id"], number, value))


def content(value):
    return {"contentType": "BASE64", "content": base64.b64encode(value.encode()).decode()}


def check(vault, acknowledged, read=None):
    """Reads acknowledged versions back, all or those that are given, and lists those of every secret."""
    wire = Wire(vault)
    connection = http.client.HTTPConnection(wire.host, wire.port, timeout=10)
    latest = {}
    for secret_id, number, _ in acknowledged:
        latest[secret_id] = max(latest.get(secret_id, 0), number)
    for secret_id, number, value in acknowledged if read is None else read:
        bundle = get(wire, connection, f"/20190301/secretbundles/{secret_id}?versionNumber={number}")
        assert base64.b64decode(bundle["secretBundleContent"]["content"]).decode() == value
    for secret_id, number in latest.items():
        versions = get(wire, connection, f"/20180608/secrets/{secret_id}/versions?limit=1000")
        numbers = [version["versionNumber"] for version in versions]
        assert numbers == list(range(len(numbers), 0, -1)), "a gap in the version numbers"
        assert number <= numbers[0] <= number + 1, "more than the one unacknowledged write"
        assert versions[0]["stages"] == ["CURRENT", "LATEST"]
    connection.close()


def get(wire, connection, target):
    connection.request("GET", target, headers=dict(wire.signed("GET", target)))
    answer = connection.getresponse()
    data = json.loads(answer.read())
    assert answer.status == 200, data
    return data


def test_nothing_acknowledged_is_lost_to_sigkill(own_vault):
    seed = int(os.environ.get("STRONGROOM_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    starts, everything, amid_writes = [own_vault.start()], [], 0
    for run in range(RUNS):
        killing = threading.Event()
        writers = [Writer(own_vault, run, number, killing) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(chance.uniform(0.02, 0.25))
        killing.set()
        own_vault.end(signal.SIGKILL)
        for writer in writers:
            writer.join()
        assert [writer.fault for writer in writers if writer.fault] == []
        amid_writes += any(writer.in_flight for writer in writers)
        acknowledged = [entry for writer in writers for entry in writer.acknowledged]
        starts.append(own_vault.start())
        check(own_vault, acknowledged)
        everything += acknowledged
    assert own_vault.end() == 0
    database = sqlite3.connect(f"file:{own_vault.directory / 'strongroom.db'}?mode=ro", uri=True)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    own_vault.start()
    # All were read after the kill that followed them.
    check(own_vault, everything, chance.sample(everything, min(len(everything), SAMPLE)))
    usual = statistics.median(starts)
    updates = sum(number > 1 for _, number, _ in everything)
    print(f"{RUNS} kills, {amid_writes} amid writes, {len(everything)} acknowledged writes ({updates} updates), "
          f"starts {usual:.2f} s, the slowest {max(starts):.2f} s")
    assert amid_writes > RUNS / 2 and updates > RUNS
    # The slowest tells of the machine: something else may have had it for a second.
    assert usual < RESTART_SECS_MAX
