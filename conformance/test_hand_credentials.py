"""Whose credentials the hand takes: profile, encrypted key, session, instance principal, resource principal."""

import contextlib
import http.server
import json
import os
import subprocess
import threading
import urllib.request

import oci
import pytest
from cryptography.hazmat.primitives import serialization
from oci.identity import models

from test_identity import new_policy
from test_principals import imds
from vault import BINARY, OCI, Vault

READ = ("get", "secret://dev/sample")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("credentials") / "data")
    server.start()
    iam, tenancy = server.client(oci.identity.IdentityClient), server.dev["tenancy_id"]
    rule = f"Any {{resource.compartment.id = '{server.dev['compartment_id']}'}}"
    iam.create_dynamic_group(models.CreateDynamicGroupDetails(
        compartment_id=tenancy, name="all", description="d", matching_rule=rule))
    new_policy(iam, tenancy, "all", "Allow dynamic-group all to read secret-family in tenancy",
               "Allow dynamic-group all to use keys in tenancy")
    yield server
    assert server.end() == 0


def hand(home, *arguments, **variables):
    """Our command line with nothing but these variables: no development server, no usual profile."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home.directory / "nobody"),
        "STRONGROOM_ENDPOINT": home.dev["base_url"],
        "STRONGROOM_VAULT_DEV": home.dev["vault_id"],
        "STRONGROOM_COMPARTMENT_ID": home.dev["compartment_id"],
        **{name: str(value) for name, value in variables.items()},
    }
    environment = {name: value for name, value in environment.items() if value}
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, env=environment, timeout=60, check=False)


def reads(done):
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout == b"hello from strongroom"


def test_an_instance_principal_by_the_machines_metadata(home):
    variables = {"OCI_METADATA_BASE_URL": home.dev["imds_url"]}
    assert reads(hand(home, *READ, **variables))
    assert reads(hand(home, *READ, "--auth", "instance_principal", **variables))
    assert reads(hand(home, *READ, OCI_CLI_AUTH="instance_principal", OCI_CLI_FEDERATION_ENDPOINT=home.dev["federation_url"], **variables))
    down = hand(home, *READ, "--auth", "instance_principal", OCI_METADATA_BASE_URL="http://127.0.0.1:1/opc/v2")
    assert down.returncode == 1 and b"the metadata service: no answer from 127.0.0.1:1" in down.stderr
    wrong = hand(home, *READ, "--auth", "instance_principal", OCI_METADATA_BASE_URL=home.dev["base_url"] + "/20180608")
    assert wrong.returncode == 1 and b"error[no-credentials]" in wrong.stderr


def test_a_resource_principal_by_files_and_by_values(home, tmp_path):
    made = home.strongroom("admin", "instance", "add", "fn", "--type", "fnfunc", "--identity", tmp_path / "fn.json")
    assert made.returncode == 0, made.stderr
    with imds("--identity", tmp_path / "fn.json", "--resource-principal", tmp_path / "rp"):
        token, key = tmp_path / "rp" / "rpst", tmp_path / "rp" / "private.pem"
        names = ("OCI_RESOURCE_PRINCIPAL_RPST", "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM")
        both = {"OCI_RESOURCE_PRINCIPAL_VERSION": "2.2"}
        assert reads(hand(home, *READ, **both, **dict(zip(names, (token, key)))))
        assert reads(hand(home, *READ, **both, **dict(zip(names, (token.read_text(), key.read_text())))))
        encrypted = tmp_path / "encrypted.pem"
        encrypted.write_bytes(serialization.load_pem_private_key(key.read_bytes(), None).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"open sesame")))
        with_passphrase = {**both, **dict(zip(names, (token, encrypted)))}
        assert reads(hand(home, *READ, **with_passphrase, OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE="open sesame"))
        wrong = hand(home, *READ, **with_passphrase, OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE="c4n4ry")
        assert wrong.returncode == 1 and b"passphrase does not open" in wrong.stderr and b"c4n4ry" not in wrong.stderr
        for lacking, what in [({**both, names[0]: token}, b"PRIVATE_PEM is not set"), ({"OCI_RESOURCE_PRINCIPAL_VERSION": "9"}, b"its version is `9`")]:
            done = hand(home, *READ, **lacking)
            assert done.returncode == 3 and what in done.stderr, done.stderr


def test_a_session_of_oracles_command_line(home, tmp_path):
    config = tmp_path / "config"
    done = subprocess.run(
        [str(OCI), "session", "authenticate", "--no-browser", "--region", home.dev["region"], "--profile-name", "S",
         "--config-location", str(config), "--token-location", str(tmp_path / "sessions")],
        capture_output=True, text=True, env=home.environment(), timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert reads(hand(home, *READ, "--config-file", config, "--profile", "S"))
    assert reads(hand(home, *READ, "--config-file", config, OCI_CLI_PROFILE="S", OCI_CLI_AUTH="security_token"))
    token = next((tmp_path / "sessions").rglob("token"))
    token.chmod(0o644)
    readable = hand(home, *READ, "--config-file", config, "--profile", "S")
    assert readable.returncode == 1 and b"mode is 0644" in readable.stderr
    token.chmod(0o600)
    token.write_text("no token")
    broken = hand(home, *READ, "--config-file", config, "--profile", "S")
    assert broken.returncode == 1 and b"no JSON Web Token" in broken.stderr
    plain = hand(home, *READ, "--config-file", home.dev["config_file"], "--auth", "security_token")
    assert plain.returncode == 3 and b"security_token_file" in plain.stderr


@pytest.fixture(scope="module")
def admin_key(home):
    return serialization.load_pem_private_key((home.directory / "oci" / "admin.pem").read_bytes(), None)


def profile(home, tmp_path, pem, **more):
    """A profile of the administrator with another file for the key."""
    key = tmp_path / "key.pem"
    key.touch(mode=0o600)
    key.write_bytes(pem)
    own = home.config()
    lines = [f"{name}={own[name]}" for name in ("user", "fingerprint", "tenancy", "region")]
    lines += [f"key_file={key}", *(f"{name}={value}" for name, value in more.items())]
    config = tmp_path / "config"
    config.write_text("\n".join(["[DEFAULT]", *lines, ""]))
    return config


FORMS = {
    "PKCS#8": (serialization.PrivateFormat.PKCS8, None),
    "PKCS#8 by cryptography": (serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"open sesame")),
    "OpenSSL's old form": (serialization.PrivateFormat.TraditionalOpenSSL, serialization.BestAvailableEncryption(b"open sesame")),
}


@pytest.mark.parametrize("form", FORMS)
def test_private_keys_in_every_form_that_oracles_tools_write(home, tmp_path, admin_key, form):
    private_format, encryption = FORMS[form]
    pem = admin_key.private_bytes(serialization.Encoding.PEM, private_format, encryption or serialization.NoEncryption())
    assert reads(hand(home, *READ, "--config-file", profile(home, tmp_path, pem, pass_phrase="open sesame")))
    if encryption is not None:
        assert reads(hand(home, *READ, "--config-file", profile(home, tmp_path, pem), OCI_CLI_PASSPHRASE="open sesame"))
        none = hand(home, *READ, "--config-file", profile(home, tmp_path, pem))
        assert none.returncode == 3 and b"no passphrase" in none.stderr
        wrong = hand(home, *READ, "--config-file", profile(home, tmp_path, pem, pass_phrase="c4n4ry"))
        assert wrong.returncode == 3 and b"does not open" in wrong.stderr and b"c4n4ry" not in wrong.stderr


@pytest.mark.parametrize("arguments", [
    ("-v2", "aes-128-cbc"), ("-v2", "aes-192-cbc"), ("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"),
    ("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512", "-iter", "100000"),
])
def test_private_keys_that_openssl_encrypts(home, tmp_path, admin_key, arguments):
    plain = admin_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    encrypted = subprocess.run(
        ["openssl", "pkcs8", "-topk8", *arguments, "-passout", "pass:open sesame"], input=plain, capture_output=True, check=True).stdout
    assert reads(hand(home, *READ, "--config-file", profile(home, tmp_path, encrypted, pass_phrase="open sesame")))


def test_other_ciphers_are_refused_with_what_to_do(home, tmp_path, admin_key):
    plain = admin_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    encrypted = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-v2", "des3", "-passout", "pass:open sesame"], input=plain, capture_output=True, check=True).stdout
    done = hand(home, *READ, "--config-file", profile(home, tmp_path, encrypted, pass_phrase="open sesame"))
    assert done.returncode == 3 and b"openssl pkcs8 -topk8 -v2 aes-256-cbc" in done.stderr


def test_everything_from_the_environment_and_no_file(home):
    own = home.config()
    variables = {"OCI_CLI_USER": own["user"], "OCI_CLI_FINGERPRINT": own["fingerprint"], "OCI_CLI_TENANCY": own["tenancy"]}
    assert reads(hand(home, *READ, **variables, OCI_CLI_KEY_FILE=own["key_file"]))
    assert reads(hand(home, *READ, **variables, OCI_CLI_KEY_CONTENT=open(own["key_file"]).read()))
    lacking = hand(home, *READ, **variables)
    assert lacking.returncode == 3 and b"lacks `key_file`" in lacking.stderr
    garbage = hand(home, *READ, **variables, OCI_CLI_KEY_CONTENT="c4n4ry")
    assert garbage.returncode == 3 and b"OCI_CLI_KEY_CONTENT" in garbage.stderr and b"c4n4ry" not in garbage.stderr


def test_nothing_to_sign_with_says_where_was_looked(home):
    done = hand(home, *READ)
    assert done.returncode == 3 and b"error[no-credentials]" in done.stderr and b".oci/config" in done.stderr
    unknown = hand(home, *READ, OCI_CLI_AUTH="pkcs11")
    assert unknown.returncode == 3 and b"known are api_key, security_token" in unknown.stderr


def test_regions_that_are_not_known(home):
    own = home.config()
    variables = {"OCI_CLI_USER": own["user"], "OCI_CLI_FINGERPRINT": own["fingerprint"], "OCI_CLI_TENANCY": own["tenancy"],
                 "OCI_CLI_KEY_FILE": own["key_file"], "STRONGROOM_ENDPOINT": ""}
    unknown = hand(home, *READ, **variables, OCI_CLI_REGION="us-ashbrun-1")
    assert unknown.returncode == 3 and b"`us-ashbrun-1` is no region of OCI" in unknown.stderr
    garbage = hand(home, *READ, **variables, OCI_CLI_REGION="xx-new-1", OCI_REGION_METADATA="{}")
    assert garbage.returncode == 3 and b"OCI_REGION_METADATA" in garbage.stderr
    told = json.dumps({"realmKey": "oc99", "realmDomainComponent": "cloud.invalid", "regionKey": "xyz", "regionIdentifier": "xx-new-1"})
    for region, host in [("xx-new-1", b"secrets.vaults.xx-new-1.oci.cloud.invalid"), ("r1.invalid:8443", b"secrets.vaults.r1.invalid:8443")]:
        done = hand(home, *READ, **variables, OCI_CLI_REGION=region, OCI_REGION_METADATA=told)
        assert done.returncode == 4 and b"no answer from " + host in done.stderr, done.stderr


def test_a_machine_tells_its_region(home):
    """No endpoint and no region: the metadata service is asked, as on an instance of Oracle's cloud."""
    variables = {"OCI_METADATA_BASE_URL": home.dev["imds_url"], "OCI_CLI_FEDERATION_ENDPOINT": home.dev["federation_url"], "STRONGROOM_ENDPOINT": ""}
    done = hand(home, *READ, **variables)
    assert done.returncode == 4 and b"secrets.vaults.us-ashburn-1.oci.oraclecloud.com" in done.stderr, done.stderr
    down = hand(home, *READ, "--auth", "instance_principal", OCI_METADATA_BASE_URL="http://127.0.0.1:1/opc/v2", STRONGROOM_ENDPOINT="")
    assert down.returncode == 3 and b"OCI_CLI_REGION" in down.stderr


