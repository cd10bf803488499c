"""Machines and sessions: Oracle's clients as instance principal, as resource principal, and with session tokens."""

import base64
import concurrent.futures
import contextlib
import datetime
import json
import os
import random
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import oci
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from oci.exceptions import ServiceError
from oci.identity import models

import record
from test_identity import new_group, new_key, new_policy, new_user
from test_why import refused, why
from vault import BINARY, OCI, Vault

FAMILY = "Allow dynamic-group machines to read secret-family in compartment sample"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("principals") / "data")
    server.start()
    yield server
    assert server.end() == 0


@pytest.fixture(scope="module")
def machines(home):
    """The dynamic group of all instances of the sample compartment."""
    rule = f"Any {{instance.compartment.id = '{home.dev['instance_compartment_id']}'}}"
    return home.client(oci.identity.IdentityClient).create_dynamic_group(models.CreateDynamicGroupDetails(
        compartment_id=home.dev["tenancy_id"], name="machines", description="d", matching_rule=rule)).data


def metadata(url, path, **headers):
    headers = {"Authorization": "Bearer Oracle", **headers}
    request = urllib.request.Request(url + path, headers={k.replace("_", "-"): v for k, v in headers.items() if v})
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def instance_signer(home, imds_url=None):
    """Oracle's own signer, from the metadata service."""
    os.environ["OCI_METADATA_BASE_URL"] = imds_url or home.dev["imds_url"]
    try:
        return oci.auth.signers.InstancePrincipalsSecurityTokenSigner(
            federation_endpoint=home.dev["federation_url"],
            federation_client_retry_strategy=oci.retry.NoneRetryStrategy(),
            circuit_breaker_strategy=oci.circuit_breaker.NoCircuitBreakerStrategy())
    finally:
        del os.environ["OCI_METADATA_BASE_URL"]


def fixed(signer):
    """The token of a signer as it is: Oracle's client does not get itself another one when it is refused."""
    return oci.auth.signers.SecurityTokenSigner(token_of(signer), signer.session_key_supplier.get_key_pair()["private"])


def token_of(signer):
    return signer.federation_client.get_security_token()


def client_of(home, kind, signer):
    return record.Recorded(kind(
        {"region": home.dev["region"]}, signer=signer, service_endpoint=home.dev["base_url"],
        retry_strategy=oci.retry.NoneRetryStrategy(),
        circuit_breaker_strategy=oci.circuit_breaker.NoCircuitBreakerStrategy()))


