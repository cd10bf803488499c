"""A server of one's own: `init` once, then `serve`, over TLS, with the real command line."""

import datetime
import ipaddress
import json
import os
import signal
import socket
import subprocess
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from vault import BINARY, OCI


def private(path, content):
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)


def certificate(directory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(key, hashes.SHA256())
    )
    (directory / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private(directory / "tls.key", key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def strongroom(*arguments):
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def configured(tmp_path, more=""):
    """Writes what a server needs; returns its configuration, and its port."""
    certificate(tmp_path)
    private(tmp_path / "passphrase", b"correct horse\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "strongroom.toml"
    config.write_text(
        f"data_dir = '{tmp_path}/data'\nlisten = '127.0.0.1:{port}'\n{more}\n"
        f"[tls]\ncertificate = '{tmp_path}/tls.crt'\nkey = '{tmp_path}/tls.key'\n"
        f"[unseal]\npassphrase_file = '{tmp_path}/passphrase'\n")
    return config, port


def test_an_init_that_cannot_tell_the_key_makes_no_tenancy(tmp_path):
    config, _ = configured(tmp_path)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(BINARY), "init", "--config", config], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr
    assert strongroom("audit", "verify", "--config", config).returncode == 3
    made = strongroom("init", "--config", config)
    assert made.returncode == 0 and "BEGIN" in made.stdout, made.stderr


def test_an_init_where_there_is_a_tenancy_changes_nothing(tmp_path):
    config, _ = configured(tmp_path)
    data = tmp_path / "data"
    made = strongroom("init", "--config", config)
    assert made.returncode == 0, made.stderr
    key = (data / "root.key").read_bytes()
    again = strongroom("init", "--config", config)
    assert again.returncode == 3 and again.stdout == "" and "has a tenancy already" in again.stderr
    assert (data / "root.key").read_bytes() == key
    # As on a second server of one database, to which the key was not copied yet.
    (data / "root.key").unlink()
    again = strongroom("init", "--config", config)
    assert again.returncode == 3 and again.stdout == "" and "another root key" in again.stderr
    assert not (data / "root.key").exists()
    private(data / "root.key", key)
    assert strongroom("audit", "verify", "--config", config).returncode == 0


def test_a_database_that_is_gone_is_not_called_whole(tmp_path):
    config, _ = configured(tmp_path, f"checkpoint_files = ['{tmp_path}/checkpoint']")
    assert strongroom("init", "--config", config).returncode == 0
    verified = strongroom("audit", "verify", "--config", config)
    assert verified.returncode == 0 and "there is no" in verified.stderr, verified.stderr
    for file in (tmp_path / "data").glob("strongroom.db*"):
        file.unlink()
    for command in (["verify"], ["export", "-o", tmp_path / "export"]):
        done = strongroom("audit", command[0], "--config", config, *command[1:])
        assert done.returncode == 3 and "strongroom.db" in done.stderr, done.stderr
    assert list((tmp_path / "data").glob("strongroom.db*")) == [] and not (tmp_path / "export").exists()


def test_a_host_that_no_url_can_have_is_refused(tmp_path):
    for number, host in enumerate(("https://foo", "foo:99", "", "a b", "::1", "u@h")):
        place = tmp_path / str(number)
        place.mkdir()
        config, _ = configured(place, f"host = '{host}'")
        done = strongroom("init", "--config", config)
        assert done.returncode == 3 and "host must be" in done.stderr, host
        assert not (place / "data").exists()


def test_a_server_that_waits_for_its_database_ends_when_it_is_told_to(tmp_path):
    config, _ = configured(tmp_path)
    assert strongroom("init", "--config", config).returncode == 0
    # Whoever listens there never answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with open(config, "a") as file:
            file.write(f"[database]\nurl = 'postgres://u@127.0.0.1:{silent.getsockname()[1]}/x'\n")
        server = subprocess.Popen([str(BINARY), "serve", "--config", config], stderr=subprocess.DEVNULL)
        connection, _ = silent.accept()
        server.terminate()
        assert server.wait(timeout=2) == 0
        connection.close()


def test_a_server_of_ones_own(tmp_path):
    config, port = configured(tmp_path)
    before = strongroom("serve", "--config", config)
    assert before.returncode == 3 and "strongroom init" in before.stderr
    made = strongroom("init", "--config", config)
    assert made.returncode == 0, made.stderr
    again = strongroom("init", "--config", config)
    assert again.returncode == 3 and "BEGIN" not in again.stdout
    profile, _, pem = made.stdout.partition("-----BEGIN")
    private(tmp_path / "admin.pem", ("-----BEGIN" + pem).encode())
    profile = profile.replace("~/.oci/admin.pem\n", f"{tmp_path}/admin.pem\n", 1)
    private(tmp_path / "config", profile.split("\n\n")[0].encode())
    log = open(tmp_path / "log", "wb")
    server = subprocess.Popen([str(BINARY), "serve", "--config", str(config)], stderr=log)
    try:
        while b'"ready"' not in (tmp_path / "log").read_bytes():
            assert server.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.02)
        tenancy = next(line[8:] for line in profile.splitlines() if line.startswith("tenancy="))
        # A bundle in the environment would come before the one of the command line.
        done = subprocess.run(
            [str(OCI), "--config-file", str(tmp_path / "config"), "--cert-bundle", str(tmp_path / "tls.crt"),
             "--endpoint", f"https://127.0.0.1:{port}", "kms", "management", "vault", "create",
             "--compartment-id", tenancy, "--display-name", "own", "--vault-type", "DEFAULT"],
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "SUPPRESS_LABEL_WARNING": "True", "REQUESTS_CA_BUNDLE": str(tmp_path / "tls.crt")})
        assert done.returncode == 0, done.stderr
        vault = json.loads(done.stdout)["data"]
        assert vault["management-endpoint"].startswith("https://127.0.0.1:")
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=20) == 0
    finally:
        server.kill()
        log.close()
    (tmp_path / "passphrase").write_bytes(b"wrong")
    wrong = strongroom("serve", "--config", config)
    assert wrong.returncode == 3 and "passphrase does not open" in wrong.stderr
    files = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert b"correct horse" not in files and pem.encode()[100:160] not in files
