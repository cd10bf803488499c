"""A server under test: the release binary, its files, and Oracle's clients pointed at it."""

import base64
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request

import oci
import pytest
from oci.exceptions import ServiceError

import record

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("STRONGROOM_BIN", ROOT / "target" / "release" / "strongroom"))
OCI = pathlib.Path(sys.executable).parent / "oci"
READY_SECS_MAX = 20


class Vault:
    """A development server in a directory; survives being stopped, killed and started again."""

    def __init__(self, directory, *arguments, **environment):
        self.directory = pathlib.Path(directory)
        self.own_environment = {**os.environ, **environment}
        self.arguments = list(arguments) or ["--listen", "127.0.0.1:0"]
        self.log = self.directory.parent / (self.directory.name + ".log")
        self.process = None

    def start(self):
        """Starts the server and returns the seconds until it was ready."""
        began = time.monotonic()
        command = [str(BINARY), "dev", "--data-dir", str(self.directory), *self.arguments]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.own_environment)
        while time.monotonic() - began < READY_SECS_MAX:
            try:
                dev = json.loads((self.directory / "dev.json").read_text())
                if dev["pid"] == self.process.pid:
                    self.dev = dev
                    return time.monotonic() - began
            except (FileNotFoundError, json.JSONDecodeError):
                pass
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}: {self.log.read_text()}")
            time.sleep(0.005)
        raise AssertionError("not ready: " + self.log.read_text())

    def end(self, how=signal.SIGTERM):
        """Sends a signal and returns the exit code."""
        self.process.send_signal(how)
        return self.process.wait(timeout=20)

    def environment(self, **more):
        keep = {key: value for key, value in os.environ.items() if not key.startswith("OCI_")}
        return {
            **keep,
            "OCI_CLI_CONFIG_FILE": str(self.directory / "oci" / "config"),
            "OCI_CLI_ENDPOINT": self.dev["base_url"],
            "SUPPRESS_LABEL_WARNING": "True",
            **more,
        }

    def oci(self, *arguments, ok=True, **more):
        """Runs Oracle's command line; returns its JSON, or for a failure what it printed."""
        environment = self.environment(**more)
        if arguments[0] == "raw-request":
            del environment["OCI_CLI_ENDPOINT"]
        done = subprocess.run(
            [str(OCI), *map(str, arguments)],
            capture_output=True, text=True, env=environment, timeout=120, check=False,
        )
        refused = re.search(r'"status": (\d+)', done.stderr)
        status = int(refused.group(1)) if refused else 200 if done.returncode == 0 else 599
        record.note("oci", record.operation_of(arguments), status)
        if not ok:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def strongroom(self, *arguments, stdin=b""):
        """Runs our own command line against this server."""
        command = [str(BINARY), *map(str, arguments), "--data-dir", str(self.directory)]
        return subprocess.run(command, capture_output=True, input=stdin, timeout=60, check=False)

    def config(self):
        return oci.config.from_file(str(self.directory / "oci" / "config"))

    def client(self, kind, endpoint=None, **config):
        """Makes a client of Oracle's Python SDK that does not try again by itself."""
        return record.Recorded(kind(
            {**self.config(), **config},
            service_endpoint=endpoint or self.dev["base_url"],
            retry_strategy=oci.retry.NoneRetryStrategy(),
            circuit_breaker_strategy=oci.circuit_breaker.NoCircuitBreakerStrategy(),
        ))

    def advance(self, **duration):
        """Turns the server's clock; what falls due is done when this returns."""
        secs = int(datetime.timedelta(**duration).total_seconds())
        request = urllib.request.Request(
            self.dev["base_url"] + "/_strongroom/clock",
            json.dumps({"advanceSeconds": secs}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["now"]

    def signer(self):
        config = self.config()
        return oci.signer.Signer(
            config["tenancy"], config["user"], config["fingerprint"], config["key_file"]
        )

    def new_secret(self, name, content=b"value", **more):
        """Makes a secret with the SDK and returns it."""
        details = oci.vault.models.CreateSecretDetails(
            compartment_id=self.dev["compartment_id"],
            vault_id=self.dev["vault_id"],
            key_id=self.dev["key_id"],
            secret_name=name,
            secret_content=content_of(content),
            **more,
        )
        return self.client(oci.vault.VaultsClient).create_secret(details).data


def content_of(content, **more):
    return oci.vault.models.Base64SecretContentDetails(
        content_type="BASE64", content=base64.b64encode(content).decode(), **more
    )


def content_in(bundle):
    return base64.b64decode(bundle.secret_bundle_content.content)


def absent(ocid):
    """An identifier that differs in its last character."""
    return ocid[:-1] + ("3" if ocid.endswith("2") else "2")


def refusal(status, code, call, *arguments, **more):
    """Makes a call of the Python SDK that is to be refused; returns the error."""
    with pytest.raises(ServiceError) as raised:
        call(*arguments, **more)
    assert (raised.value.status, raised.value.code) == (status, code), raised.value.message
    return raised.value
