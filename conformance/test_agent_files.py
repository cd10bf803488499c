"""What the agent keeps on this machine: files as their secrets are, and commands that hear of changes."""

import json
import os
import signal
import socket
import stat
import subprocess
import time

import oci
import pytest
from oci.identity import models

from test_agent import Agent, OverSocket
from test_identity import new_policy
from test_run import until
from vault import BINARY, Vault


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("files-vault") / "data", "--listen", "127.0.0.1:0")
    server.start()
    yield server
    assert server.end() == 0


def put(home, name, value):
    done = home.strongroom("put", f"secret://dev/{name}", stdin=value)
    assert done.returncode == 0, done.stderr


def table(path, source, **more):
    lines = [f'path = "{path}"', source, *(f"{name} = {json.dumps(value)}" for name, value in more.items())]
    return "\n[[file]]\n" + "\n".join(lines) + "\n"


def of(name):
    return f'reference = "secret://dev/{name}"'


def content(path):
    return path.read_bytes() if path.exists() else None


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def holds(path, value):
    until(lambda: content(path) == value, f"{path} to hold {value!r}")


def log_of(agent):
    return (agent.directory / "agent.log").read_text()


def test_files_are_there_when_the_agent_is_ready_and_follow_their_secrets(home, tmp_path):
    put(home, "db", b'{"user": "app", "password": "f1rst-c4n4ry"}')
    put(home, "binary", bytes(range(256)))
    plain, part, conf = tmp_path / "binary", tmp_path / "password", tmp_path / "app.conf"
    template = tmp_path / "app.tmpl"
    template.write_text("user = {{ secret('secret://dev/db#user') }}\npassword = {{ secret('secret://dev/db#password') | json }}\n")
    tables = (table(plain, of("binary")) + table(part, of("db#password"), mode="0440")
              + table(conf, f'template = "{template}"'))
    agent = Agent(home, tmp_path, tables=tables)
    try:
        until(lambda: agent.ask("/ready")[0] == 200, "ready")
        assert content(plain) == bytes(range(256)) and content(part) == b"f1rst-c4n4ry"
        assert content(conf) == b'user = app\npassword = "f1rst-c4n4ry"\n'
        assert (mode(plain), mode(part), mode(conf)) == (0o600, 0o440, 0o600)
        began = time.monotonic()
        put(home, "db", b'{"user": "app", "password": "s3cond-c4n4ry"}')
        holds(part, b"s3cond-c4n4ry")
        holds(conf, b'user = app\npassword = "s3cond-c4n4ry"\n')
        assert time.monotonic() - began < 5
        assert home.strongroom("rollback", "secret://dev/db").returncode == 0
        holds(part, b"f1rst-c4n4ry")
        until(lambda: agent.metrics()["files_written_total"] == 7, "both files written")
        assert agent.metrics()["sinks_unmade"] == 0
        calls = agent.metrics()["cache_calls_total"]
        time.sleep(2.5)
        assert agent.metrics()["cache_calls_total"] == calls
    finally:
        assert agent.end() == 0
    assert "c4n4ry" not in log_of(agent)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def hook(directory, script):
    path = directory / "hook"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o700)
    return path


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_a_command_hears_of_changes_and_of_nothing_else(home, tmp_path):
    put(home, "told", b"one")
    heard = tmp_path / "heard"
    program = hook(tmp_path, f'echo "$* $STRONGROOM_FILE $(cat "$STRONGROOM_FILE" 2>/dev/null) $(env | cut -d= -f1 | sort | xargs)" >> {heard}\n')
    followed = f'\n[[command]]\nreferences = ["secret://dev/told"]\nrun = ["{program}", "no", "file"]\n'
    target = tmp_path / "target"
    tables = table(target, of("told"), on_change=[str(program), "a b", "$(x)"]) + followed
    agent = Agent(home, tmp_path, tables=tables)
    try:
        until(lambda: agent.ask("/ready")[0] == 200, "ready")
        time.sleep(1.5)
        assert lines(heard) == []
        put(home, "told", b"two")
        until(lambda: len(lines(heard)) == 2, "two commands")
        assert sorted(lines(heard)) == sorted([
            f"a b $(x) {target} two PATH PWD STRONGROOM_FILE", "no file   PATH PWD"])
        # Somebody else changes the file: it is made anew when it is looked at again.
        assert agent.end() == 0
        target.write_bytes(b"meddled")
        agent = Agent(home, tmp_path, tables=tables)
        holds(target, b"two")
        until(lambda: len(lines(heard)) == 3, "the command for what was replaced")
        assert agent.metrics()["commands_run_total"] == 1
    finally:
        assert agent.end() == 0