def as_machine(home, imds_url=None):
    """The environment of Oracle's command line on a machine: no configuration file, no key."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith("OCI_")}
    return {
        **keep,
        "OCI_CLI_AUTH": "instance_principal",
        "OCI_METADATA_BASE_URL": imds_url or home.dev["imds_url"],
        "OCI_CLI_FEDERATION_ENDPOINT": home.dev["federation_url"],
        "OCI_CLI_ENDPOINT": home.dev["base_url"],
    }


def oci_as(environment, *arguments):
    done = subprocess.run([str(OCI), *arguments], capture_output=True, text=True, env=environment, timeout=120, check=False)
    return done


@contextlib.contextmanager
def imds(*arguments):
    """`strongroom imds` on a free port; yields its URL."""
    command = [str(BINARY), "imds", "--listen", "127.0.0.1:0", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert " at http://" in line, line + process.stderr.read()
        yield line.split(" at ")[1].strip()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_the_mission_journey_of_an_instance(home, machines):
    """The statement that everybody forgets: `read secret-family` alone does not read."""
    iam, tenancy, secret = home.client(oci.identity.IdentityClient), home.dev["tenancy_id"], home.dev["secret_id"]
    new_policy(iam, tenancy, "machines", FAMILY)
    read = ("secrets", "secret-bundle", "get", "--secret-id", secret)
    done = oci_as(as_machine(home), *read)
    assert done.returncode == 1 and '"status": 403' in done.stderr, done.stderr
    [request_id] = re.findall(r'"opc-request-id": "([^"]+)"', done.stderr)
    told = json.loads(home.strongroom("why", request_id, "--json").stdout)
    assert (told["principal"]["type"], told["principal"]["id"]) == ("instance", home.dev["instance_id"])
    assert told["principal"]["groups"] == ["machines"]
    assert [(need["permission"], need["verdict"]) for need in told["required"]] == [
        ("SECRET_BUNDLE_READ", "granted"), ("KEY_DECRYPT", "not granted")]
    [statement] = told["suggestions"]
    assert statement.startswith("Allow dynamic-group machines to use keys in compartment sample where ")
    new_policy(iam, tenancy, "keys", statement)
    done = oci_as(as_machine(home), *read)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)["data"]["secret-bundle-content"]["content"]
    assert base64.b64decode(content) == b"hello from strongroom"


def test_the_sdk_signer_and_what_its_token_says(home, machines):
    """ExchangeCertificate by Oracle's signer; the claims are those that SDKs read."""
    signer = instance_signer(home)
    bundles = client_of(home, oci.secrets.SecretsClient, signer)
    assert bundles.get_secret_bundle(home.dev["secret_id"]).data.secret_id == home.dev["secret_id"]
    record.note("Python SDK", "ExchangeCertificate", 200)
    token = token_of(signer)
    claims, header = claims_of(token), json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert header["alg"] == "RS256" and claims["exp"] - claims["iat"] == 1200
    assert claims["sub"] == claims["opc-instance"] == claims["res_id"] == home.dev["instance_id"]
    assert claims["tenant"] == claims["opc-tenant"] == claims["res_tenant"] == home.dev["tenancy_id"]
    assert claims["opc-compartment"] == claims["res_compartment"] == home.dev["instance_compartment_id"]
    assert (claims["ptype"], claims["ttype"], claims["opc-certtype"]) == ("instance", "x509", "instance")
    # Java's SDK reads the key as text and compares it with its own.
    jwk = json.loads(claims["jwk"])
    number = int.from_bytes(base64.urlsafe_b64decode(jwk["n"] + "=="), "big")
    assert number == signer.session_key_supplier.get_key_pair()["public"].public_numbers().n
    assert (jwk["kty"], jwk["alg"], jwk["e"]) == ("RSA", "RS256", "AQAB")
    # A second token, for another session key.
    signer.refresh_security_token()
    assert token_of(signer) != token
    assert bundles.get_secret_bundle(home.dev["secret_id"]).data.version_number == 1


def test_why_says_which_clause_of_which_rule_fails(home, machines):
    iam = home.client(oci.identity.IdentityClient)
    rule = f"All {{instance.compartment.id = '{home.dev['instance_compartment_id']}', tag.team.name.value = 'red'}}"
    iam.create_dynamic_group(models.CreateDynamicGroupDetails(
        compartment_id=home.dev["tenancy_id"], name="red-machines", description="d", matching_rule=rule))
    vaults = client_of(home, oci.vault.VaultsClient, instance_signer(home))
    error = refused(vaults.rotate_secret, home.dev["secret_id"])
    told = why(home, error)
    assert told["principal"]["otherDynamicGroups"] == [{"name": "red-machines", "failing": "tag.team.name.value = 'red'"}]
    printed = home.strongroom("why", error.request_id).stdout.decode()
    assert "red-machines" in printed and "tag.team.name.value = 'red'" in printed