def test_a_machine_tells_a_region_that_is_not_known(home):
    """Everything else of its metadata is the development server's."""
    info = {"regionIdentifier": "XX-New-1", "regionKey": "XYZ", "realmKey": "oc99", "realmDomainComponent": "cloud.invalid"}
    with metadata_with(home, {"/instance/regionInfo": info}) as url:
        variables = {"OCI_METADATA_BASE_URL": url, "STRONGROOM_ENDPOINT": ""}
        done = hand(home, *READ, **variables, OCI_CLI_FEDERATION_ENDPOINT=home.dev["federation_url"])
        assert done.returncode == 4 and b"no answer from secrets.vaults.xx-new-1.oci.cloud.invalid" in done.stderr, done.stderr
        done = hand(home, *READ, **variables)
        assert done.returncode == 1 and b"the federation service: no answer from auth.xx-new-1.cloud.invalid" in done.stderr, done.stderr
    with metadata_with(home, {"/instance/regionInfo": {"regionIdentifier": "xx-new-1"}}) as url:
        done = hand(home, *READ, OCI_METADATA_BASE_URL=url, STRONGROOM_ENDPOINT="")
        assert done.returncode == 3 and b"its region is unknown" in done.stderr, done.stderr


@contextlib.contextmanager
def metadata_with(home, changes):
    """The URL of the development server's metadata with some answers changed."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            request = urllib.request.Request(home.dev["imds_url"] + self.path, headers={"authorization": self.headers["authorization"]})
            content = json.dumps(changes[self.path]).encode() if self.path in changes else urllib.request.urlopen(request).read()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
