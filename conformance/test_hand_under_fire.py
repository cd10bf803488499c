"""Rotations of a real PostgreSQL password under applications that log in all the time, by every way in which the
hand gives them the password: nobody is turned away.

STRONGROOM_ROTATIONS=10 STRONGROOM_CLIENTS=8 makes it longer and harder."""

import contextlib
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time

import oci
from oci.vault import VaultsClient

from test_agent import Agent
from test_rotation import database, rotated, rotating  # noqa: F401
from test_run import until
from vault import BINARY, ROOT, content_in

ROTATIONS = int(os.environ.get("STRONGROOM_ROTATIONS", "3"))
CLIENTS = int(os.environ.get("STRONGROOM_CLIENTS", "2"))
REFERENCE = "secret://dev/app-db"
PROGRAM = str(ROOT / "conformance" / "logins.py")


class Application:
    """Runs `logins.py`, perhaps behind a command of ours, and hears what becomes of its logins."""

    def __init__(self, threads, prefix, port, *arguments, **variables):
        command = [*map(str, prefix), sys.executable, PROGRAM, str(port), str(threads), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "examples"), **variables}, text=True)
        self.threads, self.logins, self.failures, self.last = threads, 0, [], {}
        self.listener = threading.Thread(target=self.listen)
        self.listener.start()

    def listen(self):
        for line in self.process.stdout:
            word, number, fingerprint, *why = line.rstrip("\n").split(" ", 3)
            if word == "ok":
                self.logins += 1
                self.last[number] = fingerprint
            else:
                self.failures.append((time.monotonic(), number, fingerprint, *why))

    def moved_on(self, fingerprint):
        """Tells whether every thread has logged in with this password last."""
        return len(self.last) == self.threads and set(self.last.values()) == {fingerprint}

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.process.terminate()
        self.listener.join()
        self.process.wait(timeout=20)


def current(server):
    """A fingerprint of the password in use."""
    bundle = server.client(oci.secrets.SecretsClient).get_secret_bundle(server.secret.id).data
    return hashlib.sha256(json.loads(content_in(bundle))["password"].encode()).hexdigest()[:8]


def until_moved_on(server, applications):
    """Waits until nobody uses the previous password any more: it is good until the next rotation."""
    fingerprint, end = current(server), time.monotonic() + 60
    while not all(application.moved_on(fingerprint) for application in applications):
        assert time.monotonic() < end and not any(application.failures for application in applications), [
            (application.last, application.failures) for application in applications]
        time.sleep(0.01)


def rotate(server, applications):
    for number in range(2, ROTATIONS + 2):
        assert server.client(VaultsClient).rotate_secret(server.secret.id).status == 202
        secret = rotated(server)
        assert (secret.current_version_number, secret.lifecycle_details) == (number, None)
        until_moved_on(server, applications)


@contextlib.contextmanager
def agent_of(server, directory, **more):
    directory.mkdir()
    agent = Agent(server, directory, **more)
    try:
        yield agent
    finally:
        assert agent.end() == 0


def test_rotations_under_an_agent_and_restarts_and_hangups(rotating, database, tmp_path):
    """An application asks the agent for each login, one is started anew by `run`, one reads the file that `render` makes."""
    hand = [BINARY, "run", "--data-dir", rotating.directory, "--on-change"]
    template, file = tmp_path / "login.tmpl", tmp_path / "login"
    template.write_text('{{ secret("%s") }}' % REFERENCE)
    render = [BINARY, "render", template, "-o", file, "--data-dir", rotating.directory]
    subprocess.run(render, check=True)
    with contextlib.ExitStack() as stack:
        agent = stack.enter_context(agent_of(rotating, tmp_path / "agent"))
        applications = [stack.enter_context(application) for application in [
            Application(2 * CLIENTS, [], database.port, "agent", REFERENCE, STRONGROOM_AGENT_SOCKET=agent.path),
            Application(CLIENTS, [*hand, "restart", "--"], database.port, "env", "LOGIN", LOGIN=REFERENCE),
            Application(CLIENTS, [*hand, "hup", "--"], database.port, "file", file, *render, LOGIN=REFERENCE),
        ]]
        until_moved_on(rotating, applications)
        rotate(rotating, applications)
    for kind, application in zip(["agent", "restart", "hup"], applications):
        print(f"{kind}: {application.logins} logins in {ROTATIONS} rotations, {len(application.failures)} failed")
    assert [application.failures for application in applications] == [[], [], []]
    assert all(application.logins > ROTATIONS * application.threads for application in applications)


def test_rotations_that_wait_for_the_agent(rotating, database, tmp_path):
    """The vault retires each password when nobody uses it any more, though logins take seconds: it is not enough that
    the agent holds the next one."""
    assert rotating.strongroom("retire", REFERENCE, "--within", "1h").returncode == 0
    more = 'consumer = "web-1"\nconsumer_grace = "4s"'
    tables = f'\n[[secret]]\nreference = "{REFERENCE}"\n'
    rotations, seed = max(1, ROTATIONS // 3), random.randrange(2**32)
    chance = random.Random(seed)
    with agent_of(rotating, tmp_path / "agent", more=more, tables=tables) as agent:
        until(lambda: json.loads(rotating.strongroom("versions", REFERENCE, "--consumers", "--json").stdout), "a report")
        variables = {"LOGIN_PAUSE_SECS": "3", "STRONGROOM_AGENT_SOCKET": agent.path}
        with Application(4 * CLIENTS, [], database.port, "agent", REFERENCE, **variables) as application:
            until_moved_on(rotating, [application])
            for number in range(2, rotations + 2):
                time.sleep(chance.uniform(0, 1))
                assert rotating.client(VaultsClient).rotate_secret(rotating.secret.id).status == 202
                assert rotated(rotating).current_version_number == number
            until_moved_on(rotating, [application])
    print(f"{application.logins} logins in {rotations} rotations, {len(application.failures)} failed, seed {seed}")
    assert application.failures == [] and application.logins > rotations * application.threads
