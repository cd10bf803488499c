"""Rotation that nobody notices: a real PostgreSQL, clients that log in all the time, and a server that is killed."""

import json
import random
import signal
import sqlite3
import threading
import time

import oci
import psycopg
import pytest
from oci.vault import VaultsClient
from oci.vault import models as m

from postgres import PASSWORD, Postgres
from vault import Vault, content_in

TARGET = "ocid1.fnfunc.oc1.iad.app-db"
CLIENTS = 50
STEPS = ["VERIFY_CONNECTION", "CREATE_PENDING_VERSION", "UPDATE_TARGET_SYSTEM", "PROMOTE_PENDING_VERSION"]


@pytest.fixture(scope="module")
def database():
    server = Postgres()
    server.start()
    server.administer(
        "CREATE ROLE app_a LOGIN PASSWORD 'f1rst-password'", "CREATE ROLE app_b LOGIN",
        f"CREATE ROLE rotator LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
    yield server
    server.stop()


@pytest.fixture
def rotating(database, tmp_path):
    """A vault that knows the database, and the secret of the application."""
    database.administer("ALTER ROLE app_a PASSWORD 'f1rst-password'", "ALTER ROLE app_b PASSWORD NULL")
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text(PASSWORD + "\n")
    targets = tmp_path / "targets.toml"
    words = f"""
[[target]]
id = "{TARGET}"
compartments = ["COMPARTMENT"]

[target.postgresql]
host = "127.0.0.1"
port = {database.port}
database = "postgres"
roles = ["app_a", "app_b"]
admin = "rotator"
admin_password_file = "{password}"
plaintext = true
"""
    targets.write_text(words.replace("COMPARTMENT", "ocid1.compartment.oc1..other"))
    server = Vault(tmp_path / "data", "--listen", "127.0.0.1:0", "--target-config", str(targets))
    server.start()
    server.end()
    # Which compartment there is was not known before.
    targets.write_text(words.replace("COMPARTMENT", server.dev["compartment_id"]))
    server.start()
    content = json.dumps({"username": "app_a", "password": "f1rst-password", "host": "db"}).encode()
    config = m.RotationConfig(target_system_details=m.FunctionTargetSystemDetails(function_id=TARGET))
    server.secret = server.new_secret("app-db", content, rotation_config=config)
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait()


class Application:
    """Clients that read the secret with our command and log in with what they got. While the vault is away
    they use what they read last, as an application with a cache does."""

    def __init__(self, server, database, count):
        self.server, self.database = server, database
        self.logins, self.failures, self.users = 0, [], set()
        self.lock, self.done = threading.Lock(), threading.Event()
        self.rounds = [0] * count
        self.threads = [threading.Thread(target=self.live, args=[number]) for number in range(count)]

    def live(self, number):
        login = None
        while not self.done.is_set():
            read = self.server.strongroom("get", "secret://dev/app-db")
            if read.returncode == 0:
                login = json.loads(read.stdout)
            if login is None:
                continue
            try:
                user = self.database.login(login["username"], login["password"])
            except psycopg.Error as error:
                with self.lock:
                    self.failures.append(str(error))
                continue
            with self.lock:
                self.logins += 1
                self.users.add(user)
                self.rounds[number] += read.returncode == 0

    def catch_up(self):
        """Waits until every client has read the secret anew: nobody is two rotations behind."""
        before = list(self.rounds)
        end = time.monotonic() + 60
        while any(now < then + 2 for now, then in zip(self.rounds, before)):
            assert time.monotonic() < end and not self.failures, self.failures
            time.sleep(0.01)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *raised):
        self.done.set()
        for thread in self.threads:
            thread.join()


def rotated(server, until_secs=60):
    """Waits until no rotation is going on and returns the secret."""
    client = server.client(VaultsClient)
    end = time.monotonic() + until_secs
    while time.monotonic() < end:
        secret = client.get_secret(server.secret.id).data
        if secret.rotation_status != "IN_PROGRESS":
            return secret
        time.sleep(0.02)
    raise AssertionError(client.get_secret(server.secret.id).data)


def test_ten_rotations_under_fire(rotating, database):
    """50 clients, ten rotations, no failed login."""
    client = rotating.client(VaultsClient)
    with Application(rotating, database, CLIENTS) as application:
        for number in range(2, 12):
            assert client.rotate_secret(rotating.secret.id).status == 202
            secret = rotated(rotating)
            assert (secret.current_version_number, secret.lifecycle_details) == (number, None)
            application.catch_up()
    print(f"{application.logins} logins of {CLIENTS} clients during ten rotations, {len(application.failures)} failed")
    assert application.failures == []
    assert application.users == {"app_a", "app_b"} and application.logins >= 10 * CLIENTS
    last = json.loads(content_in(rotating.client(oci.secrets.SecretsClient).get_secret_bundle(rotating.secret.id).data))
    assert last["host"] == "db" and database.login(last["username"], last["password"])


