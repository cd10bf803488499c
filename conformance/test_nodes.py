"""Two servers at one PostgreSQL database: what one acknowledged the other knows."""

import os
import signal
import socket
import subprocess
import time

import oci
import pytest
from oci.exceptions import ServiceError
from oci.identity import models

import record
from postgres import PASSWORD, Postgres, program
from test_identity import new_group, new_key, new_policy, new_user
from test_serve import private, strongroom
from vault import BINARY, content_in, content_of

READS = int(os.environ.get("STRONGROOM_READS_AFTER_REVOCATION", "500"))


class Node:
    """A server at an address of its own; vaults have the same ports on every node."""

    def __init__(self, directory, address, port, database, more=("", "")):
        self.directory, self.url, self.process = directory, f"http://{address}:{port}", None
        keys, tables = more
        directory.mkdir(parents=True)
        private(directory / "passphrase", b"correct horse\n")
        private(directory / "url", database.encode())
        self.config = directory / "strongroom.toml"
        self.config.write_text(
            f"data_dir = '{directory}/data'\nlisten = '{address}:{port}'\n{keys}\n"
            f"[database]\nurl_file = '{directory}/url'\n[unseal]\npassphrase_file = '{directory}/passphrase'\n{tables}\n")
        self.log = self.directory / "log"

    def start(self, **environment):
        log = self.log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", "--config", str(self.config)], stderr=file, env={**os.environ, **environment})
        while b'"ready"' not in log.read_bytes():
            assert self.process.poll() is None, log.read_text()
            time.sleep(0.02)

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=20)


class House:
    """The database, its nodes, and the administrator's clients."""

    def __init__(self, directory, count=2, more=("", "")):
        self.database = Postgres()
        self.database.start()
        self.database.administer("CREATE ROLE strongroom LOGIN PASSWORD 'p4ss/word'", "CREATE DATABASE vault OWNER strongroom")
        url = f"postgres://strongroom:p4ss%2Fword@127.0.0.1:{self.database.port}/vault"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.nodes = [Node(directory / str(n + 1), f"127.0.0.{n + 1}", port, url, more) for n in range(count)]
        made = strongroom("init", "--config", self.nodes[0].config)
        assert made.returncode == 0, made.stderr
        profile, _, pem = made.stdout.partition("-----BEGIN")
        lines = (line.partition("=") for line in profile.splitlines() if "=" in line)
        told = {name: value for name, _, value in lines}
        self.admin = {
            **{name: told[name] for name in ("user", "fingerprint", "tenancy", "region")},
            "key_content": "-----BEGIN" + pem, "key_file": None, "log_requests": False,
        }
        # Nodes share the root key: each has a copy of what is sealed.
        for number in range(2, count + 1):
            (directory / str(number) / "data").mkdir(mode=0o700)
            for name in ("root.key", "strongroom.lock"):
                private(directory / str(number) / "data" / name, (directory / "1" / "data" / name).read_bytes())
        for node in self.nodes:
            node.start()

    def client(self, kind, node, endpoint=None, **config):
        return record.Recorded(kind(
            {**self.admin, **config}, service_endpoint=endpoint or self.nodes[node].url,
            retry_strategy=oci.retry.NoneRetryStrategy(),
            circuit_breaker_strategy=oci.circuit_breaker.NoCircuitBreakerStrategy()))

    def furnish(self):
        kms, tenancy = self.client(oci.key_management.KmsVaultClient, 0), self.admin["tenancy"]
        self.vault = kms.create_vault(oci.key_management.models.CreateVaultDetails(
            compartment_id=tenancy, display_name="v", vault_type="DEFAULT")).data
        while self.vault.lifecycle_state != "ACTIVE":
            time.sleep(0.05)
            self.vault = kms.get_vault(self.vault.id).data
        management = self.client(oci.key_management.KmsManagementClient, 0, self.vault.management_endpoint)
        self.key = management.create_key(oci.key_management.models.CreateKeyDetails(
            compartment_id=tenancy, display_name="k",
            key_shape=oci.key_management.models.KeyShape(algorithm="AES", length=32))).data
        return self

    def new_secret(self, node, name, content, **more):
        return self.client(oci.vault.VaultsClient, node).create_secret(oci.vault.models.CreateSecretDetails(
            compartment_id=self.admin["tenancy"], vault_id=self.vault.id, key_id=self.key.id,
            secret_name=name, secret_content=content_of(content), **more)).data


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = House(tmp_path_factory.mktemp("nodes")).furnish()
    yield made
    assert [node.end() for node in made.nodes] == [0, 0]
    made.database.stop()


