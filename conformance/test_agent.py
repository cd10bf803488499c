"""The agent: secrets out of a cache, for processes of this machine, and for nobody else."""

import base64
import concurrent.futures
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import oci
import pytest
from oci.identity import models

from serving import free_port
from test_identity import new_policy
from vault import BINARY, Vault

CONFIG = """
socket = "{directory}/run/agent.sock"
socket_mode = "0666"
http = "{address}:{port}"
token_file = "{directory}/token"
http_references = ["secret://dev/*"]
class = "{kind}"
{more}

[[allow]]
uid = {uid}
references = ["secret://dev/*"]

[[allow]]
uid = 65534
references = ["secret://dev/public-*"]

[names]
"prod/db" = "secret://dev/json"
"secret/app" = "secret://dev/json"
"plain" = "secret://dev/sample"
"""


class OverSocket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


class Agent:
    def __init__(self, home, directory, kind="high", more="", tables="", flags=(), address="127.0.0.1", before=()):
        self.home, self.directory, self.address = home, directory, address
        self.port = free_port()
        self.config = directory / "agent.toml"
        self.write(kind, more, tables)
        self.log = open(directory / "agent.log", "ab")
        self.process = subprocess.Popen(
            [*before, str(BINARY), "agent", "--agent-config", self.config, "--data-dir", home.directory, *flags],
            stdout=self.log, stderr=self.log)
        self.path = str(directory / "run" / "agent.sock")
        began = time.monotonic()
        while time.monotonic() - began < 20:
            if self.process.poll() is not None:
                raise AssertionError((directory / "agent.log").read_text())
            try:
                if self.ask("/health")[0] == 200:
                    return
            except OSError:
                time.sleep(0.01)
        raise AssertionError("not ready")

    def write(self, kind="high", more="", tables=""):
        text = CONFIG.format(directory=self.directory, address=self.address, port=self.port, kind=kind, more=more, uid=os.getuid())
        self.config.write_text(text + tables)

    def ask(self, target, method="GET", **headers):
        connection = OverSocket(self.path)
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())

    def read(self, reference, **more):
        query = urllib.parse.urlencode({"ref": reference, **more})
        return self.ask("/v1/secrets?" + query)

    def over_http(self, target, method="GET", token=True, host=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if token is True:
            headers["X-Strongroom-Token"] = (self.directory / "token").read_text()
        elif token:
            headers["X-Strongroom-Token"] = token
        connection.putrequest(method, target, skip_host=host is not None)
        if host is not None:
            connection.putheader("Host", host)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()

    def metrics(self):
        text = self.ask("/metrics")[1].decode()
        return {line.split()[0].removeprefix("strongroom_agent_"): int(line.split()[1])
                for line in text.splitlines() if not line.startswith("#")}

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.log.close()
        return code


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("agent-vault") / "data")
    server.start()
    server.new_secret("json", b'{"user": "app", "password": "s3cr3t-c4n4ry", "port": 5432}')
    server.new_secret("public-key", b"public")
    server.new_secret("bytes", bytes(range(256)))
    yield server
    if server.process.poll() is None:
        assert server.end() == 0


@pytest.fixture(scope="module")
def agent(home, tmp_path_factory):
    made = Agent(home, tmp_path_factory.mktemp("agent"))
    yield made
    assert made.end() == 0
    log = (made.directory / "agent.log").read_text()
    assert "s3cr3t-c4n4ry" not in log and (made.directory / "token").read_text() not in log
    assert not os.path.exists(made.path)


def test_a_process_reads_through_the_socket(agent):
    status, content, headers = agent.read("secret://dev/sample")
    assert (status, content) == (200, b"hello from strongroom")
    assert headers["x-strongroom-version"] == "1" and headers["cache-control"] == "no-store"
    assert agent.read("secret://dev/bytes")[1] == bytes(range(256))
    assert agent.read("secret://dev/json#password")[1] == b"s3cr3t-c4n4ry"
    assert agent.read("secret://dev/json#/port")[1] == b"5432"
    told = json.loads(agent.read("secret://dev/bytes", format="json")[1])
    assert base64.b64decode(told["contentBase64"]) == bytes(range(256)) and told["versionNumber"] == 1


def test_a_second_read_asks_nobody(agent):
    agent.read("secret://dev/sample")
    before = agent.metrics()
    for _ in range(50):
        assert agent.read("secret://dev/sample")[0] == 200
    after = agent.metrics()
    assert after["cache_calls_total"] == before["cache_calls_total"]
    assert after["cache_hits_total"] - before["cache_hits_total"] == 50