def test_an_enrolled_machine_lives_by_its_own_metadata_service(home, machines, tmp_path):
    """CreateWorkload, GetWorkload, ListWorkloads, UpdateWorkload,
    ChangeWorkloadCompartment, IssueWorkloadCertificate, DeleteWorkload."""
    identity = tmp_path / "web-1.json"
    done = home.strongroom("admin", "instance", "add", "web-1", "--identity", identity)
    assert done.returncode == 0, done.stderr
    assert identity.stat().st_mode & 0o777 == 0o600
    id = done.stdout.decode().split()[0]
    assert id.startswith("ocid1.instance.oc1.iad.")
    listed = home.strongroom("admin", "instance", "ls", "--json")
    assert {row["name"]: row["id"] for row in json.loads(listed.stdout)} == {"dev": home.dev["instance_id"], "web-1": id}
    base = f"{home.dev['base_url']}/_strongroom/v1/workloads/{id}"
    asked = home.oci("raw-request", "--http-method", "GET", "--target-uri", base)
    assert asked["data"]["resourceType"] == "instance" and asked["data"]["description"] == "Enrolled by strongroom"
    with imds("--identity", identity) as url:
        assert metadata(url, "/instance/id") == id and metadata(url, "/instance/region") == home.dev["region"]
        assert json.loads(metadata(url, "/instance/regionInfo"))["regionKey"] == "IAD"
        done = oci_as(as_machine(home, url), "secrets", "secret-bundle", "get", "--secret-id", home.dev["secret_id"])
        assert done.returncode == 0, done.stderr
        # Another compartment counts for the next request, whatever the certificate says.
        bundles = client_of(home, oci.secrets.SecretsClient, fixed(instance_signer(home, url)))
        assert bundles.get_secret_bundle(home.dev["secret_id"]).status == 200
        move = {"compartmentId": home.dev["tenancy_id"]}
        home.oci("raw-request", "--http-method", "POST", "--target-uri", base + "/actions/changeCompartment",
                 "--request-body", json.dumps(move))
        assert refused(bundles.get_secret_bundle, home.dev["secret_id"]).status == 404
        move = {"compartmentId": home.dev["instance_compartment_id"]}
        home.oci("raw-request", "--http-method", "POST", "--target-uri", base + "/actions/changeCompartment",
                 "--request-body", json.dumps(move))
        assert bundles.get_secret_bundle(home.dev["secret_id"]).status == 200
        home.oci("raw-request", "--http-method", "PUT", "--target-uri", base, "--request-body", '{"description": "n"}')
        # Gone is gone: the token at once, and the certificate with it.
        removed = home.strongroom("admin", "instance", "rm", id)
        assert removed.returncode == 0, removed.stderr
        error = refused(bundles.get_secret_bundle, home.dev["secret_id"])
        assert error.status == 401 and why(home, error)["reason"] == "who the token stands for is no more"
        with pytest.raises(ServiceError) as raised:
            instance_signer(home, url)
        assert raised.value.status == 401
    done = home.strongroom("admin", "instance", "issue", id, "--identity", identity)
    assert done.returncode == 1 and b"cannot certify machine" in done.stderr


def test_a_resource_principal_by_the_two_files_that_are_kept_fresh(home, tmp_path):
    """Version 2.2: Oracle's signer and command line read `rpst` and `private.pem`."""
    iam, tenancy = home.client(oci.identity.IdentityClient), home.dev["tenancy_id"]
    iam.create_dynamic_group(models.CreateDynamicGroupDetails(
        compartment_id=tenancy, name="functions", description="d",
        matching_rule=f"All {{resource.type = 'fnfunc', resource.compartment.id = '{home.dev['compartment_id']}'}}"))
    new_policy(iam, tenancy, "functions", "Allow dynamic-group functions to read secret-family in tenancy",
               "Allow dynamic-group functions to use keys in tenancy")
    done = home.strongroom("admin", "instance", "add", "fn", "--type", "fnfunc", "--identity", tmp_path / "fn.json")
    assert done.returncode == 0 and b"ocid1.fnfunc.oc1.iad." in done.stdout, done.stderr
    directory = tmp_path / "rp"
    with imds("--identity", tmp_path / "fn.json", "--resource-principal", directory):
        assert {file.name: file.stat().st_mode & 0o777 for file in directory.iterdir()} == {"rpst": 0o600, "private.pem": 0o600}
        own = {
            "OCI_RESOURCE_PRINCIPAL_VERSION": "2.2",
            "OCI_RESOURCE_PRINCIPAL_RPST": str(directory / "rpst"),
            "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM": str(directory / "private.pem"),
            "OCI_RESOURCE_PRINCIPAL_REGION": home.dev["region"],
        }
        keep = {key: value for key, value in os.environ.items() if not key.startswith("OCI_")}
        environment = {**keep, **own, "OCI_CLI_AUTH": "resource_principal", "OCI_CLI_ENDPOINT": home.dev["base_url"]}
        done = oci_as(environment, "secrets", "secret-bundle", "get", "--secret-id", home.dev["secret_id"])
        assert done.returncode == 0, done.stderr
        os.environ.update(own)
        try:
            signer = oci.auth.signers.get_resource_principals_signer()
        finally:
            for name in own:
                del os.environ[name]
        assert client_of(home, oci.secrets.SecretsClient, signer).get_secret_bundle(home.dev["secret_id"]).status == 200
        assert claims_of((directory / "rpst").read_text())["ptype"] == "resource"