def test_a_revocation_through_one_node_is_in_force_on_the_other_at_once(house):
    """GetSecretBundle through node 2 succeeds until the policy is deleted through node 1, and never after."""
    iam, tenancy = house.client(oci.identity.IdentityClient, 0), house.admin["tenancy"]
    group, user = new_group(iam, tenancy, "readers"), new_user(iam, tenancy, "reader")
    iam.add_user_to_group(models.AddUserToGroupDetails(user_id=user.id, group_id=group.id))
    private_pem, public = new_key()
    key = iam.upload_api_key(user.id, models.CreateApiKeyDetails(key=public)).data
    secret = house.new_secret(0, "shared", b"pw")
    bundles = house.client(oci.secrets.SecretsClient, 1, user=user.id, fingerprint=key.fingerprint, key_content=private_pem)
    for _ in range(3):
        policy = new_policy(
            iam, tenancy, "read", "Allow group readers to read secret-bundles in tenancy",
            "Allow group readers to use keys in tenancy")
        assert content_in(bundles.get_secret_bundle(secret.id).data) == b"pw"
        iam.delete_policy(policy.id)
        allowed = 0
        for _ in range(READS // 3):
            try:
                bundles.get_secret_bundle(secret.id)
                allowed += 1
            except ServiceError as refused:
                assert refused.status == 404
        assert allowed == 0


def test_what_a_killed_node_acknowledged_is_there(house):
    """kill -9 of a node in the midst of writes: the other has every secret that was acknowledged."""
    there = []
    vaults = house.client(oci.vault.VaultsClient, 0)
    for number in range(60):
        details = oci.vault.models.CreateSecretDetails(
            compartment_id=house.admin["tenancy"], vault_id=house.vault.id, key_id=house.key.id,
            secret_name=f"killed-{number}", secret_content=content_of(str(number).encode()))
        try:
            there.append((vaults.create_secret(details).data.id, number))
        except (oci.exceptions.RequestException, ServiceError):
            break
        if number == 40:
            house.nodes[0].process.send_signal(signal.SIGKILL)
    assert len(there) >= 41
    house.nodes[0].process.wait()
    bundles = house.client(oci.secrets.SecretsClient, 1)
    for secret_id, number in there:
        assert content_in(bundles.get_secret_bundle(secret_id).data) == str(number).encode()
    house.nodes[0].start()
    assert content_in(house.client(oci.secrets.SecretsClient, 0).get_secret_bundle(there[-1][0]).data)


def test_without_the_database_nothing_is_answered_and_then_everything(house):
    """A node that is cut off from the store refuses (503) and does not answer from memory; it recovers by itself."""
    secret = house.new_secret(1, "outage", b"still")
    bundles = house.client(oci.secrets.SecretsClient, 1)
    assert content_in(bundles.get_secret_bundle(secret.id).data) == b"still"
    house.database.run("pg_ctl", "-D", house.database.data, "-w", "-m", "immediate", "stop")
    with pytest.raises(ServiceError) as refused:
        bundles.get_secret_bundle(secret.id)
    assert (refused.value.status, refused.value.code) == (503, "ServiceUnavailable")
    house.database.start()
    until = time.monotonic() + 10
    while True:
        try:
            assert content_in(bundles.get_secret_bundle(secret.id).data) == b"still"
            break
        except ServiceError as refused:
            assert refused.status == 503 and time.monotonic() < until
            time.sleep(0.05)


def test_no_content_stands_in_the_database(house):
    house.new_secret(0, "sealed", b"sesame-8f1b")
    dump = subprocess.run(
        [program("pg_dump"), "-h", "127.0.0.1", "-p", str(house.database.port), "-U", "admin", "vault"],
        capture_output=True, check=True, env={**os.environ, "PGPASSWORD": PASSWORD}).stdout
    assert b"COPY strongroom.kv" in dump
    for text in (b"sesame-8f1b", b"sesame-8f1b".hex().encode()):
        assert text not in dump


@pytest.mark.parametrize(("table", "told"), [
    ("url = 'postgres://u:pw@127.0.0.1/d'", "keep it in a url_file"),
    ("url = 'postgres://u@db.example.com/d'", "name its authorities"),
    ("url = 'mysql://u@127.0.0.1/d'", "cannot use the database"),
    ("", "either url or url_file"),
    ("url = 'postgres://u@127.0.0.1/d'\nurl_file = '/x'", "either url or url_file"),
    ("url_file = '{directory}/none'", "none"),
    ("url_file = '{directory}/loose'", "loose"),
    ("url = 'postgres://strongroom@127.0.0.1:{port}/absent'", "password missing"),
    ("url = 'postgres://strongroom@127.0.0.1:1/vault'", "0 of 1 hosts answer"),
    ("url = 'postgres://strongroom@127.0.0.1:{port}/vault'\nauthorities = '{directory}/loose'", "no certificate in PEM"),
    ("urls = 'x'", "unknown field"),
])
def test_wrong_configurations_name_what_is_wrong(house, tmp_path, table, told):
    private(tmp_path / "passphrase", b"x\n")
    (tmp_path / "loose").write_text("postgres://u@127.0.0.1/d")
    (tmp_path / "loose").chmod(0o644)
    table = table.format(directory=tmp_path, port=house.database.port)
    config = tmp_path / "c.toml"
    config.write_text(
        f"data_dir = '{tmp_path}/data'\nlisten = '127.0.0.1:0'\n"
        f"[database]\n{table}\n[unseal]\npassphrase_file = '{tmp_path}/passphrase'\n")
    done = strongroom("init", "--config", config)
    assert done.returncode == 3, done.stderr
    assert told in done.stderr and "pw@" not in done.stderr
    assert "BEGIN" not in done.stdout
    assert not (tmp_path / "data" / "root.key").exists()
