"""Regions of one tenancy: servers of their own, and links between them that can be cut, slowed and bent."""

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import oci

import record
from vault import BINARY, OCI, content_of

READY_SECS_MAX = 30


def free_port():
    """A port that no outgoing connection takes meanwhile."""
    while True:
        try:
            with socket.create_server(("127.0.0.1", random.randrange(10_000, 20_000))) as free:
                return free.getsockname()[1]
        except OSError:
            pass


def private(path, content):
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)


class Link:
    """A TCP link to a port: bytes go through, until it is cut; `bend` sees those that come back."""

    def __init__(self, upstream, scheme="http"):
        self.upstream, self.is_cut, self.delay, self.bend = upstream, False, 0, None
        self.carried = bytearray()
        self.streams, self.listener = [], socket.create_server(("127.0.0.1", 0))
        self.url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            here, _ = self.listener.accept()
            if self.is_cut:
                here.close()
                continue
            try:
                there = socket.create_connection(self.upstream)
            except OSError:
                here.close()
                continue
            self.streams += [here, there]
            threading.Thread(target=self.carry, args=(here, there, None), daemon=True).start()
            threading.Thread(target=self.carry, args=(there, here, "back"), daemon=True).start()

    def carry(self, source, sink, way):
        try:
            while data := source.recv(65536):
                time.sleep(self.delay)
                self.carried += data
                if way and self.bend:
                    data = self.bend(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.is_cut = True
        for stream in self.streams:
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.streams.clear()

    def mend(self):
        self.is_cut = False


class Region:
    """A server that is one region of a tenancy. `more` is for its configuration; with `authorities`, a
    file, it speaks TLS, and believes servers that one of them vouches for."""

    def __init__(self, directory, name, place=None, more="", authorities=None):
        self.name, self.directory, self.process = name, directory / name, None
        self.directory.mkdir(parents=True)
        address, self.port = self.place = place or ("127.0.0.1", free_port())
        scheme = "https" if authorities else "http"
        self.url = f"{scheme}://{address}:{self.port}"
        self.link = Link(self.place, scheme)
        self.authorities = authorities
        self.environment = {**os.environ, **({"SSL_CERT_FILE": str(authorities)} if authorities else {})}
        private(self.directory / "passphrase", b"correct horse " + name.encode())
        self.config = self.directory / "strongroom.toml"
        self.config.write_text(
            f"data_dir = '{self.directory}/data'\nlisten = '{address}:{self.port}'\n"
            f"[unseal]\npassphrase_file = '{self.directory}/passphrase'\n{more}")

    def strongroom(self, *arguments, code=0):
        done = subprocess.run(
            [str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, env=self.environment)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def admin(self, *arguments, code=0):
        return self.strongroom("admin", "region", *arguments, "--config", self.config, code=code)

    def found(self):
        made = self.strongroom("init", "--config", self.config, "--region", self.name)
        profile, _, pem = made.partition("-----BEGIN")
        private(self.directory / "admin.pem", ("-----BEGIN" + pem).encode())
        fields = dict(line.split("=", 1) for line in profile.splitlines() if "=" in line)
        self.profile = {**fields, "key_file": str(self.directory / "admin.pem")}
        self.start()

    def join(self, home):
        """Pairs this region with the home region, and starts it."""
        identity = self.directory / "home.json"
        identity.write_text(home.admin("identity"))
        own = self.strongroom("init", "--config", self.config, "--region", self.name,
                              "--join", identity, "--home-url", home.link.url)
        (self.directory / "own.json").write_text(own)
        home.admin("add", "--identity", self.directory / "own.json", "--url", self.link.url)
        self.profile = {**home.profile, "region": self.name}
        self.start()

    def start(self):
        log = self.directory / "log"
        mark = log.stat().st_size if log.exists() else 0
        with open(log, "ab") as file:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", "--config", str(self.config)], stderr=file, env=self.environment)
        until = time.monotonic() + READY_SECS_MAX
        while b'"ready"' not in log.read_bytes()[mark:]:
            assert self.process.poll() is None and time.monotonic() < until, log.read_text()[mark:]
            time.sleep(0.02)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def status(self, of=None):
        status = json.loads(self.admin("status", "--json"))
        return status if of is None else next(peer for peer in status["regions"] if peer["region"] == of.name)

    def client(self, kind, endpoint=None, **profile):
        made = kind(
            {**self.profile, **profile}, service_endpoint=endpoint or self.url,
            retry_strategy=oci.retry.NoneRetryStrategy(),
            circuit_breaker_strategy=oci.circuit_breaker.NoCircuitBreakerStrategy())
        if self.authorities:
            session = made.base_client.session
            session.verify = str(self.authorities)
            # Bundles that the environment names would be believed instead.
            session.trust_env = False
        return record.Recorded(made)

    def write_profile(self):
        """Writes a configuration as Oracle's tools read it."""
        path = self.directory / "oci-config"
        lines = ["[DEFAULT]", *(f"{key}={value}" for key, value in self.profile.items())]
        private(path, "\n".join(lines).encode())
        return path

    def oci(self, *arguments):
        """Runs Oracle's command line; returns its JSON."""
        config = self.write_profile()
        done = subprocess.run(
            [str(OCI), "--config-file", str(config), "--endpoint", self.url, *map(str, arguments)],
            capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "SUPPRESS_LABEL_WARNING": "True"})
        assert done.returncode == 0, done.stderr
        record.note("oci", record.operation_of(arguments), 200)
        return json.loads(done.stdout)["data"]

    def open_vault(self):
        """Makes a vault and a key."""
        models = oci.key_management.models
        tenancy = self.profile["tenancy"]
        self.vault = self.client(oci.key_management.KmsVaultClient).create_vault(models.CreateVaultDetails(
            compartment_id=tenancy, display_name="vault", vault_type="DEFAULT")).data
        keys = self.client(oci.key_management.KmsManagementClient, self.vault.management_endpoint)
        self.key = keys.create_key(models.CreateKeyDetails(
            compartment_id=tenancy, display_name="key", protection_mode="SOFTWARE",
            key_shape=models.KeyShape(algorithm="AES", length=32))).data

    def target(self):
        return oci.vault.models.ReplicationTarget(
            target_region=self.name, target_vault_id=self.vault.id, target_key_id=self.key.id)

    def new_secret(self, name, content, *targets):
        return self.client(oci.vault.VaultsClient).create_secret(oci.vault.models.CreateSecretDetails(
            compartment_id=self.profile["tenancy"], vault_id=self.vault.id, key_id=self.key.id, secret_name=name,
            secret_content=content_of(content),
            replication_config=oci.vault.models.ReplicationConfig(
                replication_targets=[target.target() for target in targets]))).data


def wait_for(look, secs=20):
    """Returns the first answer that is not false; what a region refuses is looked at again."""
    until = time.monotonic() + secs
    while True:
        try:
            if found := look():
                return found
        except oci.exceptions.ServiceError:
            pass
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)
