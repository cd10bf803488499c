"""Three servers at one PostgreSQL database: what falls due is done once, whoever is held up."""

import collections
import datetime
import http.server
import json
import pathlib
import signal
import threading
import time

import oci
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from oci._vendor import requests
from oci.vault import VaultsClient
from oci.vault import models as m

from postgres import PASSWORD
from test_nodes import House
from test_serve import private
from vault import content_of

TARGET = "ocid1.fnfunc.oc1.iad.counted"
SECRETS = 100
STEPS = ["VERIFY_CONNECTION", "CREATE_PENDING_VERSION", "UPDATE_TARGET_SYSTEM", "PROMOTE_PENDING_VERSION"]
AT_ONCE = 16
(FAKETIME,) = pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")


class Target(http.server.ThreadingHTTPServer):
    """A rotation function that counts how often it was asked for what; it does nothing twice."""

    daemon_threads = True
    # What waits to be accepted does not wait for its SYN to be sent again.
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.lock, self.vaults = collections.Counter(), threading.Lock(), None
        self.making = threading.Lock()

    def pending(self, secret_id, current):
        """The pending version that follows the current one, made if there is none; none if another is current."""
        def numbers(stage):
            versions = self.vaults.list_secret_versions(secret_id).data
            return [version.version_number for version in versions if stage in version.stages]

        # The node that was stopped and its successor may ask at the same time, or the former when all is done.
        with self.making:
            if numbers("CURRENT") != [current]:
                return None
            if not numbers("PENDING"):
                made = content_of(b"made by the function", stage="PENDING")
                self.vaults.update_secret(secret_id, m.UpdateSecretDetails(secret_content=made))
            return numbers("PENDING")[0]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        step, secret, number = asked["step"], asked["secretId"], asked["versionNo"]
        with self.server.lock:
            self.server.asked[secret, step, number] += 1
        if step == "CREATE_PENDING_VERSION":
            number = self.server.pending(secret, number)
        said = {"responseCode": 200, "returnMessage": "ok"} if number else {"responseCode": 409, "returnMessage": "too late"}
        body = json.dumps({"versionNo": number, **said}).encode()
        self.send_response(200)
        self.send_header("content-length", len(body))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def target():
    server = Target()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def house(target, tmp_path_factory):
    directory = tmp_path_factory.mktemp("duty")
    pem = directory / "function.pem"
    private(pem, rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    function = f"""[[target]]
id = "{TARGET}"
function = {{ url = "http://127.0.0.1:{target.server_port}/", allow = ["127.0.0.1"], key_id = "strongroom", key_file = "{pem}" }}
"""
    made = House(directory, 3, ("", function)).furnish()
    yield made
    for node in made.nodes:
        node.process.send_signal(signal.SIGCONT)
    assert [node.end() for node in made.nodes] == [0, 0, 0]
    made.database.stop()


def on_duty(house, within_secs=40):
    """The index of the node that took the duty last."""
    end = time.monotonic() + within_secs
    while time.monotonic() < end:
        taken = {}
        for index, node in enumerate(house.nodes):
            for line in node.log.read_text().splitlines():
                fields = json.loads(line)["fields"]
                if fields["message"] == "on duty for what falls due":
                    taken[fields["epoch"]] = index
        if taken:
            return max(taken), taken[max(taken)]
        time.sleep(0.1)
    raise AssertionError("nobody is on duty")


def connected(house):
    where = {"host": "127.0.0.1", "port": house.database.port, "dbname": "vault"}
    return psycopg.connect(user="admin", password=PASSWORD, autocommit=True, **where)


def records(house, operation):
    """What the scheduler did, from the audit rows: secret and what is said of it."""
    with connected(house) as db:
        rows = db.execute("SELECT v FROM strongroom.kv WHERE k >= 'audit/' AND k < 'audit0'").fetchall()
    each = [record for (value,) in rows for record in json.loads(bytes(value))["row"]]
    return [
        (record["targetId"], record["reason"])
        for record in each if record["source"] == "schedule" and record["operation"] == operation]


def waits(until, secs, what):
    end = time.monotonic() + secs
    while not until():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def test_rotations_are_done_once_although_a_node_is_held_up(house, target):
    """100 rotations by a function; the node on duty is stopped in the midst of them and goes on later."""
    epoch, stopped = on_duty(house)
    others = [index for index in range(3) if index != stopped]
    target.vaults = house.client(VaultsClient, others[0])
    config = m.RotationConfig(target_system_details=m.FunctionTargetSystemDetails(function_id=TARGET))
    secrets = [
        house.new_secret(others[n % 2], f"rotates-{n}", b"first", rotation_config=config).id for n in range(SECRETS)]
    clients = [house.client(VaultsClient, index) for index in others]
    for number, secret in enumerate(secrets):
        clients[number % 2].rotate_secret(secret)
    waits(lambda: sum(target.asked.values()) >= SECRETS, 60, lambda: target.asked)
    house.nodes[stopped].process.send_signal(signal.SIGSTOP)
    before = time.monotonic()

    def done():
        return collections.Counter(secret for secret, said in records(house, "RotateSecret") if said == f"{STEPS[-1]} done")

    assert len(done()) < SECRETS, "nothing was left to do"
    waits(lambda: len(done()) == SECRETS, 120, lambda: (len(done()), target.asked))
    later, successor = on_duty(house)
    assert later == epoch + 1 and successor in others
    print(f"{SECRETS} rotations done {time.monotonic() - before:.1f} s after the node on duty was stopped")
    house.nodes[stopped].process.send_signal(signal.SIGCONT)
    waits(lambda: "another node took the duty over" in house.nodes[stopped].log.read_text(), 20, house.nodes[stopped].log.read_text)
    time.sleep(3)
    said = collections.Counter(records(house, "RotateSecret"))
    assert said == {(secret, f"{step} done"): 1 for secret in secrets for step in STEPS}
    for secret in secrets:
        versions = clients[0].list_secret_versions(secret).data
        assert sorted(version.version_number for version in versions) == [1, 2]
        assert clients[0].get_secret(secret).data.current_version_number == 2
    # What was under way when the node was stopped is asked again, and only that.
    again = [asked for asked, times in target.asked.items() if times > 1]
    assert set(target.asked.values()) <= {1, 2} and len(again) <= AT_ONCE, again
    assert len(target.asked) == SECRETS * len(STEPS)
    print(f"{len(again)} of {len(target.asked)} calls were repeated by the successor")


def test_a_report_at_another_node_moves_the_rotation_on(house, target):
    """A rotation waits for its last consumer, who reports to a node that is not on duty: it is not waited for the hour."""
    _, index = on_duty(house)
    other = next(number for number in range(3) if number != index)
    vaults, admin = house.client(VaultsClient, other), house.admin
    signer = oci.signer.Signer(
        admin["tenancy"], admin["user"], admin["fingerprint"], None, private_key_content=admin["key_content"])
    target.vaults = vaults
    config = m.RotationConfig(target_system_details=m.FunctionTargetSystemDetails(function_id=TARGET))
    secret = house.new_secret(other, "consumed", b"first", rotation_config=config).id

    def put(path, body):
        url = f"{house.nodes[other].url}/_strongroom/v1/secrets/{secret}/{path}"
        assert requests.put(url, auth=signer, json=body, timeout=30).status_code == 200

    put("retirement", {"deadlineSeconds": 3600})
    put("consumers/web", {"versionNumber": 1, "liveForSeconds": 3600})
    vaults.rotate_secret(secret)
    waits(lambda: vaults.get_secret(secret).data.current_version_number == 2, 30, lambda: vaults.get_secret(secret).data)
    time.sleep(3)
    assert vaults.get_secret(secret).data.rotation_status == "IN_PROGRESS"
    put("consumers/web", {"versionNumber": 2, "liveForSeconds": 3600})
    waits(lambda: vaults.get_secret(secret).data.rotation_status != "IN_PROGRESS", 15, lambda: vaults.get_secret(secret).data)
    assert vaults.get_secret_version(secret, 1).data.stages == ["DEPRECATED"]


def test_deletions_are_done_once_although_a_node_is_held_up(house):
    """100 secrets fall due on the third day; the node on duty is stopped in the midst of their deletions."""
    vaults = house.client(VaultsClient, 0)
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1, minutes=10)
    secrets = {house.new_secret(0, f"deleted-{n}", b"x").id for n in range(SECRETS)}
    for secret in secrets:
        vaults.schedule_secret_deletion(secret, m.ScheduleSecretDeletionDetails(time_of_deletion=at))

    def at_hours(hours, nodes):
        for node in nodes:
            node.start(LD_PRELOAD=str(FAKETIME), FAKETIME=f"+{hours}h", FAKETIME_DONT_FAKE_MONOTONIC="1")

    def deleted():
        return collections.Counter(secret for secret, _ in records(house, "DeleteSecret"))

    def stop_in_the_midst():
        with connected(house) as db:
            while db.execute("SELECT count(*) FROM strongroom.kv WHERE k >= 'due/' AND k < 'due0'").fetchone()[0] > due - 10:
                pass
        house.nodes[0].process.send_signal(signal.SIGSTOP)

    # No longer than a day at once: after a longer absence deletions wait.
    assert [node.end() for node in house.nodes] == [0, 0, 0]
    at_hours(20, house.nodes)
    on_duty(house)
    time.sleep(3)
    assert not deleted()
    assert [node.end() for node in house.nodes] == [0, 0, 0]
    with connected(house) as db:
        due = db.execute("SELECT count(*) FROM strongroom.kv WHERE k >= 'due/' AND k < 'due0'").fetchone()[0]
    assert due == SECRETS
    stopper = threading.Thread(target=stop_in_the_midst)
    stopper.start()
    at_hours(40, house.nodes[:1])
    stopper.join()
    then = len(deleted())
    assert 0 < then < SECRETS
    epoch, _ = on_duty(house)
    at_hours(40, house.nodes[1:])
    waits(lambda: len(deleted()) == SECRETS, 60, lambda: len(deleted()))
    house.nodes[0].process.send_signal(signal.SIGCONT)
    later, successor = on_duty(house)
    assert later == epoch + 1 and successor != 0
    print(f"{then} deletions by the node that was stopped, {SECRETS - then} by its successor")
    time.sleep(3)
    assert deleted() == dict.fromkeys(secrets, 1)
    assert [node.end() for node in house.nodes] == [0, 0, 0]
    for node in house.nodes:
        node.start()
    assert vaults.get_secret(secrets.pop()).data.lifecycle_state == "DELETED"
