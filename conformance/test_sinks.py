"""The audit log on its way to files, the journal, syslog and a webhook, and sinks that were away."""

import collections
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time

import oci
import pytest

from doctor_servers import certificate
from serving import Server, free_port
from test_nodes import House
from test_serve import private, strongroom

JOURNAL = pathlib.Path("/run/systemd/journal")
JOURNALD = "/lib/systemd/systemd-journald"
CANARY = "canary-7f3b"


@contextlib.contextmanager
def journald():
    """The machine's journal, or one that is started for the test."""
    own = None
    if not listens(JOURNAL / "socket"):
        own = subprocess.Popen([JOURNALD])
        wait(lambda: listens(JOURNAL / "socket") and listens(JOURNAL / "dev-log"))
    yield
    if own is not None:
        own.terminate()
        own.wait()


def listens(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(str(path)) == 0


def wait(done, seconds=20):
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)


class Webhook:
    """Who takes events over TLS, or says that it cannot."""

    def __init__(self, directory):
        self.taken, self.shown, self.fails = [], set(), False
        chain, self.authority = certificate(directory)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.shown.add((self.headers["authorization"], self.headers["content-type"]))
                if not outer.fails:
                    outer.taken.extend(json.loads(body))
                self.send_response(503 if outer.fails else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"https://127.0.0.1:{self.server.server_port}/in"


@pytest.fixture
def webhook(tmp_path):
    made = Webhook(tmp_path)
    yield made
    made.server.shutdown()


def served(founded, directory, sinks, metrics=None):
    """A server of its own with these sinks, founded and not started."""
    server = Server(directory)
    founded.append(server)
    text = server.config.read_text()
    listen = f"metrics_listen = '127.0.0.1:{metrics}'\n" if metrics else ""
    server.config.write_text(listen + text + "".join(sinks))
    return server.init()


def sink(name, kind, place, **more):
    table = {"name": name, kind: str(place), **more}
    return "[[audit_sink]]\n" + "".join(f"{key} = '{value}'\n" for key, value in table.items())


def ask(server, count):
    """Requests without a signature: refused, and recorded. Returns their identifiers."""
    ids = []
    for _ in range(count):
        connection = http.client.HTTPConnection(server.url[7:], timeout=20)
        connection.request("GET", f"/20180608/vaults?token={CANARY}", headers={
            "user-agent": "x", "authorization": f"Bearer {CANARY}"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 401
        ids.append(answer.headers["opc-request-id"])
        connection.close()
    return ids


def ids_in(path):
    if not path.exists():
        return []
    return [json.loads(line)["data"]["request"]["id"] for line in path.read_text().splitlines()]


def exported(server):
    told = strongroom("audit", "export", "--config", server.config)
    assert told.returncode == 0, told.stderr
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    return [event for line in lines for event in line.get("events", [])]


def test_all_kinds_have_every_event_once(founded, tmp_path, webhook):
    private(tmp_path / "token", b"letmein\n")
    file = tmp_path / "audit.jsonl"
    with journald():
        server = served(founded, tmp_path / "server", [
            sink("lines", "file", file),
            sink("daemon", "syslog", JOURNAL / "dev-log"),
            sink("journal", "journal", JOURNAL / "socket"),
            sink("siem", "webhook", webhook.url, token_file=tmp_path / "token", ca_file=webhook.authority),
        ])
        server.start()
        ids = ask(server, 30)
        server.furnish()
        named = server.new_vault("w\u202e\u00e4\U0001f511")
        server.client(oci.key_management.KmsVaultClient).get_vault(named.id)
        secret = server.new_secret("s", CANARY.encode())
        assert server.content(secret.id) == CANARY.encode()
        # Events come in their order.
        ids += ask(server, 1)
        wait(lambda: ids[-1] in ids_in(file) and len(webhook.taken) == len(ids_in(file)))
        moved = tmp_path / "audit.jsonl.1"
        file.rename(moved)
        ids += ask(server, 5)
        total = len(ids_in(moved)) + 5
        wait(lambda: len(ids_in(file)) == 5 and len(webhook.taken) == total)
        pid = server.process.pid
        wait(lambda: len(journal(pid, "MESSAGE")) == 2 * total)
        assert server.end() == 0
        events = exported(server)
        told = {event["data"]["request"]["id"]: event for event in events}
        assert set(ids) <= set(told) and len(told) == len(events)
        for lines in (moved, file):
            assert stat.S_IMODE(lines.stat().st_mode) == 0o600
            assert re.fullmatch(r"[ -~\n]*", lines.read_text())
            assert CANARY not in lines.read_text()
        assert "w\\u202e\\u00e4\\ud83d\\udd11" in moved.read_text()
        written = [json.loads(line) for part in (moved, file) for line in part.read_text().splitlines()]
        assert written == [told[event["data"]["request"]["id"]] for event in written]
        for name, have in {
            "file": [event["data"]["request"]["id"] for event in written],
            "webhook": [event["data"]["request"]["id"] for event in webhook.taken],
            "journal": [entry["STRONGROOM_REQUEST_ID"] for entry in journal(pid, "STRONGROOM_REQUEST_ID")],
            "syslog": [json.loads(entry["MESSAGE"])["data"]["request"]["id"] for entry in journal(pid, "SYSLOG_TIMESTAMP")],
        }.items():
            assert collections.Counter(have) == collections.Counter(list(told)), name
        entries = journal(pid, "SYSLOG_TIMESTAMP") + journal(pid, "STRONGROOM_REQUEST_ID")
        assert {(entry["SYSLOG_IDENTIFIER"], entry["SYSLOG_FACILITY"], entry["PRIORITY"]) for entry in entries} == {
            ("strongroom", "13", "4"), ("strongroom", "13", "6")}
        assert webhook.shown == {("Bearer letmein", "application/json")}


def journal(pid, field):
    """Entries of a process that have a field."""
    subprocess.run(["journalctl", "--sync"], check=False, capture_output=True)
    told = subprocess.run(["journalctl", "-o", "json", "--all", "--no-pager", f"_PID={pid}", "SYSLOG_IDENTIFIER=strongroom"],
                          check=True, capture_output=True, text=True).stdout
    return [entry for entry in map(json.loads, told.splitlines()) if field in entry]


def metric(port, name):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return float(re.search(rf"^strongroom_{name}{{sink=\"siem\"}} (\S+)$", text, re.M)[1])


def test_a_sink_that_was_away_goes_on_where_it_was(founded, tmp_path, webhook):
    metrics = free_port()
    server = served(founded, tmp_path / "server", [sink("siem", "webhook", webhook.url, ca_file=webhook.authority)], metrics)
    server.start()
    ids = ask(server, 5)
    wait(lambda: len(webhook.taken) == 5)
    webhook.fails = True
    ids += ask(server, 5)
    wait(lambda: metric(metrics, "audit_sink_failures_total") >= 2)
    assert metric(metrics, "audit_sink_behind_seconds") >= 1
    server.end(signal.SIGKILL)
    server.start()
    ids += ask(server, 5)
    wait(lambda: metric(metrics, "audit_sink_failures_total") >= 1)
    assert len(webhook.taken) == 5
    webhook.fails = False
    wait(lambda: len(webhook.taken) >= 15)
    wait(lambda: metric(metrics, "audit_sink_behind_seconds") == 0)
    assert metric(metrics, "audit_sink_events_total") == 10
    assert [event["data"]["request"]["id"] for event in webhook.taken] == ids
    assert server.end() == 0


def test_a_sink_begins_with_what_is_recorded_from_then_on(founded, tmp_path):
    server = served(founded, tmp_path / "server", [])
    server.start()
    ask(server, 3)
    assert server.end() == 0
    file = tmp_path / "audit.jsonl"
    with open(server.config, "a", encoding="utf-8") as config:
        config.write(sink("late", "file", file))
    server.start()
    ids = ask(server, 3)
    wait(lambda: ids_in(file) == ids)
    assert server.end() == 0
    server.start()
    ids += ask(server, 2)
    wait(lambda: ids_in(file) == ids)
    assert server.end() == 0


@pytest.mark.parametrize("tables, why", [
    ([sink("A", "file", "/x")], "name must be"),
    ([sink("a" * 33, "file", "/x")], "name must be"),
    ([sink("a", "file", "/x"), sink("a", "file", "/y")], "the name is taken"),
    ([sink("a", "file", "x")], "must be an absolute path"),
    ([sink("a", "file", "/x", webhook="https://x/")], "needs one of"),
    (["[[audit_sink]]\nname = 'a'\n"], "needs one of"),
    ([sink("a", "webhook", "http://example.com/")], "https://"),
    ([sink("a", "webhook", "https://x/", token_file="/absent")], "No such file"),
    ([sink("a", "webhook", "https://x/", ca_file="/etc/hostname")], "ca_file"),
    ([sink("a", "file", "/x", token_file="/y")], "are a webhook's"),
    ([sink("a", "file", "/x", colour="red")], "unknown field"),
])
def test_wrong_sinks_are_refused_with_the_rule(tmp_path, tables, why):
    server = Server(tmp_path / "server")
    with open(server.config, "a", encoding="utf-8") as config:
        config.write("".join(tables))
    os.mkdir(server.data)
    refused = strongroom("serve", "--config", server.config)
    assert refused.returncode == 3 and why in refused.stderr, refused.stderr
    assert os.listdir(server.data) == []


def test_when_the_node_on_duty_dies_another_goes_on(founded, tmp_path, webhook):
    private(tmp_path / "token", b"letmein")
    tables = sink("siem", "webhook", webhook.url, token_file=tmp_path / "token", ca_file=webhook.authority)
    house = House(tmp_path / "house", 2, ("", tables)).furnish()
    founded.extend(house.nodes)
    ids = [request for node in house.nodes for request in ask(node, 5)]
    wait(lambda: set(ids) <= {event["eventId"] for event in webhook.taken})
    duty = max(house.nodes, key=lambda node: b"on duty for what falls due" in node.log.read_bytes())
    duty.process.kill()
    duty.process.wait()
    other = next(node for node in house.nodes if node is not duty)
    ids += ask(other, 5)
    wait(lambda: set(ids) <= {event["eventId"] for event in webhook.taken}, seconds=60)
    assert other.end() == 0
    house.database.stop()