def test_a_command_that_fails_is_run_again_and_the_vault_waits_for_it(home, tmp_path):
    """Whoever reads the file is taken to have the old version until the command has gone well."""
    put(home, "slow", b"one")
    held = tmp_path / "held"
    held.touch()
    program = hook(tmp_path, f"[ ! -e {held} ]\n")
    tables = table(tmp_path / "slow", of("slow"), on_change=[str(program)])
    agent = Agent(home, tmp_path, more='consumer = "web-7"\nconsumer_grace = "0s"', tables=tables)
    consumers = lambda: {row["consumerName"]: row["versionNumber"] for row in json.loads(
        home.strongroom("versions", "secret://dev/slow", "--consumers", "--json").stdout)}
    try:
        until(lambda: consumers() == {"web-7": 1}, "the first report")
        put(home, "slow", b"two")
        holds(tmp_path / "slow", b"two")
        until(lambda: agent.metrics()["command_failures_total"] >= 1, "a failure")
        time.sleep(2.5)
        assert consumers() == {"web-7": 1}
        held.unlink()
        until(lambda: consumers() == {"web-7": 2}, "the second report")
    finally:
        assert agent.end() == 0
    assert "exit status: 1" in log_of(agent)


def test_a_command_goes_on_and_stays_due_when_the_configuration_is_read_again(home, tmp_path):
    """The vault hears that this machine has moved on when the command has gone well, and not before."""
    put(home, "again", b"one")
    heard, held = tmp_path / "heard", tmp_path / "held"
    held.touch()
    program = hook(tmp_path, f"echo began >> {heard}; sleep 2; echo ended >> {heard}; [ ! -e {held} ]\n")
    followed = f'\n[[command]]\nreferences = ["secret://dev/again"]\nrun = ["{program}"]\n'
    more = 'consumer = "web-8"\nconsumer_grace = "0s"'
    agent = Agent(home, tmp_path, more=more, tables=followed)
    consumers = lambda: {row["consumerName"]: row["versionNumber"] for row in json.loads(
        home.strongroom("versions", "secret://dev/again", "--consumers", "--json").stdout)}
    reread = lambda times: until(lambda: log_of(agent).count("was read again") == times, "the reading")
    try:
        until(lambda: consumers() == {"web-8": 1}, "the first report")
        put(home, "again", b"two")
        until(lambda: lines(heard) == ["began"], "the command to run")
        agent.write(more=more, tables=followed + 'timeout = "20s"\n' + table(tmp_path / "beside", of("sample")))
        agent.process.send_signal(signal.SIGHUP)
        holds(tmp_path / "beside", b"hello from strongroom")
        reread(1)
        until(lambda: lines(heard)[:2] == ["began", "ended"], "the command to end")
        until(lambda: agent.metrics()["command_failures_total"] == 1, "its failure")
        agent.process.send_signal(signal.SIGHUP)
        reread(2)
        time.sleep(2.5)
        assert consumers() == {"web-8": 1}
        held.unlink()
        until(lambda: consumers() == {"web-8": 2}, "the second report")
        assert "was killed" not in log_of(agent)
    finally:
        assert agent.end() == 0