def test_sessions_of_oracles_command_line(home, tmp_path):
    """GenerateUserSecurityToken by `oci session authenticate`, RefreshUserSecurityToken by the SDK's signer."""
    config = tmp_path / "config"
    authenticated = subprocess.run(
        [str(OCI), "session", "authenticate", "--no-browser", "--region", home.dev["region"], "--profile-name", "S",
         "--config-location", str(config), "--token-location", str(tmp_path / "sessions"), "--session-expiration-in-minutes", "5"],
        capture_output=True, text=True, env=home.environment(), timeout=120, check=False)
    assert authenticated.returncode == 0, authenticated.stderr
    record.note("oci", "GenerateUserSecurityToken", 200)
    session = {**home.environment(), "OCI_CLI_CONFIG_FILE": str(config), "OCI_CLI_PROFILE": "S", "OCI_CLI_AUTH": "security_token"}
    done = oci_as(session, "secrets", "secret-bundle", "get", "--secret-id", home.dev["secret_id"])
    assert done.returncode == 0, done.stderr
    assert oci_as(session, "session", "validate").returncode == 0
    read = oci.config.from_file(str(config), "S")
    token = open(read["security_token_file"]).read()
    claims = claims_of(token)
    assert claims["exp"] - claims["iat"] == 300 and claims["sess_exp"] - claims["iat"] == 24 * 3600
    assert (claims["ptype"], claims["sub"]) == ("user", home.dev["user_id"])
    signer = oci.auth.signers.SecurityTokenSigner(token, oci.signer.load_private_key_from_file(read["key_file"]))
    refresh = home.dev["base_url"] + "/v1/authentication/refresh"
    answer = requests().post(refresh, json={"currentToken": token}, auth=signer)
    assert answer.status_code == 200
    record.note("Python SDK", "RefreshUserSecurityToken", 200)
    refreshed = claims_of(answer.json()["token"])
    assert refreshed["sess_exp"] == claims["sess_exp"] and refreshed["exp"] > claims["exp"] and refreshed["jwk"] == claims["jwk"]
    # A token of somebody else is not refreshed, nor one whose bytes were changed.
    head, body, signature = answer.json()["token"].split(".")
    bent = ".".join([head, body, ("B" if signature[0] == "A" else "A") + signature[1:]])
    for wrong in [bent, token_of(instance_signer(home)), "x"]:
        assert requests().post(refresh, json={"currentToken": wrong}, auth=signer).status_code == 401
    url = home.dev["base_url"] + "/v1/token/upst/actions/GenerateUpst"
    # A session begins with an API key: by a token it would never end.
    assert requests().post(url, json={"publicKey": new_key()[1]}, auth=signer).status_code == 401
    # Machines have no sessions.
    answer = requests().post(url, json={"publicKey": new_key()[1]}, auth=instance_signer(home))
    assert answer.status_code == 404
    for minutes in [4, 61, "x"]:
        body = {"publicKey": new_key()[1], "sessionExpirationInMinutes": minutes}
        answer = requests().post(url, json=body, auth=home.signer())
        assert answer.status_code == 400 and "sessionExpirationInMinutes" in answer.json()["message"]


def requests():
    from oci._vendor import requests as vendored
    return vendored


