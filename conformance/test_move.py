"""A store is moved: from the file to PostgreSQL and back, while the source goes on answering reads."""

import json
import os
import threading
import time

import oci
import pytest
from oci.exceptions import ServiceError

from postgres import Postgres
from serving import Server
from test_backup import contents, fill
from test_serve import strongroom

SECRETS = int(os.environ.get("STRONGROOM_MOVE_SECRETS", "300"))
EVER = ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z")


def connection(server):
    return "--endpoint", server.url, "--config-file", server.profile


def admin(server, *command):
    done = strongroom("admin", *command, *connection(server))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def database():
    made = Postgres()
    made.start()
    made.administer("CREATE ROLE strongroom LOGIN PASSWORD 'p4ss/word'")
    yield made
    made.stop()


def wait_for(condition, secs=60):
    until = time.monotonic() + secs
    while not condition():
        assert time.monotonic() < until, "in vain"
        time.sleep(0.01)


def url_of(database, name):
    database.administer(f"CREATE DATABASE {name} OWNER strongroom")
    return f"postgres://strongroom:p4ss%2Fword@127.0.0.1:{database.port}/{name}"


def pages(server):
    """What ListSecrets tells, page by page, with the tokens between."""
    vaults, page, told = server.client(oci.vault.VaultsClient), None, []
    while True:
        more = {"page": page} if page else {}
        got = vaults.list_secrets(server.admin["tenancy"], limit=100, sort_by="NAME", **more)
        told.append(([(one.id, one.secret_name) for one in got.data], got.headers.get("opc-next-page")))
        page = got.headers.get("opc-next-page")
        if not page:
            return told


def history(server, secret_id):
    vaults = server.client(oci.vault.VaultsClient)
    secret = vaults.get_secret(secret_id)
    versions = vaults.list_secret_versions(secret_id).data
    return secret.headers["etag"], [(one.version_number, one.stages, str(one.time_created)) for one in versions]


def events(server):
    return {event.event_id for event in server.client(oci.audit.AuditClient).list_events(
        server.admin["tenancy"], *EVER).data}


def test_there_and_back(database, tmp_path):
    source = Server(tmp_path / "source").init().start().furnish()
    secret_ids = fill(source, SECRETS)
    vaults = source.client(oci.vault.VaultsClient)
    for secret_id in secret_ids[:5]:
        vaults.update_secret(secret_id, oci.vault.models.UpdateSecretDetails(description="changed"))
        vaults.update_secret(secret_id, oci.vault.models.UpdateSecretDetails(
            secret_content=oci.vault.models.Base64SecretContentDetails(content="bmV3", stage="CURRENT")))
    there = Server(tmp_path / "there", url_of(database, "moved"), address="127.0.0.2").like(source)
    back = Server(tmp_path / "back", address="127.0.0.3").like(source)
    for number, (one, other) in enumerate([(source, there), (there, back)]):
        assert "changes are refused" in admin(one, "read-only", "on")
        expected = contents(one, secret_ids), pages(one), [history(one, secret) for secret in secret_ids[:9]]
        listed = events(one)
        file = tmp_path / f"{number}.backup"
        told = json.loads(one.run("admin", "backup", "-o", file, "--json"))
        assert json.loads(other.run("admin", "restore", file, "--json")) == told
        other.start()
        got = contents(other, secret_ids), pages(other), [history(other, secret) for secret in secret_ids[:9]]
        assert got == expected
        assert listed <= events(other)
        # What was read-only is the source alone.
        assert other.content(other.new_secret(f"after-{number}", b"new").id) == b"new"
    for one in (source, there, back):
        assert one.end() == 0


def test_read_only_refuses_changes_and_nothing_else(tmp_path):
    """What was acknowledged before `read-only on` answered is all there is; reads go on, and are recorded."""
    server = Server(tmp_path / "server").init().start().furnish()
    kept = server.new_secret("kept", b"kept")
    acknowledged, refused, done = [], [], threading.Event()

    def write(name):
        vaults = server.client(oci.vault.VaultsClient)
        for number in range(10_000):
            if done.is_set():
                return
            try:
                acknowledged.append(server.new_secret(f"{name}-{number}", b"x", vaults).id)
            except ServiceError as error:
                refused.append(error)

    writers = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(4)]
    for writer in writers:
        writer.start()
    wait_for(lambda: len(acknowledged) >= 20)
    assert json.loads(admin(server, "read-only", "on", "--json")) == {"isReadOnly": True}
    file = tmp_path / "store.backup"
    first = json.loads(server.run("admin", "backup", "-o", file, "--json"))
    wait_for(lambda: len(refused) >= 20)
    done.set()
    for writer in writers:
        writer.join()
    assert all((error.status, error.code) == (503, "ServiceUnavailable") for error in refused)
    assert "read-only" in refused[0].message
    copy = Server(tmp_path / "copy", address="127.0.0.2").like(server)
    assert json.loads(copy.run("admin", "restore", file, "--json")) == first
    copy.start()
    assert copy.end() == 0
    # A restart changes nothing about it.
    assert server.end() == 0
    server.start()
    assert server.content(kept.id) == b"kept"
    before = len(events(server))
    server.content(kept.id)
    assert len(events(server)) > before
    iam = server.client(oci.identity.IdentityClient)
    with pytest.raises(ServiceError) as error:
        iam.create_group(oci.identity.models.CreateGroupDetails(
            compartment_id=server.admin["tenancy"], name="g", description="d"))
    assert error.value.status == 503
    assert "changes are taken" in admin(server, "read-only", "off")
    assert server.content(server.new_secret("again", b"y").id) == b"y"
    names = {one.id for one in oci.pagination.list_call_get_all_results(
        server.client(oci.vault.VaultsClient).list_secrets, server.admin["tenancy"]).data}
    assert set(acknowledged) <= names
    assert server.end() == 0
