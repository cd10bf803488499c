"""`plan` says of reads what agents ask of a vault when they make them, and the mission's example comes out."""

import datetime
import json
import os
import random
import re
import subprocess
import threading
import time
import urllib.parse
import xml.etree.ElementTree

import oci
import pytest

from test_agent import OverSocket
from test_audit import events
from vault import BINARY, ROOT, Vault

READS = ("GetSecretBundle", "GetSecretBundleByName")
TTL_SECS = 3
AGENT = """
socket = "{directory}/agent.sock"
ttl = "{ttl}s"

[[allow]]
uid = {uid}
references = ["secret://dev/*"]
"""


def plan(*arguments, stdin=""):
    return subprocess.run([str(BINARY), "plan", *map(str, arguments)], capture_output=True, text=True, input=stdin,
                          timeout=300, check=False)


def planned(*arguments, **more):
    done = plan(*arguments, "--json", **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def row(document, ttl_secs):
    [found] = [row for row in document["rows"] if row["ttlSecs"] == ttl_secs]
    return found


def examples():
    """Commands of the page, each with what stands below it."""
    page = (ROOT / "docs" / "plan.md").read_text()
    return re.findall(r"\n    strongroom plan ([^\n]+)\n\n(?:prints\n\n)?```\n(.*?)```\n", page, re.S)


def test_the_page_shows_what_its_commands_print():
    """The mission's example: 720,000 requests, 720 with a 60-minute cache, $2.16, and what is free of it."""
    shown = examples()
    assert len(shown) == 2
    for command, below in shown:
        done = plan(*command.split())
        assert done.stdout + done.stderr == below, command
    assert done.returncode == 5


def test_the_example_of_the_mission():
    document = planned("--reads-per-hour", 1000, "--ttl", "60m")
    none, hour = row(document, 0), row(document, 3600)
    assert (none["requestsPerMonth"], hour["plainRequestsPerMonth"]) == (720_000, 720)
    assert (document["priceWithoutFreeRequests"], none["pricePerMonth"], hour["pricePerMonth"]) == (2.16, 2.13, 0)
    assert 720 <= hour["requestsPerMonth"] <= 1_067 and hour["savedThousandths"] >= 980
    assert hour["savedPerMonth"] == 2.13 and document["prices"]["source"] and document["prices"]["date"]


@pytest.mark.parametrize(("kind", "range_mins"), [("high", (5, 15)), ("standard", (30, 60)), ("dev", (0, 0))])
def test_each_class_is_given_a_ttl_of_its_own(kind, range_mins):
    document = planned("--reads-per-hour", 30, "--class", kind)
    assert range_mins[0] * 60 <= document["recommendedTtlSecs"] <= range_mins[1] * 60
    printed = plan("--reads-per-hour", 30, "--class", kind).stdout
    assert ("use:   no cache" in printed) == (kind == "dev") and "recommended" in printed


def test_the_rule_is_enforced_and_the_fix_helps():
    reads = ["--reads-per-hour", 10]
    for wrong in (["--ttl", "36h", "--rotation", "24h"], ["--ttl", "10m", "--rotation", "10m", "--class", "high"],
                  ["--rotation", "20m"], ["--rotation", "2m"]):
        refused = plan(*reads, *wrong)
        assert refused.returncode == 5 and refused.stderr.startswith("error[ttl-exceeds-rotation]: cache TTL "), wrong
        fix = re.search(r"^  fix: (.*)$", refused.stderr, re.M).group(1).split()
        rotation = wrong[wrong.index("--rotation"):][:2]
        helped = plan(*reads, *rotation, *fix)
        assert helped.returncode == 0, (wrong, fix, helped.stderr)


def test_a_limit_is_kept_where_a_ttl_of_the_class_keeps_it():
    """Ten read at the same time; the column says what would be answered 429."""
    reads = ["--reads-per-hour", 60, "--consumers", 10]
    document = planned(*reads, "--limit", 8)
    none, best = row(document, 0), row(document, document["recommendedTtlSecs"])
    assert (none["peakPerSecond"], none["throttledPerMonth"]) == (10, none["requestsPerMonth"] // 5)
    assert best["peakPerSecondWarm"] <= 8 and best["throttledPerMonth"] < none["throttledPerMonth"]
    printed = plan(*reads, "--limit", 8).stdout
    assert "REFUSED" in printed and ", within the limit, that " in printed
    assert "and the limit is 1" in plan(*reads, "--limit", 1).stdout


def test_a_drawing_is_xml_and_private(tmp_path):
    drawing = tmp_path / "plan.svg"
    done = plan("--reads-per-hour", 60, "--consumers", 3, "--svg", drawing)
    assert done.returncode == 0, done.stderr
    root = xml.etree.ElementTree.parse(drawing).getroot()
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert root.tag.endswith("svg") and "43,200 reads a month by 3 consumers" in texts
    width, height = float(root.get("width")), float(root.get("height"))
    for line in root.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in line.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width and 0 <= y <= height


def test_prices_are_data(tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('price = 0.05\nrequests = 1000\nfree_requests = 0\nsource = "a list"\ndate = "2026-10-01"\n')
    document = planned("--reads-per-hour", 30, "--prices", prices)
    assert row(document, 0)["pricePerMonth"] == 1.08 and document["prices"]["source"] == "a list"
    assert "a list (2026-10-01)" in plan("--reads-per-hour", 30, "--prices", prices).stdout


EVENT = '{"eventTime": "%s", "data": {"eventName": "GetSecretBundle", "resourceId": "s", "identity": {"principalId": "p"}}}'


@pytest.mark.parametrize(("arguments", "file", "code", "named"), [
    ([], None, 2, "--reads-per-hour"),
    (["--reads-per-hour", "0"], None, 2, "--reads-per-hour"),
    (["--reads-per-hour", "many"], None, 2, "--reads-per-hour"),
    (["--reads-per-hour", "1", "--consumers", "0"], None, 2, "--consumers"),
    (["--reads-per-hour", "1", "--consumers", "721"], None, 2, "721 consumers make 720 reads"),
    (["--reads-per-hour", "1", "--ttl", "soon"], None, 2, "--ttl"),
    (["--reads-per-hour", "1", "--ttl", "2h"], None, 2, "cache TTL 2 h is longer than 1 h"),
    (["--reads-per-hour", "1", "--rotation", "0d"], None, 2, "--rotation"),
    (["--reads-per-hour", "1", "--class", "secret"], None, 2, "--class"),
    (["--reads-per-hour", "1", "--limit", "0"], None, 2, "--limit"),
    (["--reads-per-hour", "1", "--budget", "-1"], None, 2, "--budget"),
    (["--reads-per-hour", "1", "--last", "1h"], None, 2, "--last"),
    (["--reads-per-hour", "1", "--trace", "FILE"], "0,a,s\n9,a,s\n", 2, "--trace"),
    (["--trace", "FILE", "--consumers", "2"], "0,a,s\n9,a,s\n", 2, "--consumers"),
    (["--trace", "/does/not/exist"], None, 1, "/does/not/exist"),
    (["--trace", "FILE"], "", 3, "it has 0 reads"),
    (["--trace", "FILE"], "0,a,s\n1,a\n", 3, "line 2: 2 fields"),
    (["--trace", "FILE"], "0,a,s\nsoon,a,s\n", 3, "line 2, field `time`"),
    (["--trace", "FILE"], "0,a,s\n1,,s\n", 3, "line 2, field `consumer`"),
    (["--trace", "FILE"], '{"hello": 1}', 3, "event 1: neither"),
    (["--trace", "FILE"], EVENT % "yesterday", 3, "event 1, field `eventTime`"),
    (["--trace", "FILE"], EVENT.replace('"p"', '""') % "2026-11-24T10:00:00Z", 3,
     "event 1, field `data.identity.principalId`"),
    (["--trace", "FILE"], "[{", 3, "not JSON"),
    (["--reads-per-hour", "1", "--prices", "FILE"], "price = -1\n", 3, "missing field"),
    (["--reads-per-hour", "1", "--prices", "FILE"],
     '{"price": -1, "requests": 1, "free_requests": 0, "source": "s", "date": "2026-11-24"}', 3, "field `price`"),
    (["--reads-per-hour", "1", "--prices", "FILE"],
     '{"price": 1, "requests": 1, "free_requests": 0, "source": "s", "date": "soon"}', 3, "field `date`"),
])
def test_wrong_inputs_are_refused_by_name(tmp_path, arguments, file, code, named):
    path = tmp_path / "given"
    if file is not None:
        path.write_text(file)
    done = plan(*[str(path) if argument == "FILE" else argument for argument in arguments])
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stdout == "" and named in done.stderr and "panicked" not in done.stderr, done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("plan-vault") / "data")
    server.start()
    server.new_secret("other")
    yield server
    assert server.end() == 0


class Reader:
    """An agent, and one who reads through it."""

    def __init__(self, home, directory):
        self.path = str(directory / "agent.sock")
        config = directory / "agent.toml"
        config.write_text(AGENT.format(directory=directory, ttl=TTL_SECS, uid=os.getuid()))
        self.log = open(directory / "agent.log", "wb")
        self.process = subprocess.Popen(
            [str(BINARY), "agent", "--agent-config", config, "--data-dir", home.directory],
            stdout=self.log, stderr=self.log)
        began = time.monotonic()
        while not self.follows():
            assert time.monotonic() - began < 20 and self.process.poll() is None, (directory / "agent.log").read_text()
            time.sleep(0.02)

    def ask(self, target):
        connection = OverSocket(self.path)
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def follows(self):
        """The feed's beginning makes the cache forget; reads come after it."""
        try:
            return b"strongroom_agent_feed_followed 1" in self.ask("/metrics")[1]
        except OSError:
            return False

    def read(self, name):
        status, _ = self.ask("/v1/secrets?" + urllib.parse.urlencode({"ref": f"secret://dev/{name}"}))
        assert status == 200, status

    def end(self):
        self.process.terminate()
        assert self.process.wait(timeout=20) == 0
        self.log.close()


def schedule(dice, calls):
    """When one consumer reads one secret: near a call, so that the draw of a TTL does not matter, or after it."""
    at, times = dice.uniform(0, 1), []
    for _ in range(calls):
        times.append(at)
        near = sorted(dice.uniform(0.05, 0.45) * TTL_SECS for _ in range(dice.randrange(4)))
        times += [at + gap for gap in near]
        at += dice.uniform(1.15, 1.6) * TTL_SECS
    return times


def made(began, reads):
    """Makes reads in time, and returns when they were made."""
    done = []

    def make(at, who, agent, secret):
        time.sleep(max(0, began + at - time.monotonic()))
        done.append((time.monotonic() - began, who, secret))
        agent.read(secret)

    threads = [threading.Thread(target=make, args=read) for read in reads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def read_events(home, since):
    found = events(home, home.dev["compartment_id"], start=since)
    return [event for event in found if event.data.event_name in READS]


def test_what_is_planned_is_what_agents_ask_of_a_vault(home, tmp_path):
    """The same reads: by the plan's replay, and by two agents whose requests the vault's audit log counts."""
    dice = random.Random()
    agents = []
    for who in ("a", "b"):
        (tmp_path / who).mkdir()
        agents.append(Reader(home, tmp_path / who))
    try:
        since = datetime.datetime.now(datetime.timezone.utc)
        reads = [(at, who, agent, secret) for who, agent in zip("ab", agents) for secret in ("sample", "other")
                 for at in schedule(dice, 3)]
        times = made(time.monotonic() + 0.2, reads)
        time.sleep(0.5)
        asked = len(read_events(home, since))
    finally:
        for agent in agents:
            agent.end()
    table = "time,consumer,secret\n" + "".join(f"{at:.6f},{who},{secret}\n" for at, who, secret in sorted(times))
    document = planned("--trace", "-", "--ttl", f"{TTL_SECS}s", stdin=table)
    assert (document["trace"]["consumers"], document["trace"]["secrets"]) == (2, 2)
    assert (row(document, 0)["requests"], row(document, TTL_SECS)["requests"]) == (len(reads), asked), table
    # Whoever draws the longest TTL asks as often; who keeps values for the whole run asks once for each.
    assert row(document, 60)["requests"] == 4 < asked < len(reads)


def test_the_log_of_a_vault_is_a_trace(home, tmp_path):
    """Oracle's own command line exports it, and `--live` reads it."""
    since = datetime.datetime.now(datetime.timezone.utc)
    bundles = home.client(oci.secrets.SecretsClient)
    for pause in (0.6, 0.6, 0):
        bundles.get_secret_bundle(home.dev["secret_id"])
        time.sleep(pause)
    counted = len(read_events(home, since))
    log = tmp_path / "events.json"
    log.write_text(json.dumps(home.oci(
        "audit", "event", "list", "--compartment-id", home.dev["compartment_id"], "--start-time", since.isoformat(),
        "--end-time", datetime.datetime.now(datetime.timezone.utc).isoformat(), "--all")))
    exported = planned("--trace", log)["trace"]
    assert (exported["kind"], exported["reads"], exported["secrets"]) == ("oracle", counted, 1) and counted == 3
    everything = len(read_events(home, since - datetime.timedelta(hours=1)))
    for more in ((), ("--compartment", home.dev["compartment_id"])):
        done = home.strongroom("plan", "--live", "--last", "1h", "--json", *more)
        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stdout)["trace"]["reads"] == everything >= counted
    elsewhere = home.strongroom("plan", "--live", "--compartment", home.dev["tenancy_id"])
    assert elsewhere.returncode == 3 and b"it has 0 reads" in elsewhere.stderr
    unknown = home.strongroom("plan", "--live", "--compartment", "nowhere")
    assert unknown.returncode == 1 and b"`nowhere`" in unknown.stderr
