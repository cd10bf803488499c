"""`strongroom serve` with files of its own, and Oracle's clients pointed at it."""

import signal
import socket
import subprocess
import time

import oci

import record
from test_serve import private
from vault import BINARY, content_in, content_of

PASSPHRASE = b"correct horse\n"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Server:
    """Its store is the file in its directory, or the database whose URL is given."""

    def __init__(self, directory, database=None, passphrase=PASSPHRASE, port=None, address="127.0.0.1"):
        self.directory, self.process = directory, None
        self.admin = self.profile = self.vault = self.key = None
        self.data = directory / "data"
        self.url = f"http://{address}:{port or free_port()}"
        directory.mkdir(parents=True, exist_ok=True)
        private(directory / "passphrase", passphrase)
        text = f"data_dir = '{self.data}'\nlisten = '{self.url[7:]}'\n"
        if database:
            private(directory / "url", database.encode())
            text += f"[database]\nurl_file = '{directory}/url'\n"
        self.config = directory / "strongroom.toml"
        self.config.write_text(f"{text}[unseal]\npassphrase_file = '{directory}/passphrase'\n")

    def init(self):
        made = self.run("init")
        profile, _, pem = made.partition("-----BEGIN")
        lines = (line.partition("=") for line in profile.splitlines() if "=" in line)
        told = {name: value for name, _, value in lines}
        private(self.directory / "admin.pem", ("-----BEGIN" + pem).encode())
        self.admin = {
            **{name: told[name] for name in ("user", "fingerprint", "tenancy", "region")},
            "key_file": str(self.directory / "admin.pem"), "log_requests": False,
        }
        section = "".join(f"{name}={value}\n" for name, value in self.admin.items() if name != "log_requests")
        self.profile = self.directory / "profile"
        private(self.profile, f"[DEFAULT]\n{section}".encode())
        return self

    def like(self, other):
        """The same tenancy: administrator, vault and key are those of the other."""
        self.admin, self.profile, self.vault, self.key = other.admin, other.profile, other.vault, other.key
        return self

    def run(self, *command):
        """Runs a command of the binary that is to succeed."""
        done = self.try_run(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_run(self, *command):
        at = 2 if command[0] == "admin" else 1
        words = [BINARY, *command[:at], "--config", self.config, *command[at:]]
        return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=900, check=False)

    def start(self):
        refused = self.try_start()
        assert not refused, refused
        return self

    def try_start(self):
        """Starts it; if it ends before it is ready, returns its exit code and what it said."""
        log = self.directory / "log"
        with open(log, "wb") as file:
            self.process = subprocess.Popen([str(BINARY), "serve", "--config", str(self.config)], stdout=file, stderr=file)
        while b'"ready"' not in log.read_bytes():
            if (code := self.process.poll()) is not None:
                return code, log.read_text()
            time.sleep(0.01)
        return None

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(timeout=20)
        self.process = None
        return code

    def client(self, kind, endpoint=None):
        return record.Recorded(kind(
            self.admin, service_endpoint=endpoint or self.url, retry_strategy=oci.retry.NoneRetryStrategy(),
            circuit_breaker_strategy=oci.circuit_breaker.NoCircuitBreakerStrategy()))

    def new_vault(self, name):
        kms = self.client(oci.key_management.KmsVaultClient)
        vault = kms.create_vault(oci.key_management.models.CreateVaultDetails(
            compartment_id=self.admin["tenancy"], display_name=name, vault_type="DEFAULT")).data
        while vault.lifecycle_state != "ACTIVE":
            vault = kms.get_vault(vault.id).data
        return vault

    def new_key(self, vault):
        management = self.client(oci.key_management.KmsManagementClient, vault.management_endpoint)
        return management.create_key(oci.key_management.models.CreateKeyDetails(
            compartment_id=self.admin["tenancy"], display_name="k",
            key_shape=oci.key_management.models.KeyShape(algorithm="AES", length=32))).data

    def furnish(self):
        self.vault = self.new_vault("v")
        self.key = self.new_key(self.vault)
        return self

    def new_secret(self, name, content, client=None):
        return (client or self.client(oci.vault.VaultsClient)).create_secret(oci.vault.models.CreateSecretDetails(
            compartment_id=self.admin["tenancy"], vault_id=self.vault.id, key_id=self.key.id,
            secret_name=name, secret_content=content_of(content))).data

    def content(self, secret_id, client=None):
        return content_in((client or self.client(oci.secrets.SecretsClient)).get_secret_bundle(secret_id).data)