def test_a_user_who_is_gone_has_no_session(home):
    iam, tenancy = home.client(oci.identity.IdentityClient), home.dev["tenancy_id"]
    user = new_user(iam, tenancy, "leaver")
    private, public = new_key()
    key = iam.upload_api_key(user.id, models.CreateApiKeyDetails(key=public)).data
    signer = oci.signer.Signer(tenancy, user.id, key.fingerprint, None, private_key_content=private)
    session, session_public = new_key()
    url = home.dev["base_url"] + "/v1/token/upst/actions/GenerateUpst"
    token = requests().post(url, json={"publicKey": session_public}, auth=signer).json()["token"]
    loaded = oci.signer.load_private_key(session, None)
    mine = client_of(home, oci.identity.IdentityClient, oci.auth.signers.SecurityTokenSigner(token, loaded))
    assert mine.get_user(user.id).data.name == "leaver"
    iam.delete_api_key(user.id, key.fingerprint)
    iam.delete_user(user.id)
    assert refused(mine.get_user, user.id).status == 401


def test_the_key_that_signs_tokens_is_rotated_and_revoked(home):
    """RotateTokenSigner: tokens of the earlier key hold; revoked, they do not."""
    signer = instance_signer(home)
    bundles = client_of(home, oci.secrets.SecretsClient, fixed(signer))
    done = home.strongroom("admin", "signer", "rotate", "--json")
    rotated = json.loads(done.stdout)
    assert done.returncode == 0 and rotated["earlier"] >= 1
    assert bundles.get_secret_bundle(home.dev["secret_id"]).status == 200
    newer = instance_signer(home)
    header = json.loads(base64.urlsafe_b64decode(token_of(newer).split(".")[0] + "=="))
    assert header["kid"] == rotated["kid"]
    done = home.strongroom("admin", "signer", "rotate", "--revoke")
    assert done.returncode == 0 and b"no earlier one holds" in done.stdout
    error = refused(bundles.get_secret_bundle, home.dev["secret_id"])
    assert error.status == 401 and "names no signer" in why(home, error)["reason"]
    # Oracle's signer gets itself a new one when it is refused.
    bundles = client_of(home, oci.secrets.SecretsClient, signer)
    assert bundles.get_secret_bundle(home.dev["secret_id"]).status == 200


def test_the_metadata_service_answers_its_machine_only(home):
    url = home.dev["imds_url"]
    for status, headers in [
        (401, {"Authorization": None}), (401, {"Authorization": "Bearer oracle"}), (400, {"X_Forwarded_For": "10.0.0.1"}),
        (400, {"Forwarded": "for=10.0.0.1"}), (400, {"Via": "1.1 proxy"}), (400, {"Host": "evil.example"}),
    ]:
        with pytest.raises(urllib.error.HTTPError) as raised:
            metadata(url, "/identity/key.pem", **headers)
        assert raised.value.code == status, headers
        assert b"PRIVATE" not in raised.value.read()
    doubled = url.replace("/opc/v2", "//opc//v2")
    assert "BEGIN CERTIFICATE" in metadata(doubled, "/identity/cert.pem")


@pytest.fixture(scope="module")
def proof(home):
    """What the metadata service gives: certificate, key and intermediate."""
    read = lambda name: metadata(home.dev["imds_url"], f"/identity/{name}.pem")
    key = serialization.load_pem_private_key(read("key").encode(), None)
    certificate, intermediate = (x509.load_pem_x509_certificate(read(name).encode()) for name in ("cert", "intermediate"))
    return key, certificate, intermediate


def bare(certificate):
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


class LeafSigner(oci.signer.AbstractBaseSigner):
    """Signs as Oracle's SDKs do at the federation service: `host` is not signed."""

    def __init__(self, key_id, key):
        self.create_signers(key_id, key, ["date", "(request-target)"], ["content-length", "content-type", "x-content-sha256"])


def federate(home, key, certificate, between, **more):
    """Sends a certificate by hand; returns the answer."""
    algorithm = more.pop("algorithm", hashes.SHA256())
    print_ = ":".join(f"{byte:02x}" for byte in certificate.fingerprint(algorithm))
    print_ = more.pop("style", str.lower)(print_)
    form = "fed-x509-sha256" if isinstance(algorithm, hashes.SHA256) else "fed-x509"
    key_id = more.pop("key_id", f"{more.pop('tenancy', home.dev['tenancy_id'])}/{form}/{print_}")
    path = more.pop("path", "/v1/x509")
    body = {
        "certificate": bare(certificate),
        "publicKey": more.pop("session", new_key()[1]),
        "intermediateCertificates": [bare(one) for one in between],
        **more,
    }
    return requests().post(home.dev["base_url"] + path, json=body, auth=LeafSigner(key_id, key))