def test_many_at_once_make_one_call(home, tmp_path):
    agent = Agent(home, tmp_path)
    try:
        while not agent.metrics()["feed_followed"]:
            time.sleep(0.01)
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            answers = list(pool.map(lambda _: agent.read("secret://dev/public-key")[:2], range(64)))
        assert set(answers) == {(200, b"public")}
        assert agent.metrics()["cache_calls_total"] == 1
    finally:
        assert agent.end() == 0


def test_connections_to_the_loopback_address_leave_room_for_others(home, tmp_path):
    """Whoever is on the machine can make them, without a token."""
    agent = Agent(home, tmp_path)
    others = []
    try:
        for _ in range(300):
            others.append(socket.create_connection(("127.0.0.1", agent.port)))
            others[-1].sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert others[200].recv(99).startswith(b"HTTP/1.1 200")
        assert agent.read("secret://dev/public-key")[:2] == (200, b"public")
        assert 256 <= len(os.listdir(f"/proc/{agent.process.pid}/fd")) < 300
    finally:
        for other in others:
            other.close()
        assert agent.end() == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give capabilities")
def test_commands_of_the_agent_do_not_inherit_its_capabilities(home, tmp_path):
    agent = Agent(home, tmp_path, before=["setpriv", "--inh-caps=+chown", "--ambient-caps=+chown"])
    try:
        process = f"/proc/{agent.process.pid}"
        for task in os.listdir(f"{process}/task"):
            status = Path(process, "task", task, "status").read_text()
            assert re.search(r"^CapInh:\t0+1$", status, re.M), "setpriv gave nothing"
            assert re.search(r"^CapAmb:\t0+$", status, re.M), task
    finally:
        assert agent.end() == 0


def test_another_user_reads_what_the_rules_say_and_no_more(agent):
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    program = (
        "import http.client, socket, sys\n"
        "c = http.client.HTTPConnection('localhost')\n"
        "c.sock = socket.socket(socket.AF_UNIX)\n"
        "c.sock.connect(sys.argv[1])\n"
        "c.request('GET', '/v1/secrets?ref=' + sys.argv[2])\n"
        "a = c.getresponse(); print(a.status, a.read())\n")
    for directory in [agent.directory, *agent.directory.parents]:
        if oct(directory.stat().st_mode)[-1] not in "157":
            directory.chmod(directory.stat().st_mode | 0o011)
    ask = lambda reference: subprocess.run(
        ["/usr/bin/env", "python3", "-c", program, agent.path, reference], user=65534, capture_output=True, text=True, check=False)
    allowed = ask("secret://dev/public-key")
    assert allowed.stdout.startswith("200 b'public'"), allowed.stderr
    hidden, missing = ask("secret://dev/sample").stdout, ask("secret://dev/public-none").stdout
    assert hidden == missing and hidden.startswith("404"), (hidden, missing)


def test_what_is_no_read_of_a_secret_is_refused(agent):
    for target, status in [
        ("/v1/secrets", 400), ("/v1/secrets?ref=", 404), ("/v1/secrets?ref=secret://dev/", 400), ("/v1/secrets?ref=secret://other/x", 404),
        ("/v1/secrets?ref=secret://dev/json%23nothing", 400), ("/v1/secrets?ref=secret://dev/sample%23a", 400),
        ("/v1/secrets?ref=secret://dev/%zz", 400), ("/v1/secrets?ref=secret://dev/x&format=xml", 400), ("/", 404), ("/v2/x", 404),
        ("/v1/secrets?ref=secret://dev/absent", 404), ("/v1/secrets?ref=ocid1.vaultsecret.oc1.iad.x", 404),
    ]:
        assert agent.ask(target)[0] == status, target
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
        assert agent.ask("/v1/secrets?ref=secret://dev/sample", method=method)[0] == 405, method
    assert b"s3cr3t" not in agent.read("secret://dev/json#nothing")[1]


