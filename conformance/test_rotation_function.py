"""Rotation by a function: an HTTP server that checks the signature and does what Oracle's samples do."""

import base64
import hashlib
import http.server
import json
import re
import threading
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from oci.vault import VaultsClient
from oci.vault import models as m

from vault import Vault, content_of

GOOD, ELSEWHERE, MOVED, BROKEN = (f"ocid1.fnfunc.oc1.iad.{name}" for name in ("good", "elsewhere", "moved", "broken"))


class Function(http.server.ThreadingHTTPServer):
    """Answers `/rotate` as a rotation function; everything else badly."""

    def __init__(self, public_key):
        super().__init__(("127.0.0.1", 0), Handler)
        self.public_key = public_key
        self.steps, self.vaults = [], None


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass

    def answer(self, status, body, **headers):
        body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-length": len(body), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def check_signature(self, body):
        fields = dict(re.findall(r'(\w+)="([^"]*)"', self.headers["authorization"]))
        assert fields["keyId"] == "strongroom" and fields["version"] == "1"
        assert self.headers["x-content-sha256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
        lines = [
            f"(request-target): post {self.path}" if name == "(request-target)" else f"{name}: {self.headers[name]}"
            for name in fields["headers"].split()
        ]
        assert {"date", "host", "x-content-sha256", "(request-target)"} <= set(fields["headers"].split())
        self.server.public_key.verify(
            base64.b64decode(fields["signature"]), "\n".join(lines).encode(), padding.PKCS1v15(), hashes.SHA256())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.check_signature(body)
        if self.path == "/moved":
            return self.answer(307, {}, location="/rotate")
        if self.path != "/rotate":
            return self.answer(200, {"responseCode": 500, "returnMessage": "no\x1b[31m disk"})
        asked = json.loads(body)
        self.server.steps.append((asked["step"], asked["versionNo"]))
        number = asked["versionNo"]
        if asked["step"] == "CREATE_PENDING_VERSION":
            made = content_of(b"made by the function", stage="PENDING")
            details = m.UpdateSecretDetails(secret_content=made)
            self.server.vaults.update_secret(asked["secretId"], details)
            number = self.server.vaults.list_secret_versions(asked["secretId"]).data[0].version_number
        return self.answer(200, {"responseCode": 200, "versionNo": number, "returnMessage": "ok"})


@pytest.fixture(scope="module")
def function(tmp_path_factory):
    directory = tmp_path_factory.mktemp("function")
    key = rsa.generate_private_key(65537, 2048)
    pem = directory / "key.pem"
    pem.touch(mode=0o600)
    pem.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    server = Function(key.public_key())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    targets = directory / "targets.toml"
    port = server.server_port
    targets.write_text("".join(f"""
[[target]]
id = "{ocid}"
function = {{ url = "{url}", allow = ["{allow}"], key_id = "strongroom", key_file = "{pem}" }}
""" for ocid, url, allow in [
        (GOOD, f"http://127.0.0.1:{port}/rotate", "127.0.0.0/8"),
        (ELSEWHERE, f"http://localhost:{port}/rotate", "10.0.0.0/8"),
        (MOVED, f"http://127.0.0.1:{port}/moved", "127.0.0.1"),
        (BROKEN, f"http://127.0.0.1:{port}/broken", "127.0.0.1"),
    ]))
    vault = Vault(directory / "data", "--listen", "127.0.0.1:0", "--target-config", str(targets))
    vault.start()
    server.vaults, server.vault = vault.client(VaultsClient), vault
    yield server
    server.shutdown()
    assert vault.end() == 0


def begin(function, name, target):
    config = m.RotationConfig(target_system_details=m.FunctionTargetSystemDetails(function_id=target))
    secret = function.vault.new_secret(name, b"first", rotation_config=config)
    function.vaults.rotate_secret(secret.id)
    return secret.id


def becomes(function, secret_id, wanted):
    end = time.monotonic() + 20
    while True:
        secret = function.vaults.get_secret(secret_id).data
        if wanted(secret):
            return secret
        assert time.monotonic() < end, secret
        time.sleep(0.02)


def test_the_four_steps(function):
    """RotateSecret: signed calls in their order, and the version that the function made is promoted."""
    secret_id = begin(function, "by-function", GOOD)
    secret = becomes(function, secret_id, lambda secret: secret.rotation_status != "IN_PROGRESS")
    assert (secret.current_version_number, secret.lifecycle_details) == (2, None)
    assert function.steps == [
        ("VERIFY_CONNECTION", 1), ("CREATE_PENDING_VERSION", 1),
        ("UPDATE_TARGET_SYSTEM", 2), ("PROMOTE_PENDING_VERSION", 2)]


@pytest.mark.parametrize(("name", "target", "told"), [
    ("elsewhere", ELSEWHERE, "may be dialled"), ("moved", MOVED, "redirects are not followed"),
    ("broken", BROKEN, "the function returned 500: no[31m disk")])
def test_what_goes_wrong_is_told(function, name, target, told):
    before = list(function.steps)
    secret_id = begin(function, name, target)
    secret = becomes(function, secret_id, lambda secret: secret.lifecycle_details)
    assert "VERIFY_CONNECTION" in secret.lifecycle_details and told in secret.lifecycle_details
    assert secret.current_version_number == 1 and function.steps == before
    function.vaults.cancel_secret_rotation(secret_id)
    becomes(function, secret_id, lambda secret: secret.rotation_status == "NOT_ENABLED")


@pytest.mark.parametrize(("text", "told"), [
    ("", "needs either"),
    ('function = { url = "http://127.0.0.1/", allow = ["10.0.0.0/8"], key_id = "k", key_file = "KEY" }', "may be dialled"),
    ('function = { url = "ftp://a/", allow = [], key_id = "k", key_file = "KEY" }', "http"),
    ('function = { url = "http://a/", allow = ["a"], key_id = "k", key_file = "KEY" }', "must be an address"),
    ('postgresql = { host = "h", database = "d", roles = ["a", "b"], admin = "r", admin_password_file = "KEY" }', "ca_file is required"),
    ('postgresql = { host = "/s", database = "d", roles = ["a", "a"], admin = "r", admin_password_file = "KEY" }', "two different roles"),
    ('postgresql = { host = "/s", database = "d", roles = ["a", "b"], admin = "r", admin_password_file = "ABSENT" }', "No such file"),
])
def test_a_wrong_configuration_is_refused_at_the_start(function, tmp_path, text, told):
    key = next(function.vault.directory.parent.glob("key.pem"))
    targets = tmp_path / "targets.toml"
    body = text.replace("KEY", str(key)).replace("ABSENT", str(tmp_path / "absent"))
    targets.write_text(f'[[target]]\nid = "{GOOD}"\n{body}\n')
    server = Vault(tmp_path / "data", "--listen", "127.0.0.1:0", "--target-config", str(targets))
    with pytest.raises(AssertionError) as raised:
        server.start()
    assert told in str(raised.value) and "ended with 3" in str(raised.value)