def test_fingerprints_of_both_kinds_in_any_case(home, proof):
    key, certificate, between = proof
    for algorithm in (hashes.SHA1(), hashes.SHA256()):
        for style in (str.lower, str.upper):
            answer = federate(home, key, certificate, [between], algorithm=algorithm, style=style)
            assert answer.status_code == 200, answer.text
    for more in [{"purpose": "DEFAULT"}, {"fingerprintAlgorithm": "SHA256"}, {"path": "//v1/x509"}]:
        assert federate(home, key, certificate, [between], **more).status_code == 200, more


def forged(subject, key, issuer, issuer_key, days=(-1, 1), ca=False):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(now + datetime.timedelta(days=days[0])).not_valid_after(now + datetime.timedelta(days=days[1]))
               .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True))
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def test_every_check_of_the_federation_service(home, proof, tmp_path):
    key, certificate, between = proof
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    root = forged(between.issuer, own, between.issuer, own, ca=True)
    chain = forged(between.subject, own, root.subject, own, ca=True)
    copied = forged(certificate.subject, own, chain.subject, own)
    by_leaf = forged(certificate.subject, own, certificate.subject, key)
    self_signed = forged(certificate.subject, own, certificate.subject, own)
    other = home.dev["tenancy_id"][:-4] + "abcd"
    cases = {
        "no intermediate": federate(home, key, certificate, []),
        "another root": federate(home, own, copied, [chain, root]),
        "another root's leaf with our intermediate": federate(home, own, copied, [between]),
        "a leaf that signs a leaf": federate(home, own, by_leaf, [certificate, between]),
        "self-signed": federate(home, own, self_signed, [between]),
        "an authority as a machine": federate(home, own, between, []),
        "not the certificate's key": federate(home, own, certificate, [between]),
        "another fingerprint": federate(
            home, key, certificate, [between], key_id=f"{home.dev['tenancy_id']}/fed-x509/" + ":".join(["00"] * 20)),
        "another tenancy": federate(home, key, certificate, [between], tenancy=other),
        "a key id of a user": federate(home, key, certificate, [between], key_id="/".join(home.config()[name] for name in ("tenancy", "user", "fingerprint"))),
        "no certificate": requests().post(
            home.dev["federation_url"], json={"publicKey": new_key()[1]},
            auth=LeafSigner(f"{home.dev['tenancy_id']}/fed-x509/00", key)),
        "too many intermediates": federate(home, key, certificate, [between] * 5),
    }
    for name, answer in cases.items():
        assert answer.status_code == 401 and answer.json()["code"] == "NotAuthenticated", (name, answer.text)
    bodies = {json.dumps(answer.json()) for answer in cases.values()}
    assert len(bodies) == 1, "the answer tells which check failed"
    reasons = {name: why(home, Refused(answer))["reason"] for name, answer in cases.items()}
    assert len(set(reasons.values())) >= 6, reasons
    # Who is known is told what is wrong.
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    short = base64.b64encode(short.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    for session in (short.decode(), "AAAA", ""):
        answer = federate(home, key, certificate, [between], session=session)
        assert answer.status_code == 400 and answer.json()["message"].startswith("publicKey:"), answer.text
    # The certificate opens the federation service only.
    print_ = ":".join(f"{byte:02x}" for byte in certificate.fingerprint(hashes.SHA256()))
    signer = LeafSigner(f"{home.dev['tenancy_id']}/fed-x509-sha256/{print_}", key)
    signer.create_signers(f"{home.dev['tenancy_id']}/fed-x509-sha256/{print_}", key, ["date", "(request-target)", "host"], [])
    assert requests().get(home.dev["base_url"] + "/20160918/regions", auth=signer).status_code == 401


class Refused:
    def __init__(self, answer):
        self.request_id = answer.headers["opc-request-id"]


def test_a_body_that_was_changed_on_the_way_is_refused(home, proof):
    key, certificate, between = proof
    signer = LeafSigner(f"{home.dev['tenancy_id']}/fed-x509/" + ":".join(
        f"{byte:02x}" for byte in certificate.fingerprint(hashes.SHA1())), key)
    body = {"certificate": bare(certificate), "publicKey": new_key()[1], "intermediateCertificates": [bare(between)]}
    prepared = requests().Request("POST", home.dev["federation_url"], json=body, auth=signer).prepare()
    session = requests().Session()
    assert session.send(prepared).status_code == 200
    # Another session key in the body: whoever stands between would have a token of the machine.
    swapped = json.dumps({**body, "publicKey": new_key()[1]})
    prepared.body, prepared.headers["content-length"] = swapped, str(len(swapped))
    assert session.send(prepared).status_code == 401


def test_a_certificate_is_renewed_by_itself_and_by_nothing_else(home, proof):
    """RenewWorkloadCertificate: a token does not make a certificate, or whoever steals one could stay."""
    key, certificate, between = proof
    private, public = new_key()
    answer = federate(home, key, certificate, [between], session=public, path="/_strongroom/v1/x509/renew")
    assert answer.status_code == 200, answer.text
    record.note("Python SDK", "RenewWorkloadCertificate", 200)
    renewed = x509.load_pem_x509_certificate(answer.json()["certificate"].encode())
    assert renewed.subject == certificate.subject
    assert federate(home, oci.signer.load_private_key(private, None), renewed, [between]).status_code == 200
    url = home.dev["base_url"] + "/_strongroom/v1/"
    token = instance_signer(home)
    assert requests().post(url + "x509/renew", json={"publicKey": public}, auth=token).status_code == 401
    issue = f"workloads/{home.dev['instance_id']}/actions/issueCertificate"
    assert requests().post(url + issue, json={"publicKey": public}, auth=token).status_code == 404


def test_openssl_reads_the_chain(home, proof, tmp_path):
    key, certificate, between = proof
    issued = home.oci("raw-request", "--http-method", "POST", "--target-uri",
                      f"{home.dev['base_url']}/_strongroom/v1/workloads/{home.dev['instance_id']}/actions/issueCertificate",
                      "--request-body", json.dumps({"publicKey": new_key()[1]}))["data"]
    for name in ("certificate", "intermediateCertificate", "rootCertificate"):
        (tmp_path / name).write_text(issued[name])
    verified = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", tmp_path / "rootCertificate",
         "-untrusted", tmp_path / "intermediateCertificate", tmp_path / "certificate"],
        capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr


def test_identities_that_are_none(home, tmp_path):
    """Ten wrong inputs of the commands; each says what is wrong and changes nothing."""
    good = tmp_path / "good.json"
    assert home.strongroom("admin", "instance", "add", "good", "--identity", good).returncode == 0
    readable = tmp_path / "readable.json"
    readable.write_bytes(good.read_bytes())
    readable.chmod(0o644)
    text = json.loads(good.read_text())
    for name, change in [("endpoint", {"endpoint": "ftp://x"}), ("region", {"region": "nowhere"}), ("id", {"id": "x"}), ("more", {"x": 1})]:
        path = tmp_path / f"{name}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({**text, **change}))
    (tmp_path / "empty.json").touch(mode=0o600)
    for name, what in [("absent", b"admin instance add"), ("readable", b"chmod 600"), ("endpoint", b"its endpoint"),
                       ("region", b"its region"), ("id", b"not the JSON"), ("more", b"not the JSON"), ("empty", b"not the JSON")]:
        done = subprocess.run([str(BINARY), "imds", "--listen", "127.0.0.1:0", "--identity", tmp_path / f"{name}.json"],
                              capture_output=True, timeout=20, check=False)
        assert done.returncode == 3 and what in done.stderr and b"PRIVATE" not in done.stderr, (name, done.stderr)
    again = home.strongroom("admin", "instance", "add", "other", "--identity", good)
    assert again.returncode == 1 and b"is there already" in again.stderr
    taken = home.strongroom("admin", "instance", "add", "GOOD", "--identity", tmp_path / "new.json")
    assert taken.returncode == 1 and b"already exists" in taken.stderr and not (tmp_path / "new.json").exists()
    kind = home.strongroom("admin", "instance", "add", "x", "--type", "Fn.Func", "--identity", tmp_path / "new.json")
    assert kind.returncode == 1 and b"resourceType: must be lower-case letters" in kind.stderr
    gone = home.strongroom("admin", "instance", "rm", home.dev["instance_id"][:-4] + "zzzz")
    assert gone.returncode == 1