def test_an_application_of_aws_moves_by_changing_a_port(agent):
    token = (agent.directory / "token").read_text()
    ask = lambda target: agent.over_http(target, token=False, X_Aws_Parameters_Secrets_Token=token)
    status, body = ask("/secretsmanager/get?secretId=prod/db")
    told = json.loads(body)
    assert status == 200 and json.loads(told["SecretString"])["user"] == "app"
    assert told["VersionStages"] == ["AWSCURRENT"] and told["VersionId"] == "1" and told["ARN"].startswith("ocid1.vaultsecret.")
    assert json.loads(ask("/secretsmanager/get?secretId=prod/db&versionId=1")[1])["VersionId"] == "1"
    assert ask("/secretsmanager/get?secretId=prod/db&versionStage=AWSPREVIOUS")[0] == 404
    assert ask("/secretsmanager/get?secretId=unknown")[0] == 404 and ask("/secretsmanager/get")[0] == 400
    assert ask("/secretsmanager/get?secretId=prod/db&versionStage=AWSOTHER")[0] == 400


def test_an_application_of_vault_moves_by_changing_an_address(agent):
    token = (agent.directory / "token").read_text()
    ask = lambda target: agent.over_http(target, token=False, X_Vault_Token=token)
    status, body = ask("/v1/secret/data/app")
    told = json.loads(body)["data"]
    assert status == 200 and told["data"] == {"user": "app", "password": "s3cr3t-c4n4ry", "port": 5432}
    assert told["metadata"]["version"] == 1
    assert json.loads(ask("/v1/kv/data/plain")[1])["data"]["data"] == {"value": "hello from strongroom"}
    status, body = ask("/v1/secret/data/unknown")
    assert status == 404 and "errors" in json.loads(body)


def test_a_new_version_is_there_within_a_second(home, agent):
    """The vault's feed tells of it: nobody waits for a TTL of ten minutes."""
    home.new_secret("moving", b"one")
    assert agent.read("secret://dev/moving")[1] == b"one"
    assert home.strongroom("put", "secret://dev/moving", stdin=b"two").returncode == 0
    began = time.monotonic()
    while agent.read("secret://dev/moving")[1] != b"two":
        assert time.monotonic() - began < 2, "still the old version"
        time.sleep(0.01)
    assert agent.read("secret://dev/moving?stage=previous")[1] == b"one"


def test_lifetimes_that_outlast_a_rotation_are_refused(home, tmp_path):
    secret = home.new_secret("rotating", secret_rules=[oci.vault.models.SecretExpiryRule(
        rule_type="SECRET_EXPIRY_RULE", secret_version_expiry_interval="P1D")])
    tables = '\n[[secret]]\nreference = "secret://dev/rotating"\nttl = "1h"\nstale_if_error = "24h"\n'
    with pytest.raises(AssertionError, match="is not below the rotation interval"):
        Agent(home, tmp_path, tables=tables)
    assert secret.id


def test_rules_are_read_again_and_a_bad_file_changes_nothing(home, tmp_path):
    agent = Agent(home, tmp_path)
    try:
        assert agent.read("secret://dev/sample")[0] == 200
        text = agent.config.read_text()
        agent.config.write_text("nonsense")
        agent.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert agent.read("secret://dev/sample")[0] == 200
        agent.config.write_text(text.replace('references = ["secret://dev/*"]', 'references = ["secret://dev/j*"]', 2))
        agent.process.send_signal(signal.SIGHUP)
        began = time.monotonic()
        while agent.read("secret://dev/sample")[0] != 404:
            assert time.monotonic() - began < 5
            time.sleep(0.02)
        assert agent.read("secret://dev/json")[0] == 200
    finally:
        assert agent.end() == 0
    assert "the configuration stays as it was" in (tmp_path / "agent.log").read_text()


def has_read_again(agent, times=1):
    """Waits until the configuration was read again."""
    began = time.monotonic()
    while (agent.directory / "agent.log").read_text().count("the configuration was read again") < times:
        assert time.monotonic() - began < 20
        time.sleep(0.02)


def test_a_class_that_is_changed_is_in_force_when_it_is_read_again(home, tmp_path):
    agent = Agent(home, tmp_path)
    calls = lambda: agent.metrics()["cache_calls_total"]
    try:
        for _ in range(3):
            assert agent.read("secret://dev/sample")[0] == 200
        before = calls()
        agent.write(kind="development")
        agent.process.send_signal(signal.SIGHUP)
        has_read_again(agent)
        for _ in range(3):
            assert agent.read("secret://dev/sample")[0] == 200
        assert calls() == before + 3, "nothing is kept any more"
    finally:
        assert agent.end() == 0