def test_a_command_that_an_agent_did_not_come_to_run_is_run_by_the_next(home, tmp_path):
    put(home, "restarted", b"one")
    program, target, runs = tmp_path / "program", tmp_path / "restarted", tmp_path / "runs"
    program.write_text(f"#!/bin/sh\necho run >> {runs}\ntest -e {tmp_path}/works\n")
    program.chmod(0o755)
    tables = table(target, of("restarted"), on_change=[str(program)])

    def started():
        agent = Agent(home, tmp_path, tables=tables)
        until(lambda: agent.ask("/ready")[0] == 200, "ready")
        return agent

    agent = started()
    put(home, "restarted", b"two")
    holds(target, b"two")
    until(runs.exists, "the command to be run, and to fail")
    agent.process.kill()
    agent.process.wait()
    (tmp_path / "works").touch()
    before = runs.read_text()
    agent = started()
    until(lambda: runs.read_text() == before + "run\n", "the command to be run once more")
    until(lambda: "the command was run" in log_of(agent), "the agent to know")
    assert agent.end() == 0
    before = runs.read_text()
    agent = started()
    time.sleep(2.5)
    assert runs.read_text() == before and agent.end() == 0


def test_the_vault_waits_for_a_command_that_is_left_to_the_next_agent(home, tmp_path):
    """Neither the end of an agent nor the start of another says that this machine has moved on."""
    put(home, "left", b"one")
    held, target = tmp_path / "held", tmp_path / "left"
    held.touch()
    tables = table(target, of("left"), on_change=[str(hook(tmp_path, f"[ ! -e {held} ]\n"))])
    start = lambda: Agent(home, tmp_path, more='consumer = "web-9"\nconsumer_grace = "3s"', tables=tables)
    consumers = lambda: {row["consumerName"]: row["versionNumber"] for row in json.loads(
        home.strongroom("versions", "secret://dev/left", "--consumers", "--json").stdout)}
    agent = start()
    until(lambda: consumers() == {"web-9": 1}, "the first report")
    put(home, "left", b"two")
    holds(target, b"two")
    until(lambda: agent.metrics()["command_failures_total"] >= 1, "a failure")
    assert agent.end() == 0
    assert consumers() == {"web-9": 1}
    agent = start()
    try:
        time.sleep(2.5)
        assert consumers() == {"web-9": 1}
        held.unlink()
        until(lambda: "the command was run" in log_of(agent), "the command to go well")
        done = time.monotonic()
        until(lambda: consumers() == {"web-9": 2}, "the second report")
        assert time.monotonic() - done > 2
    finally:
        assert agent.end() == 0
    assert consumers() == {}