def step_at_death(server):
    """The step that the killed server had not finished, from its database."""
    for path in server.directory.rglob("*"):
        if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3":
            with sqlite3.connect(path) as store:
                key = b"s/" + server.secret.id.encode()
                (row,) = store.execute("SELECT v FROM kv WHERE k = ?", (key,)).fetchone()
            run = json.loads(row)["row"]["secret"]["rotation"]["run"]
            return run and run["step"]
    raise AssertionError("no database")


def test_killed_at_every_step(rotating, database):
    """The server dies during each of the four steps; nobody is locked out, and the rotation ends."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    died = {step: 0 for step in STEPS}
    longest = 0.2
    waits = {step: [0.0, longest] for step in STEPS}
    with Application(rotating, database, 4) as application:
        for attempt in range(150):
            wanted = min(STEPS, key=lambda step: died[step])
            if all(died.values()):
                break
            client = rotating.client(VaultsClient)
            client.rotate_secret(rotating.secret.id)
            low, high = waits[wanted]
            wait = chance.uniform(low, high)
            time.sleep(wait)
            rotating.end(signal.SIGKILL)
            step = step_at_death(rotating)
            if step in died:
                died[step] += 1
            place = STEPS.index(step) if step in STEPS else len(STEPS)
            if place < STEPS.index(wanted):
                waits[wanted][0] = (low + wait) / 2
            elif place > STEPS.index(wanted):
                waits[wanted][1] = (high + wait) / 2
            if waits[wanted][1] - waits[wanted][0] < 0.002 or attempt % 12 == 11:
                # On a slow machine the step may begin later than that.
                longest = min(2 * longest, 3.2)
                waits[wanted] = [0.0, longest]
            rotating.start()
            secret = rotated(rotating)
            assert secret.lifecycle_details is None, secret
            login = json.loads(content_in(
                rotating.client(oci.secrets.SecretsClient).get_secret_bundle(rotating.secret.id).data))
            assert database.login(login["username"], login["password"]) == login["username"]
            application.catch_up()
    print(f"killed at {died}, {application.logins} logins, {len(application.failures)} failed")
    assert all(died.values()), died
    assert application.failures == [] and application.logins > 0


def test_a_database_that_is_away_strands_nobody(rotating, database):
    """A step that fails is told, tried again, and leaves the current version as it was."""
    client = rotating.client(VaultsClient)
    database.administer("ALTER ROLE rotator NOLOGIN")
    client.rotate_secret(rotating.secret.id)
    end = time.monotonic() + 20
    while "UPDATE_TARGET_SYSTEM" not in (client.get_secret(rotating.secret.id).data.lifecycle_details or ""):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert client.get_secret(rotating.secret.id).data.current_version_number == 1
    assert database.login("app_a", "f1rst-password") == "app_a"
    database.administer("ALTER ROLE rotator LOGIN")
    secret = rotated(rotating)
    assert (secret.current_version_number, secret.lifecycle_details) == (2, None)


def test_passwords_stay_out_of_every_log(rotating, database):
    client = rotating.client(VaultsClient)
    database.administer("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
    client.rotate_secret(rotating.secret.id)
    rotated(rotating)
    login = json.loads(content_in(
        rotating.client(oci.secrets.SecretsClient).get_secret_bundle(rotating.secret.id).data))
    database.administer("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
    log = (database.directory / "log").read_text()
    assert "ALTER ROLE" in log and login["password"] not in log
    assert login["password"] not in rotating.log.read_text()


def comment_of(database, role):
    where = {"host": "127.0.0.1", "port": database.port, "dbname": "postgres"}
    with psycopg.connect(user="admin", password=PASSWORD, **where) as connection:
        row = connection.execute("SELECT shobj_description(%s::regrole, 'pg_authid')", [role]).fetchone()
    return row[0]


def test_a_step_that_comes_too_late_changes_nothing(rotating, database):
    """A role's comment notes the version that its password is of; a step of an older one is refused there."""
    client = rotating.client(VaultsClient)
    database.administer("COMMENT ON ROLE app_b IS 'of the shop'", "COMMENT ON ROLE app_a IS NULL")
    client.rotate_secret(rotating.secret.id)
    assert rotated(rotating).current_version_number == 2
    assert comment_of(database, "app_b") == f"of the shop [strongroom: {rotating.secret.id} 2]"
    # As if version 9 had got there while this rotation was held up.
    database.administer(f"COMMENT ON ROLE app_a IS '[strongroom: {rotating.secret.id} 9]'")
    client.rotate_secret(rotating.secret.id)
    secret = rotated(rotating)
    assert secret.current_version_number == 2
    assert "a newer version of this secret set the password of app_a" in secret.lifecycle_details
    assert database.login("app_a", "f1rst-password") == "app_a"
    # What another secret has set does not count.
    database.administer("COMMENT ON ROLE app_a IS '[strongroom: ocid1.vaultsecret.oc1.iad.other 9]'")
    client.rotate_secret(rotating.secret.id)
    assert rotated(rotating).current_version_number > 2
    with pytest.raises(psycopg.OperationalError):
        database.login("app_a", "f1rst-password")
