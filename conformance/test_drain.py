"""Readiness, and a restart of every node, one after the other, that no client notices."""

import http.client
import itertools
import signal
import socket
import subprocess
import threading
import time

import oci
import pytest
from oci.secrets import SecretsClient
from oci.vault import VaultsClient
from oci.vault import models as m

from test_nodes import House
from vault import BINARY, content_in, content_of

THREADS = 8
DRAIN_SECS = 3


def asked(node, path, method="GET"):
    """Status and body of an unsigned request, and whether the connection stays."""
    host, port = node.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.getheader("connection") != "close"
    finally:
        connection.close()


def readiness(node):
    try:
        return asked(node, "/readyz")
    except OSError:
        return None


class Balancer:
    """Passes connections on to nodes that say that they are ready, in turn. It asks twice a second."""

    def __init__(self, nodes):
        self.nodes, self.ready, self.turn = nodes, [], itertools.count()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.passed = dict.fromkeys(range(len(nodes)), 0)
        self.look()
        for work in (self.keep_looking, self.accept):
            threading.Thread(target=work, daemon=True).start()

    def look(self):
        answers = [readiness(node) for node in self.nodes]
        self.ready = [index for index, answer in enumerate(answers) if answer and answer[0] == 200]

    def keep_looking(self):
        while True:
            time.sleep(0.5)
            self.look()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            ready = self.ready
            index = ready[next(self.turn) % len(ready)]
            host, port = self.nodes[index].url.removeprefix("http://").split(":")
            server = socket.create_connection((host, int(port)))
            self.passed[index] += 1
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self.carry, args=[one, other], daemon=True).start()

    @staticmethod
    def carry(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            one.close()
            other.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = House(tmp_path_factory.mktemp("drain"), 2, (f"drain_secs = {DRAIN_SECS}", "")).furnish()
    yield made
    assert [node.end() for node in made.nodes] == [0, 0]
    made.database.stop()


def test_probes_need_no_signature_and_tell_nothing_else(house):
    version = subprocess.run([str(BINARY), "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    node = house.nodes[0]
    assert asked(node, "/healthz") == (200, "ok\n", True)
    assert asked(node, "/readyz") == (200, "ready\n", True)
    assert asked(node, "/version") == (200, version + "\n", True)
    assert asked(node, "/readyz", "HEAD")[:2] == (200, "")
    assert asked(node, "/readyz", "POST")[0] == 405
    assert asked(node, "/metrics")[0] == 401
    # At a vault's own endpoint too.
    assert asked(type("Door", (), {"url": house.vault.management_endpoint}), "/readyz")[0] == 200


def test_a_vault_of_one_node_is_served_by_the_other_without_a_restart(house):
    host, port = house.vault.management_endpoint.removeprefix("http://").split(":")
    end = time.monotonic() + 10
    while True:
        try:
            assert asked(type("Door", (), {"url": f"http://127.0.0.2:{port}"}), "/healthz")[0] == 200
            break
        except ConnectionRefusedError:
            assert host == "127.0.0.1" and time.monotonic() < end
            time.sleep(0.1)


def test_a_node_without_its_database_is_not_ready_but_lives(house):
    house.database.run("pg_ctl", "-D", house.database.data, "-w", "-m", "immediate", "stop")
    try:
        assert readiness(house.nodes[0])[:2] == (503, "store\n")
        assert asked(house.nodes[0], "/healthz")[0] == 200
    finally:
        house.database.start()
    end = time.monotonic() + 10
    while readiness(house.nodes[0])[0] != 200:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_node_that_starts_says_so(house):
    """The database is paused, so that the node waits for it."""
    node = house.nodes[1]
    assert node.end() == 0
    postmaster = int((house.database.data / "postmaster.pid").read_text().split()[0])
    subprocess.run(["kill", "-STOP", str(postmaster)], check=True)
    starter = threading.Thread(target=node.start)
    try:
        starter.start()
        end = time.monotonic() + 9
        while (answer := readiness(node)) is None:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert answer[:2] == (503, "starting\n")
        assert asked(node, "/healthz")[0] == 200
        status, body, stays = asked(node, "/20180608/secrets")
        assert (status, stays) == (503, False) and '"ServiceUnavailable"' in body
    finally:
        subprocess.run(["kill", "-CONT", str(postmaster)], check=True)
    starter.join()
    assert readiness(node)[:2] == (200, "ready\n")


def test_who_asks_for_readiness_is_waited_for_and_who_does_not_is_not(house):
    node = house.nodes[1]
    assert readiness(node)[0] == 200
    began = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    until = began + DRAIN_SECS - 0.5
    while (answer := readiness(node))[0] == 200:
        assert time.monotonic() < until
    assert answer == (503, "draining\n", False)
    while time.monotonic() < until:
        assert readiness(node) == (503, "draining\n", False)
        assert asked(node, "/20180608/secrets")[0] == 401
        time.sleep(0.1)
    assert node.process.wait(timeout=20) == 0
    assert time.monotonic() - began >= DRAIN_SECS
    node.start()
    began = time.monotonic()
    assert node.end() == 0 and time.monotonic() - began < DRAIN_SECS - 0.5
    node.start()


class Client(threading.Thread):
    """Writes and reads a secret of its own, and remembers everything that went wrong."""

    def __init__(self, house, url, number):
        super().__init__()
        self.done, self.failures, self.requests = threading.Event(), [], 0
        self.secret = house.new_secret(0, f"rolling-{number}", b"0")
        self.vaults = house.client(VaultsClient, 0, url)
        self.bundles = house.client(SecretsClient, 0, url)

    def run(self):
        number = 0
        while not self.done.is_set():
            number += 1
            content = str(number).encode()
            try:
                details = m.UpdateSecretDetails(secret_content=content_of(content))
                self.vaults.update_secret(self.secret.id, details)
                for _ in range(3):
                    assert content_in(self.bundles.get_secret_bundle(self.secret.id).data) == content
                self.requests += 4
            except Exception as error:  # whatever it is, it counts
                self.failures.append(repr(error))
                return


def test_a_rolling_restart_fails_no_request(house):
    """8 clients of the SDK read and write through a balancer while both nodes are restarted, twice."""
    for node in house.nodes:
        assert readiness(node)[0] == 200
    balancer = Balancer(house.nodes)
    clients = [Client(house, balancer.url, number) for number in range(THREADS)]
    for client in clients:
        client.start()
    try:
        for node in house.nodes * 2:
            time.sleep(1)
            before = sum(client.requests for client in clients)
            assert node.end() == 0
            node.start()
            end = time.monotonic() + 10
            while len(balancer.ready) < 2:
                assert time.monotonic() < end
                time.sleep(0.05)
            assert sum(client.requests for client in clients) > before, "nobody asked meanwhile"
    finally:
        for client in clients:
            client.done.set()
        for client in clients:
            client.join()
    failures = [failure for client in clients for failure in client.failures]
    print(f"{sum(client.requests for client in clients)} requests, {len(failures)} failed; connections: {balancer.passed}")
    assert failures == [] and all(balancer.passed.values())