def test_a_configuration_read_again_while_the_vault_is_silent_forgets_nothing(tmp_path):
    """The vault hangs, then is down: what is held is answered, and systemd hears all the while that the agent lives."""
    vault = Vault(tmp_path / "data")
    vault.start()
    directory = tmp_path / "agent"
    directory.mkdir()
    tables = "".join(f'\n[[secret]]\nreference = "secret://dev/{name}"\nttl = "5m"\n' for name in ("sample", "other"))
    vault.new_secret("other", b"other")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(20)
        os.environ.update(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000")
        try:
            agent = Agent(vault, directory, tables=tables)
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        try:
            while heard.recv(99).strip() != b"READY=1":
                pass
            # The feed's first answer forgets what was read before it.
            while agent.metrics()["feed_followed"] != 1:
                heard.recv(99)
            time.sleep(0.5)
            for name in ("sample", "other"):
                assert agent.read(f"secret://dev/{name}")[0] == 200
            for times, silence in enumerate((signal.SIGSTOP, signal.SIGKILL), 1):
                vault.process.send_signal(silence)
                agent.process.send_signal(signal.SIGHUP)
                last = began = time.monotonic()
                while time.monotonic() - began < 7:
                    heard.recv(99)
                    assert time.monotonic() - last < 2, "systemd would have killed it"
                    last = time.monotonic()
                has_read_again(agent, times)
                for name, content in [("sample", b"hello from strongroom"), ("other", b"other")]:
                    assert agent.read(f"secret://dev/{name}")[:2] == (200, content)
        finally:
            vault.process.kill()
            vault.process.wait()
            assert agent.end() == 0


def test_an_agent_whose_vault_is_silent_starts_and_ends(home, tmp_path):
    """The socket is there at once; what cannot be read at the start is read when it is asked for."""
    tables = "".join(f'\n[[secret]]\nreference = "secret://dev/{name}"\n' for name in ("sample", "json", "bytes"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        flags = ("--endpoint", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        agent = Agent(home, tmp_path, tables=tables, flags=flags)
        assert time.monotonic() - began < 15 and agent.end() == 0
        command = [str(BINARY), "agent", "--agent-config", agent.config, "--data-dir", home.directory, *flags]
        told = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.exists(agent.path):
            assert time.monotonic() - began < 30
            time.sleep(0.01)
        told.send_signal(signal.SIGTERM)
        assert told.wait(timeout=3) == 0 and not os.path.exists(agent.path)


def test_ten_configurations_that_cannot_be_used(home, tmp_path):
    config = tmp_path / "agent.toml"
    good = 'socket = "/tmp/x.sock"\n[[allow]]\nreferences = ["secret://dev/*"]\n'
    check = lambda text: (config.write_text(text), subprocess.run(
        [str(BINARY), "agent", "--check", "--agent-config", config], capture_output=True, check=False))[1]
    assert check(good).returncode == 0
    broken = tmp_path / "broken"
    broken.write_text("{{ x")
    for text, what in [
        ("", "nothing to do"), ('http = "0.0.0.0:1"\ntoken_file = "t"\n', "loopback"), ('http = "127.0.0.1:1"\n', "go together"),
        ('socket = "/tmp/x.sock"\n', "nobody may read"), (good.replace("secret://dev/*", "*"), "must begin with secret://"),
        ('socket_mode = "0777"\n' + good, "octal mode"), ('ttl = "2d"\n' + good, "longer than 1 h"), ('ttl = "soon"\n' + good, "whole number"),
        ("unknown = 1\n" + good, "unknown field"), (good + '[names]\n"a" = "b"\n', "secret://"), ("[", "expected"), ('consumer = "a"\n' + good, "nothing to tell of"),
        ('consumer = "web 1"\n' + good + '[[secret]]\nreference = "secret://dev/x"\n', "consumer must be"),
        (good.replace("/tmp/x.sock", ""), "1 to 107 bytes"), (good.replace("/tmp/x.sock", "/tmp/" + "x" * 108), "1 to 107 bytes"),
        (good + f'[[file]]\npath = "{tmp_path}/o"\ntemplate = "{broken}"\n', "cannot render"),
    ]:
        done = check(text)
        assert done.returncode == 3 and what in done.stderr.decode(), (text, done.stderr.decode())
    absent = subprocess.run([str(BINARY), "agent", "--agent-config", tmp_path / "none"], capture_output=True, check=False)
    assert absent.returncode == 3


def test_one_socket_has_one_agent_and_a_dead_ones_is_taken_over(home, tmp_path):
    agent = Agent(home, tmp_path)
    second = subprocess.run(
        [str(BINARY), "agent", "--agent-config", agent.config, "--data-dir", home.directory], capture_output=True, timeout=20, check=False)
    assert second.returncode == 3 and b"another agent answers there" in second.stderr
    # Whoever has the running agent's token still has it.
    assert agent.over_http("/v1/secrets?ref=secret://dev/sample")[0] == 200
    agent.process.kill()
    agent.process.wait()
    agent.log.close()
    assert os.path.exists(agent.path)
    again = Agent(home, tmp_path)
    assert again.read("secret://dev/sample")[0] == 200
    assert again.end() == 0


def test_nothing_but_a_socket_is_replaced_or_taken_away(home, tmp_path):
    place = tmp_path / "run" / "agent.sock"
    place.parent.mkdir()
    place.write_text("precious")
    for flags in ((), ("--check",)):
        with pytest.raises(AssertionError, match="is there, and is no socket"):
            Agent(home, tmp_path, flags=flags)
        assert place.read_text() == "precious"
    place.unlink()
    agent = Agent(home, tmp_path)
    place.unlink()
    with socket.socket(socket.AF_UNIX) as another:
        another.bind(str(place))
        assert agent.end() == 0
        assert place.is_socket()


def test_it_is_ready_while_the_vault_answers(tmp_path):
    vault = Vault(tmp_path / "data", "--listen", f"127.0.0.1:{free_port()}")
    vault.start()
    agent = Agent(vault, tmp_path)

    def until(status):
        began = time.monotonic()
        while agent.ask("/ready")[0] != status:
            assert time.monotonic() - began < 20, f"not {status}"
            time.sleep(0.05)

    probe = [str(BINARY), "agent", "--agent-config", agent.config, "--probe"]
    until(200)
    assert agent.read("secret://dev/sample")[0] == 200
    vault.process.kill()
    vault.process.wait()
    until(503)
    assert subprocess.run(probe, capture_output=True, check=False).returncode == 1
    assert agent.ask("/health")[0] == 200
    vault.start()
    until(200)
    assert agent.end() == 0 and vault.end() == 0


def test_a_log_that_takes_no_more_ends_nobody(home, tmp_path):
    """Neither agent nor server: the disk of a log is full one day."""
    Agent(home, tmp_path).end()
    with open("/dev/full", "wb") as full:
        agent = subprocess.Popen(
            [str(BINARY), "agent", "--agent-config", tmp_path / "agent.toml", "--data-dir", home.directory],
            stdout=full, stderr=full)
        server = subprocess.Popen(
            [str(BINARY), "dev", "--data-dir", tmp_path / "dev", "--listen", "127.0.0.1:0"],
            stdout=subprocess.DEVNULL, stderr=full)
        began = time.monotonic()
        while not ((tmp_path / "run" / "agent.sock").exists() and (tmp_path / "dev" / "dev.json").exists()):
            assert agent.poll() is None and server.poll() is None and time.monotonic() - began < 20
            time.sleep(0.02)
        asking = OverSocket(str(tmp_path / "run" / "agent.sock"))
        for _ in range(3):
            agent.send_signal(signal.SIGHUP)
            asking.request("GET", "/v1/secrets?ref=secret://dev/sample")
            answer = asking.getresponse()
            assert (answer.status, answer.read()) == (200, b"hello from strongroom")
        for process in (agent, server):
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0


def test_a_right_that_is_taken_away_is_gone_and_an_outage_is_bridged(tmp_path):
    """A refusal is never masked by stale-if-error; a vault that is down is, within its bound."""
    vault = Vault(tmp_path / "data", "--listen", "127.0.0.1:0")
    vault.start()
    iam, tenancy = vault.client(oci.identity.IdentityClient), vault.dev["tenancy_id"]
    rule = f"Any {{instance.compartment.id = '{vault.dev['instance_compartment_id']}'}}"
    iam.create_dynamic_group(models.CreateDynamicGroupDetails(
        compartment_id=tenancy, name="machines", description="d", matching_rule=rule))
    policy = new_policy(iam, tenancy, "machines", "Allow dynamic-group machines to read secret-family in tenancy",
                        "Allow dynamic-group machines to use keys in tenancy")
    directory = tmp_path / "agent"
    directory.mkdir()
    os.environ["OCI_METADATA_BASE_URL"] = vault.dev["imds_url"]
    os.environ["STRONGROOM_AUTH"] = "instance_principal"
    try:
        agent = Agent(vault, directory, more='ttl = "1s"\nstale_if_error = "10m"')
    finally:
        del os.environ["OCI_METADATA_BASE_URL"], os.environ["STRONGROOM_AUTH"]
    try:
        assert agent.read("secret://dev/sample")[0] == 200
        iam.delete_policy(policy.id)
        began = time.monotonic()
        while agent.read("secret://dev/sample")[0] == 200:
            assert time.monotonic() - began < 5, "the right outlived its TTL"
            time.sleep(0.05)
        assert agent.read("secret://dev/sample")[0] == 404
        new_policy(iam, tenancy, "again", "Allow dynamic-group machines to read secret-family in tenancy",
                   "Allow dynamic-group machines to use keys in tenancy")
        while agent.read("secret://dev/sample")[0] != 200:
            assert time.monotonic() - began < 30
            time.sleep(0.1)
        vault.process.kill()
        vault.process.wait()
        time.sleep(2)
        status, content, headers = agent.read("secret://dev/sample")
        assert (status, content, headers.get("x-strongroom-stale")) == (200, b"hello from strongroom", "true")
        assert agent.read("secret://dev/never-read")[0] == 502
    finally:
        assert agent.end() == 0


def test_the_examples_read_from_the_agent(agent):
    from vault import ROOT
    environment = {**os.environ, "STRONGROOM_AGENT_SOCKET": agent.path, "PYTHONPATH": str(ROOT / "examples")}
    program = "import sys, strongroom_agent as a; sys.stdout.buffer.write(a.secret(sys.argv[1]))"
    run = lambda command, reference: subprocess.run([*command, reference], capture_output=True, env=environment, check=False)
    for command in ([sys.executable, "-c", program], [str(ROOT / "examples" / "agent.sh")]):
        assert run(command, "secret://dev/json#password").stdout == b"s3cr3t-c4n4ry"
        assert run(command, "secret://dev/bytes").stdout == bytes(range(256))
        failed = run(command, "secret://dev/absent")
        assert failed.returncode != 0 and failed.stdout == b"", "an error would be taken for the secret"
        assert b"no such secret" in failed.stderr or b"error: 404" in failed.stderr


def test_the_agents_page_shows_a_configuration_that_can_be_used(tmp_path):
    from vault import ROOT
    page = (ROOT / "docs" / "agent.md").read_text()
    blocks = [part.split("```")[0] for part in page.split("```toml\n")[1:]]
    (tmp_path / "app.conf.tmpl").write_text("{{ secret('secret://prod/db') }}")
    files = blocks[3].replace("/etc/app/", f"{tmp_path}/").replace('":app"', '":0"')
    whole = blocks[1] + blocks[0] + blocks[2] + files
    (tmp_path / "agent.toml").write_text(whole)
    done = subprocess.run([str(BINARY), "agent", "--check", "--agent-config", tmp_path / "agent.toml"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_systemd_hears_that_it_is_ready_lives_and_stops(home, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(20)
        os.environ.update(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000")
        try:
            agent = Agent(home, tmp_path)
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        told = []
        while told.count(b"WATCHDOG=1") < 3 or b"READY=1" not in told:
            told.append(heard.recv(99).strip())
        assert agent.end() == 0
        last = b""
        while last != b"STOPPING=1":
            last = heard.recv(99).strip()


def test_the_vault_knows_which_version_this_machine_holds(home, tmp_path):
    """A rotation that waits for its consumers waits for this one, and not for one that has stopped."""
    home.new_secret("held", b"one")
    tables = '\n[[secret]]\nreference = "secret://dev/held"\n'
    agent = Agent(home, tmp_path, more='consumer = "web-1"\nconsumer_grace = "1s"', tables=tables)
    consumers = lambda: {row["consumerName"]: row["versionNumber"] for row in json.loads(
        home.strongroom("versions", "secret://dev/held", "--consumers", "--json").stdout)}
    until = lambda wanted: next(time.monotonic() for _ in range(100) if consumers() == wanted or time.sleep(0.1))
    until({"web-1": 1})
    assert home.strongroom("put", "secret://dev/held", stdin=b"two").returncode == 0
    until({"web-1": 2})
    assert agent.end() == 0
    assert consumers() == {}
