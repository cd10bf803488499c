"""The vault goes away behind the agent: how long it answers, what it says then, and how it comes back.

STRONGROOM_OUTAGE_SECS=600 makes the outages as long as in the field."""

import collections
import os
import signal
import socket
import threading
import time

import oci
import pytest

from proxy import Proxy
from test_agent import Agent
from test_identity import new_policy
from test_run import as_app
from vault import Vault

OUTAGE_SECS = int(os.environ.get("STRONGROOM_OUTAGE_SECS", "4"))
TTL_SECS = max(1, OUTAGE_SECS // 20)
TTL_SECS_MAX = TTL_SECS * 1.1
STALE_SECS = OUTAGE_SECS // 2
SLACK_SECS = 0.5
# A second of patience (docs/cache.md).
READ_SECS_MAX = 1 + SLACK_SECS
# The longest pause between two calls (docs/cache.md), and a start of the vault.
RECOVERY_SECS_MAX = 7
KEYS = [f"outage-{number}" for number in range(20)]
READERS = 4
CALLS_MAX = 16
GRANT = ["Allow group app to read secret-family in tenancy", "Allow group app to use keys in tenancy"]

Read = collections.namedtuple("Read", "began ended name status stale content")


class Readers:
    """Threads that read secrets from an agent, over and over."""

    def __init__(self, agent, names=KEYS):
        self.agent, self.names, self.reads, self.done = agent, names, [], threading.Event()
        self.threads = [threading.Thread(target=self.live) for _ in range(READERS)]

    def live(self):
        while not self.done.is_set():
            for name in self.names:
                began = time.monotonic()
                status, content, headers = self.agent.read("secret://dev/" + name)
                self.reads.append(Read(began, time.monotonic(), name, status, "x-strongroom-stale" in headers, content))
                time.sleep(0.01)

    def until(self, status, secs):
        """Waits until the last answer for every secret is this one, inside its TTL, and returns how long it took."""
        began = time.monotonic()
        while time.monotonic() - began < secs:
            last = {read.name: read for read in list(self.reads) if read.began > began}
            if len(last) == len(self.names) and all((read.status, read.stale) == (status, False) for read in last.values()):
                return time.monotonic() - began
            time.sleep(0.01)
        raise AssertionError(f"not {status} within {secs} s, but {collections.Counter(read[3:5] for read in last.values())}")

    def between(self, start, end):
        return [read for read in self.reads if start < read.began < end]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *raised):
        self.done.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def behind(tmp_path):
    """A vault that keeps its port, a proxy in front of it, and an agent that knows the proxy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    vault = Vault(tmp_path / "data", "--listen", f"127.0.0.1:{port}")
    vault.start()
    vault.proxy, vault.agents = Proxy(vault), []
    yield vault
    for process in [vault.process, *(agent.process for agent in vault.agents)]:
        process.kill()
        process.wait()
    vault.proxy.end()


def agent_of(vault, directory, ttl, stale, *flags):
    (directory / "agent").mkdir()
    lifetimes = f'ttl = "{ttl}s"\nstale_if_error = "{stale}s"'
    agent = Agent(vault, directory / "agent", more=lifetimes, flags=["--endpoint", vault.proxy.url, *flags])
    vault.agents.append(agent)
    return agent


def at_once(calls):
    """How many calls were under way at the same time, at most."""
    events = sorted([(call.began, 1) for call in calls] + [(call.ended or time.monotonic(), -1) for call in calls])
    now = most = 0
    for _, step in events:
        now += step
        most = max(most, now)
    return most


def at_once_for_one(calls):
    """The same for the secret for which there were most."""
    return max(at_once([call for call in calls if call.path == path]) for path in {call.path for call in calls} | {""})


def put_all(vault):
    for name in KEYS:
        vault.new_secret(name, name.encode())


def test_an_outage_is_bridged_within_its_bound_and_then_told(behind, tmp_path):
    """A vault that is killed: every read is answered, then none is, and the error says how old the value is."""
    put_all(behind)
    agent = agent_of(behind, tmp_path, TTL_SECS, STALE_SECS)
    with Readers(agent) as readers:
        readers.until(200, 10)
        time.sleep(TTL_SECS)
        cut = time.monotonic()
        behind.end(signal.SIGKILL)
        time.sleep(OUTAGE_SECS)
        over = time.monotonic()
    assert agent.end() == 0
    bound = cut + TTL_SECS_MAX + STALE_SECS
    bridged, lost = readers.between(cut, cut + STALE_SECS), readers.between(bound + SLACK_SECS, over)
    calls = [call for call in behind.proxy.reads() if call.began > cut]
    print(f"{len(bridged)} reads bridged, {len(lost)} told, {len(calls)} calls for {len(KEYS)} secrets in {OUTAGE_SECS} s")
    # How many depends on the machine: a reader that waits its second out reads little in between.
    assert len(bridged) >= READERS and {read.status for read in bridged} == {200}
    assert all(read.content == read.name.encode() for read in bridged)
    assert all(read.stale for read in bridged if read.began > cut + TTL_SECS_MAX + SLACK_SECS)
    assert max(read.ended - read.began for read in bridged) < READ_SECS_MAX
    assert len(lost) >= READERS and {read.status for read in lost} == {502}
    for read in lost:
        assert f"cannot read secret `{read.name}`, and the value of ".encode() in read.content, read
        assert b" s ago is too old" in read.content or b" min ago is too old" in read.content, read
    assert at_once_for_one(calls) == 1 and at_once(calls) <= CALLS_MAX
    assert len(calls) <= len(KEYS) * (8 + OUTAGE_SECS / 2.5), "pauses double to 5 s"


def test_a_vault_that_hangs_holds_nobody_up_and_is_not_overrun_when_it_goes_on(behind, tmp_path):
    put_all(behind)
    agent = agent_of(behind, tmp_path, TTL_SECS, 2 * OUTAGE_SECS)
    with Readers(agent) as readers:
        readers.until(200, 10)
        time.sleep(TTL_SECS)
        cut = time.monotonic()
        behind.process.send_signal(signal.SIGSTOP)
        time.sleep(OUTAGE_SECS)
        back = time.monotonic()
        behind.process.send_signal(signal.SIGCONT)
        took = readers.until(200, RECOVERY_SECS_MAX)
    assert agent.end() == 0
    reads = readers.between(cut, back - READ_SECS_MAX)
    assert reads and {read.status for read in reads} == {200}
    assert max(read.ended - read.began for read in reads) < READ_SECS_MAX
    assert all(read.stale for read in reads if read.began > cut + TTL_SECS_MAX + SLACK_SECS)
    assert_no_stampede(behind.proxy, cut, back, took)


def assert_no_stampede(proxy, cut, back, took):
    """Until everything is fresh again, each secret is asked for once, or twice if the feed tells to look again."""
    calls = [call for call in proxy.reads() if call.began > cut]
    again = [call for call in calls if back < call.began < back + took]
    print(f"fresh {took:.1f} s after the vault was back: {len(again)} calls for {len(KEYS)} secrets, {at_once(again)} at once")
    assert len(again) <= 2 * len(KEYS)
    assert at_once_for_one(calls) == 1 and at_once(calls) <= CALLS_MAX


def test_a_vault_that_is_started_again_is_asked_soon_and_not_overrun(behind, tmp_path):
    put_all(behind)
    agent = agent_of(behind, tmp_path, TTL_SECS, 2 * OUTAGE_SECS + RECOVERY_SECS_MAX)
    with Readers(agent) as readers:
        readers.until(200, 10)
        cut = time.monotonic()
        behind.end(signal.SIGKILL)
        time.sleep(OUTAGE_SECS / 2)
        behind.start()
        back = time.monotonic()
        took = readers.until(200, RECOVERY_SECS_MAX)
    assert agent.end() == 0
    assert_no_stampede(behind.proxy, cut, back, took)


@pytest.fixture
def governed(behind):
    """The same with an application that may read what a policy says, and a way to make and delete that."""
    put_all(behind)
    behind.as_app = as_app(behind)
    iam, tenancy = behind.client(oci.identity.IdentityClient), behind.dev["tenancy_id"]
    behind.grant = lambda: new_policy(iam, tenancy, "app", *GRANT)
    behind.revoke = lambda policy: iam.delete_policy(policy.id)
    yield behind


def test_a_revoked_right_is_felt_within_a_second(governed, tmp_path):
    """The feed tells of it: nobody waits for a TTL of ten minutes."""
    agent = agent_of(governed, tmp_path, 600, 600, *governed.as_app)
    felt = []
    with Readers(agent, KEYS[:3]) as readers:
        for _ in range(3):
            policy = governed.grant()
            readers.until(200, 5)
            governed.revoke(policy)
            felt.append(readers.until(404, 5))
    assert agent.end() == 0
    print("felt after", [f"{secs:.2f} s" for secs in felt])
    assert max(felt) < 1


def test_a_revoked_right_is_not_masked_while_the_vault_comes_and_goes(governed, tmp_path):
    """What was refused once stays refused; and pauses are no longer than the vault was away."""
    up, down = 0.4, 0.8
    policy = governed.grant()
    agent = agent_of(governed, tmp_path, 1, 600, *governed.as_app)
    stays = threading.Event()

    def come_and_go():
        while not stays.is_set():
            governed.proxy.is_cut = True
            time.sleep(down)
            governed.proxy.is_cut = False
            time.sleep(up)

    with Readers(agent) as readers:
        readers.until(200, 10)
        flapping = threading.Thread(target=come_and_go)
        flapping.start()
        time.sleep(1.5 * (up + down))
        governed.revoke(policy)
        revoked = time.monotonic()
        time.sleep(1.5 * (up + down))
        stays.set()
        flapping.join()
        back = time.monotonic()
        felt = readers.until(404, 1 + down)
        time.sleep(0.5)
    assert agent.end() == 0
    print(f"refused {felt:.2f} s after the vault stayed")
    for name in KEYS:
        calls = [call for call in governed.proxy.reads() if f"secretName={name}&" in call.path and call.began > revoked]
        refused = min(call.ended for call in calls if call.status == 404)
        assert refused < back + 1 + down
        masked = [read for read in readers.reads if read.name == name and read.status == 200 and read.began > refused + 0.05]
        assert masked == []