def test_nothing_is_ready_before_its_files_are_there(home, tmp_path):
    tables = table(tmp_path / "late", of("late"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(20)
        os.environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        try:
            agent = Agent(home, tmp_path, tables=tables)
        finally:
            del os.environ["NOTIFY_SOCKET"]
        try:
            assert heard.recv(99).startswith(b"STATUS=waits")
            assert agent.ask("/ready")[:2] == (503, b"files are missing\n")
            assert agent.read("secret://dev/sample")[0] == 200
            put(home, "late", b"there at last")
            assert [heard.recv(99).strip() for _ in range(2)] == [b"STATUS=keeps secrets", b"READY=1"]
            assert content(tmp_path / "late") == b"there at last" and agent.ask("/ready")[0] == 200
        finally:
            assert agent.end() == 0


def test_a_new_configuration_is_kept_from_then_on(home, tmp_path):
    put(home, "more", b"more")
    one, own = tmp_path / "one", f"{os.geteuid()}:{os.getegid()}"
    given = "1234:4321" if os.geteuid() == 0 else own
    owner = lambda: f"{one.stat().st_uid}:{one.stat().st_gid}"
    agent = Agent(home, tmp_path, tables=table(one, of("sample"), owner=given))
    try:
        holds(one, b"hello from strongroom")
        assert owner() == given
        # A file for which nobody is named any more is the agent's own at once.
        agent.write(tables=table(one, of("sample")))
        agent.process.send_signal(signal.SIGHUP)
        until(lambda: owner() == own, "the agent's own file")
        assert content(one) == b"hello from strongroom"
        agent.write(tables=table(tmp_path / "two", of("more")))
        agent.process.send_signal(signal.SIGHUP)
        holds(tmp_path / "two", b"more")
        agent.write(tables=table(tmp_path / "three", 'template = "/nowhere.tmpl"'))
        agent.process.send_signal(signal.SIGHUP)
        until(lambda: "stays as it was" in log_of(agent), "the refusal")
        put(home, "more", b"and more")
        holds(tmp_path / "two", b"and more")
        assert not (tmp_path / "three").exists()
    finally:
        assert agent.end() == 0


def test_a_right_that_is_taken_away_leaves_the_file_or_takes_it_away(home, tmp_path):
    iam, tenancy = home.client(oci.identity.IdentityClient), home.dev["tenancy_id"]
    rule = f"Any {{instance.compartment.id = '{home.dev['instance_compartment_id']}'}}"
    iam.create_dynamic_group(models.CreateDynamicGroupDetails(
        compartment_id=tenancy, name="keepers", description="d", matching_rule=rule))
    rights = ["Allow dynamic-group keepers to read secret-family in tenancy", "Allow dynamic-group keepers to use keys in tenancy"]
    policy = new_policy(iam, tenancy, "keepers", *rights)
    put(home, "dear", b"dear")
    kept, removed = tmp_path / "kept", tmp_path / "removed"
    tables = table(kept, of("dear")) + table(removed, of("dear"), when_refused="remove")
    os.environ["OCI_METADATA_BASE_URL"], os.environ["STRONGROOM_AUTH"] = home.dev["imds_url"], "instance_principal"
    try:
        agent = Agent(home, tmp_path, more='stale_if_error = "1h"', tables=tables)
    finally:
        del os.environ["OCI_METADATA_BASE_URL"], os.environ["STRONGROOM_AUTH"]
    try:
        holds(kept, b"dear")
        holds(removed, b"dear")
        iam.delete_policy(policy.id)
        holds(removed, None)
        assert content(kept) == b"dear"
        new_policy(iam, tenancy, "keepers-again", *rights)
        holds(removed, b"dear")
    finally:
        assert agent.end() == 0


def test_a_file_that_cannot_be_made_leaves_the_old_one_and_is_made_when_it_can(home, tmp_path):
    put(home, "shape", b'{"a": "old"}')
    target, loose = tmp_path / "a", tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    tables = table(target, of("shape#a")) + table(loose / "x", of("sample"))
    agent = Agent(home, tmp_path, tables=tables)
    try:
        holds(target, b"old")
        put(home, "shape", b'no JSON, s3cr3t-c4n4ry')
        until(lambda: log_of(agent).count("not kept") == 2, "two warnings")
        assert content(target) == b"old" and list(loose.iterdir()) == []
        put(home, "shape", b'{"a": "new"}')
        holds(target, b"new")
        loose.chmod(0o755)
        holds(loose / "x", b"hello from strongroom")
        assert log_of(agent).count("not kept") == 2 and "c4n4ry" not in log_of(agent)
    finally:
        assert agent.end() == 0


@pytest.mark.parametrize("source, more, said", [
    ("", {}, "needs either a reference or a template"),
    (of("sample") + '\ntemplate = "/t"', {}, "needs either a reference or a template"),
    ('template = "t"', {}, "the absolute path of its template"),
    (of("a b?stage"), {}, "names `secret://dev/a b?stage`"),
    (of("sample"), {"mode": "0644"}, "nobody's but its owner's and group's"),
    (of("sample"), {"mode": "rw"}, "octal"),
    (of("sample"), {"owner": "no-such-user-here"}, "knows no user"),
    (of("sample"), {"on_change": ["systemctl", "reload", "app"]}, "absolute path of a program"),
    (of("sample"), {"on_change_timeout": "5s"}, "no on_change"),
    (of("sample"), {"on_change": ["/bin/true"], "on_change_timeout": "0s"}, "at least 1s"),
    (of("sample"), {"when_refused": "explode"}, "expected `keep` or `remove` in `file.when_refused`"),
    (of("sample"), {"content": "x"}, "unknown field `content`"),
    ('template = "/nowhere.tmpl"', {}, "/nowhere.tmpl"),
])
def test_tables_that_make_no_sense(tmp_path, source, more, said):
    check(tmp_path, table("/run/app/file", source, **more), said)


@pytest.mark.parametrize("tables, said", [
    (table("relative", of("sample")), "must be an absolute path"),
    (table("/run/x", of("a")) + table("/run/x", of("b")), "stands twice"),
    ('[[command]]\nreferences = []\nrun = ["/bin/true"]', "references is empty"),
    ('[[command]]\nreferences = ["secret://dev/a"]\nrun = []', "names no program"),
    ('consumer = "web"\n', "nothing to do"),
    ("", "nothing to do"),
])
def test_configurations_that_make_no_sense(tmp_path, tables, said):
    check(tmp_path, tables, said)


def test_a_configuration_that_others_could_write_is_not_obeyed(tmp_path):
    tables = table("/run/x", of("sample"), on_change=["/bin/true"])
    check(tmp_path, tables, "its mode is 0666: group or others could change what is done", mode=0o666)
    (tmp_path / "agent.toml").chmod(0o644)
    (tmp_path / "link.toml").symlink_to("agent.toml")
    subprocess.run([str(BINARY), "agent", "--check", "--agent-config", tmp_path / "link.toml"], check=True)


def check(directory, tables, said, mode=0o644):
    (directory / "agent.toml").write_text(tables)
    (directory / "agent.toml").chmod(mode)
    done = subprocess.run([str(BINARY), "agent", "--check", "--agent-config", directory / "agent.toml"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 3 and said in done.stderr, done.stderr


HAND_OVER = """
import os, socket, sys
config, path, port = sys.argv[1:4]
unix = socket.socket(socket.AF_UNIX); unix.bind(path); unix.listen()
tcp = socket.create_server(("127.0.0.1", int(port)))
for number, source in ((3, os.dup(unix.fileno())), (4, os.dup(tcp.fileno()))):
    os.dup2(source + 0 if source > 9 else os.dup2(source, source + 20), number)
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[4], sys.argv[4:])
"""


def test_sockets_are_handed_over(home, tmp_path):
    """As systemd does it: connections wait in the socket until the agent is there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path, config = tmp_path / "handed.sock", tmp_path / "agent.toml"
    text = (f'socket = "{path}"\nhttp = "127.0.0.1:{port}"\ntoken_file = "{tmp_path}/token"\nhttp_references = ["secret://dev/*"]\n'
            f'[[allow]]\nuid = {os.getuid()}\nreferences = ["secret://dev/*"]\n')
    config.write_text(text)
    start = lambda: subprocess.Popen(
        ["python3", "-c", HAND_OVER, config, path, str(port), str(BINARY), "agent", "--agent-config", config,
         "--data-dir", home.directory], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    agent = start()
    try:
        until(path.exists, "the socket")
        connection = OverSocket(str(path))
        until(lambda: connects(path), "the listener")
        connection.request("GET", "/v1/secrets?ref=secret://dev/sample")
        assert connection.getresponse().read() == b"hello from strongroom"
        with socket.create_connection(("127.0.0.1", port)) as there:
            there.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert there.recv(99).startswith(b"HTTP/1.1 200")
    finally:
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=20) == 0
    assert path.exists()
    path.unlink()
    config.write_text(text.replace("handed.sock", "other.sock"))
    refused = start()
    _, told = refused.communicate(timeout=20)
    assert refused.returncode == 3 and b"is handed over, and the configuration has" in told, told


def connects(path):
    with socket.socket(socket.AF_UNIX) as there:
        return there.connect_ex(str(path)) == 0
