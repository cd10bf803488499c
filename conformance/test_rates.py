"""Limits of requests add up over three nodes, within the bound that docs/configuration.md gives."""

import re
import signal
import socket
import threading
import time

import oci
import pytest
from oci.exceptions import ServiceError
from oci.secrets import SecretsClient

from test_nodes import House
from vault import Vault, content_in

LIMIT, ADDRESS_LIMIT, SECS = 45, 100, 8


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = House(tmp_path_factory.mktemp("rates"), 3, ("", f"[rates]\ncontents = {LIMIT}\naddress = {ADDRESS_LIMIT}\n")).furnish()
    made.secret = made.new_secret(0, "limited", b"x")
    yield made
    assert [node.end() for node in made.nodes if node.process.poll() is None] == [0, 0]
    made.database.stop()


class Asker(threading.Thread):
    """Reads a secret from one node as often as it can."""

    def __init__(self, house, node, until):
        super().__init__()
        self.client, self.secret, self.until = house.client(SecretsClient, node), house.secret.id, until
        self.allowed, self.refused = [], []

    def run(self):
        while time.monotonic() < self.until:
            try:
                assert content_in(self.client.get_secret_bundle(self.secret).data) == b"x"
                self.allowed.append(time.monotonic())
            except ServiceError as refused:
                assert (refused.status, refused.code) == (429, "TooManyRequests"), refused
                self.refused.append(int(refused.headers["retry-after"]))
                time.sleep(0.05)


def asked(house, nodes, secs=SECS):
    """Asks all nodes at once, two threads each; returns when what was allowed came, and what was refused said."""
    until = time.monotonic() + secs
    askers = [Asker(house, node, until) for node in nodes for _ in range(2)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    return sorted(at for asker in askers for at in asker.allowed), [secs for asker in askers for secs in asker.refused]


def check_bound(times, nodes):
    """In every window of T seconds at most L·T + max(L, N)."""
    for begin in range(len(times)):
        for end in range(begin, len(times)):
            window = times[end] - times[begin]
            assert end - begin + 1 <= LIMIT * window + max(LIMIT, nodes) + 1, (begin, end, window)


def test_three_nodes_together_allow_what_one_limit_allows(house):
    time.sleep(4)  # until each has counted the others
    times, refused = asked(house, range(3))
    print(f"{len(times)} allowed and {len(refused)} refused in {SECS} s with a limit of {LIMIT} a second over three nodes")
    check_bound(times, 3)
    assert len(times) >= 0.8 * LIMIT * SECS
    assert refused and set(refused) == {1}


def test_one_node_alone_has_its_share(house):
    time.sleep(1.5)
    times, _ = asked(house, [1], 4)
    assert 0.8 * LIMIT / 3 * 4 <= len(times) <= LIMIT / 3 * (4 + 1) + 1


def test_other_requests_are_not_limited(house):
    vaults = house.client(oci.vault.VaultsClient, 0)
    for _ in range(LIMIT * 2):
        vaults.get_secret(house.secret.id)


def test_an_address_that_floods_is_refused_before_its_signature_is_looked_at(house):
    port = int(house.nodes[2].url.rpartition(":")[2])
    request = b"GET /20180608/secrets HTTP/1.1\r\nhost: x\r\nauthorization: nonsense\r\n\r\n"

    def flood(address, count, seen):
        with socket.create_connection(("127.0.0.3", port), source_address=(address, 0)) as stream:
            threading.Thread(target=stream.sendall, args=[request * count], daemon=True).start()
            received = b""
            while count:
                received += stream.recv(65536)
                *whole, received = received.split(b'"}')
                count -= len(whole)
                seen += [int(re.search(rb"HTTP/1.1 (\d+)", answer).group(1)) for answer in whole]
                assert all(b"retry-after: 1" in answer for answer in whole if b" 429 " in answer)

    began = time.monotonic()
    seen, others = [], []
    floods = [threading.Thread(target=flood, args=["127.0.0.9", ADDRESS_LIMIT, seen]) for _ in range(8)]
    for one in floods:
        one.start()
    flood("127.0.0.8", 3, others)
    for one in floods:
        one.join()
    allowed, secs = seen.count(401), time.monotonic() - began
    print(f"{allowed} of {len(seen)} requests of one address were looked at in {secs:.1f} s")
    assert set(seen) == {401, 429} and allowed <= ADDRESS_LIMIT * (1 + secs) + 1
    assert len(seen) == 8 * ADDRESS_LIMIT and others == [401] * 3


def test_when_a_node_dies_the_others_have_its_share(house):
    house.nodes[0].process.send_signal(signal.SIGKILL)
    house.nodes[0].process.wait()
    time.sleep(20)
    times, _ = asked(house, [1, 2])
    print(f"{len(times)} allowed in {SECS} s by the two that are left")
    check_bound(times, 2)
    assert len(times) >= 0.8 * LIMIT * SECS


def test_a_development_server_can_have_oracles_limits(tmp_path):
    server = Vault(tmp_path / "data", "--listen", "127.0.0.1:0", "--rates", "oracle")
    server.start()
    vaults = server.client(oci.key_management.KmsVaultClient)
    seen = []
    for _ in range(40):
        try:
            seen.append(vaults.list_vaults(server.dev["compartment_id"]).status)
        except ServiceError as refused:
            seen.append(refused.status)
    assert seen[:5] == [200] * 5 and seen.count(429) >= 5
    assert server.end() == 0