def test_two_thousand_bent_bodies_of_the_federation_service(home, proof):
    """Signed by the machine itself, so that what reads the body is reached: never a 5xx, never a token for what was bent."""
    key, certificate, between = proof
    seed = int(os.environ.get("STRONGROOM_SEED", time.time_ns() % 2**32))
    print("seed", seed)
    dice = random.Random(seed)
    print_ = ":".join(f"{byte:02x}" for byte in certificate.fingerprint(hashes.SHA1()))
    signer = LeafSigner(f"{home.dev['tenancy_id']}/fed-x509/{print_}", key)
    whole = {"certificate": bare(certificate), "publicKey": new_key()[1], "intermediateCertificates": [bare(between)]}
    session, statuses = requests().Session(), {}
    for _ in range(2000):
        body = dict(whole)
        field = dice.choice(list(body))
        kind = dice.randrange(8)
        if kind == 0:
            body[field] = dice.choice([None, 7, {}, [], [[]], "", "=", "A" * 20000, ["x"] * 100, True])
        elif kind == 1:
            del body[field]
        elif kind == 2:
            body["x" * dice.randrange(9)] = whole["certificate"]
        elif kind == 3:
            body["certificate"], body["intermediateCertificates"] = bare(between), [bare(certificate)]
        if kind < 4:
            data = json.dumps(body).encode()
        else:
            data = bytearray(json.dumps(body).encode())
            for _ in range(1 + dice.randrange(3)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            data = bytes(data[:dice.randrange(len(data))] if kind == 7 else data)
        answer = session.post(home.dev["federation_url"], data=data, auth=signer, headers={"content-type": "application/json"})
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code in (200, 400, 401), answer.text
        if answer.status_code == 200:
            sent = json.loads(data)
            assert (sent["certificate"], sent["intermediateCertificates"]) == (
                whole["certificate"], whole["intermediateCertificates"]), "a bent certificate was believed"
    print(statuses)
    assert statuses[401] > 500
    assert instance_signer(home)


def test_sixteen_machines_at_once_at_a_new_server_and_a_restart(own_vault):
    """The authority and the key that signs tokens are made once, whoever comes first, and are there after a restart."""
    own_vault.start()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        read = lambda _: metadata(own_vault.dev["imds_url"], "/identity/intermediate.pem")
        assert len(set(pool.map(read, range(16)))) == 1
        key, certificate, between = (lambda read: (
            serialization.load_pem_private_key(read("key"), None), x509.load_pem_x509_certificate(read("cert")),
            x509.load_pem_x509_certificate(read("intermediate"))))(
                lambda name: metadata(own_vault.dev["imds_url"], f"/identity/{name}.pem").encode())
        answers = list(pool.map(lambda _: federate(own_vault, key, certificate, [between]), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    kids = {json.loads(base64.urlsafe_b64decode(answer.json()["token"].split(".")[0] + "=="))["kid"] for answer in answers}
    assert len(kids) == 1
    private, public = new_key()
    token = federate(own_vault, key, certificate, [between], session=public).json()["token"]
    assert own_vault.end() == 0
    own_vault.start()
    signer = oci.auth.signers.SecurityTokenSigner(token, oci.signer.load_private_key(private, None))
    answer = requests().get(own_vault.dev["base_url"] + "/20180608/secrets/" + own_vault.dev["secret_id"], auth=signer)
    assert answer.status_code == 404 and why(own_vault, Refused(answer))["principal"]["id"] == own_vault.dev["instance_id"]
    assert federate(own_vault, key, certificate, [between]).status_code == 200
    assert own_vault.end() == 0
