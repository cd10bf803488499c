"""Tokens that the hand asks services for, as Oracle's own signers ask for them: resource principals of version 1.1, and
workload identities of Kubernetes."""

import base64
import contextlib
import datetime
import http.server
import ipaddress
import json
import os
import re
import ssl
import subprocess
import threading

import jwt
import oci
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from test_agent import OverSocket
from test_hand_credentials import READ, hand, home, reads  # noqa: F401  (a fixture)
from test_principals import claims_of, client_of, federate
from test_run import until
from vault import BINARY, ROOT

TOKENS = {"resourcePrincipalToken": "rpt-c4n4ry", "servicePrincipalSessionToken": "spst-c4n4ry"}


class Stub(http.server.ThreadingHTTPServer):
    """Records what it is asked and answers by a table of paths: JSON, or a function of the request's body."""

    daemon_threads = True

    def __init__(self, answers, address=("127.0.0.1", 0)):
        super().__init__(address, Handler)
        self.answers, self.asked = answers, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers.items()), body))
        status, answer = self.server.answers.get(self.path, (404, {"code": "NotAuthorizedOrNotFound", "message": "no"}))
        answer = answer(self, body) if callable(answer) else answer
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def running(server):
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def function(home, tmp_path_factory):
    """A function that is enrolled: gives a token of it for a session's key."""
    identity = tmp_path_factory.mktemp("function") / "fn.json"
    made = home.strongroom("admin", "instance", "add", "federated", "--type", "fnfunc", "--identity", identity)
    assert made.returncode == 0, made.stderr
    own = json.loads(identity.read_text())
    key = serialization.load_pem_private_key(own["private_key"].encode(), None)
    certificate, between = (
        x509.load_pem_x509_certificate(own[name].encode()) for name in ("certificate", "intermediate_certificate"))

    def token(session_key):
        answer = federate(home, key, certificate, [between], session=session_key)
        assert answer.status_code == 200, answer.text
        return answer.json()["token"]

    token.id = own["id"]
    return token


def shape(request):
    """What is the same for all who ask alike; the signature is verified with the key of the token that signs."""
    method, path, headers, body = request
    headers = {name.lower(): value for name, value in headers.items()}
    said = dict(re.findall(r'(\w+)="([^"]*)"', headers["authorization"]))
    names = said["headers"].split()
    line = {**headers, "(request-target)": f"{method.lower()} {path}"}
    token = said["keyId"].removeprefix("ST$")
    number = lambda text: int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")
    jwk = json.loads(claims_of(token)["jwk"])
    rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key().verify(
        base64.b64decode(said["signature"]), "\n".join(f"{name}: {line[name]}" for name in names).encode(),
        padding.PKCS1v15(), hashes.SHA256())
    fields = json.loads(body) if body else {}
    session = fields.pop("sessionPublicKey", None)
    if session:
        key = serialization.load_der_public_key(base64.b64decode(session, validate=True))
        fields["bits"] = key.key_size
    return method, path, headers["host"], names, said["algorithm"], said["version"], claims_of(token)["sub"], fields


@pytest.fixture
def of_sdk(home, monkeypatch):
    """Oracle's signer on this machine: its metadata and federation services are the development server's."""
    for name in ("METADATA_URL_BASE", "DEFAULT_METADATA_URL_BASE"):
        monkeypatch.setattr(oci.auth.signers.InstancePrincipalsSecurityTokenSigner, name, home.dev["imds_url"])
    monkeypatch.setenv("OCI_METADATA_BASE_URL", home.dev["imds_url"])
    monkeypatch.setattr(oci.regions, "endpoint_for", lambda service, region: home.dev["base_url"])

    def signer(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return oci.auth.signers.get_resource_principals_signer()

    return signer


def machine(home, stub, **more):
    return {
        "OCI_METADATA_BASE_URL": home.dev["imds_url"],
        "OCI_RESOURCE_PRINCIPAL_VERSION": "1.1",
        "OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT": stub.url,
        "OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT": stub.url,
        **more,
    }


EXCHANGE = "/v1/resourcePrincipalSessionToken"


def exchanged(function):
    return 200, lambda handler, body: {"token": function(json.loads(body)["sessionPublicKey"])}


@pytest.mark.parametrize("named", [
    {}, {"OCI_RESOURCE_PRINCIPAL_RPT_ID": "ocid1.fnfunc.oc1.iad.a"},
    {"OCI_RESOURCE_PRINCIPAL_RPT_PATH": "/v2/{id}/token"}, {"OCI_RESOURCE_PRINCIPAL_RPT_PATH": "/v2/token?x=1"},
])
def test_the_same_is_asked_as_by_oracles_signer(home, function, of_sdk, named):
    resource = named.get("OCI_RESOURCE_PRINCIPAL_RPT_ID", home.dev["instance_id"])
    path = named.get("OCI_RESOURCE_PRINCIPAL_RPT_PATH", "/20180711/resourcePrincipalToken/{id}").format(id=resource)
    with running(Stub({path: (200, TOKENS), EXCHANGE: exchanged(function)})) as stub:
        variables = machine(home, stub, **named)
        signer = of_sdk(variables)
        assert client_of(home, oci.secrets.SecretsClient, signer).get_secret_bundle(home.dev["secret_id"]).status == 200
        theirs, stub.asked = [shape(request) for request in stub.asked], []
        assert reads(hand(home, *READ, **variables))
        ours = [shape(request) for request in stub.asked]
    assert ours == theirs and [request[1] for request in ours] == [path, EXCHANGE]
    assert ours[1][-1] == {**TOKENS, "bits": 2048} and ours[0][-2] == home.dev["instance_id"]


def test_the_resource_is_who_reads(home, function):
    path = f"/20180711/resourcePrincipalToken/{home.dev['instance_id']}"
    with running(Stub({path: (200, TOKENS), EXCHANGE: exchanged(function)})) as stub:
        done = hand(home, "rotate", "secret://dev/sample", "--auth", "resource_principal", **machine(home, stub))
    assert done.returncode == 1, done.stderr
    [request_id] = re.findall(rb"request: ([0-9A-F/]+)", done.stderr)
    told = json.loads(home.strongroom("why", request_id.decode(), "--json").stdout)
    assert told["principal"]["id"] == function.id


def test_what_is_wrong_is_named_and_nothing_is_told(home, function):
    path = f"/20180711/resourcePrincipalToken/{home.dev['instance_id']}"
    pair = {path: (200, TOKENS), EXCHANGE: exchanged(function)}
    prefix = "OCI_RESOURCE_PRINCIPAL_"
    for change, exit_code, said in [
        ({"RPT_ENDPOINT": ""}, 3, "OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT is not set"),
        ({"RPT_ENDPOINT": "http://u:c4n4ry@h"}, 3, "cannot use OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT"),
        ({"RPST_ENDPOINT": "c4n4ry"}, 3, "cannot use OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT"),
        ({"RPT_PATH": "c4n4ry/{id}"}, 3, "cannot use OCI_RESOURCE_PRINCIPAL_RPT_PATH"),
        ({"RPT_PATH": "/{c4n4ry}"}, 3, "braces other than those of {id}"),
        ({"RPT_ID": "c4n4ry/.."}, 3, "cannot use OCI_RESOURCE_PRINCIPAL_RPT_ID"),
        ({"RPT_ID": "another"}, 1, "the service of the resource: 404 NotAuthorizedOrNotFound"),
        ({"VERSION": "2.1"}, 3, "1.1 and 2.2 are known"),
    ]:
        with running(Stub(pair)) as stub:
            variables = {**machine(home, stub), **{prefix + name: value for name, value in change.items()}}
            done = hand(home, *READ, "--auth", "resource_principal", STRONGROOM_LOG="trace", **variables)
        assert done.returncode == exit_code and said.encode() in done.stderr, (change, done.stderr)
        assert b"c4n4ry" not in done.stdout + done.stderr, change
    for change, said in [
        ({path: (200, b"c4n4ry")}, "GetResourcePrincipalToken cannot be read"),
        ({path: (200, {"resourcePrincipalToken": "c4n4ry"})}, "GetResourcePrincipalToken cannot be read"),
        ({EXCHANGE: (200, {"token": "c4n4ry"})}, "the token is no JSON Web Token"),
        ({EXCHANGE: (403, {"code": "NotAllowed", "message": "no"})}, "the federation service: 403 NotAllowed"),
    ]:
        with running(Stub({**pair, **change})) as stub:
            done = hand(home, *READ, STRONGROOM_LOG="trace", **machine(home, stub))
        assert done.returncode == 1 and said.encode() in done.stderr, (change, done.stderr)
        assert b"c4n4ry" not in done.stdout + done.stderr, change


# The port is the same everywhere, so that the address is this process's own.
CLUSTER = f"127.{os.getpid() >> 16 & 255}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 | 1}"
PATH = "/resourcePrincipalSessionTokens"


def certified(directory, name, address, issuer=None):
    """A certificate, of an authority if nobody issues it; returns the files and what issues others."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[0] if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
               .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True))
    if address:
        host = x509.DNSName(address) if address.endswith(".invalid") else x509.IPAddress(ipaddress.ip_address(address))
        builder = builder.add_extension(x509.SubjectAlternativeName([host]), False)
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (directory / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return subject, key


@pytest.fixture(scope="module")
def pod(tmp_path_factory):
    """What Kubernetes gives a pod, and the cluster's certificate."""
    directory = tmp_path_factory.mktemp("pod")
    certified(directory, "cluster", CLUSTER, certified(directory, "ca", None))
    certified(directory, "other", None)
    (directory / "token").write_text(account_token(600))
    return directory


def account_token(secs):
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=secs)
    return jwt.encode({"sub": "system:serviceaccount:c4n4ry", "exp": ends}, "k" * 32, algorithm="HS256")


def cluster(pod, answer):
    stub = Stub({PATH: answer}, (CLUSTER, 12250))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pod / "cluster.crt", pod / "cluster.key")
    stub.socket = context.wrap_socket(stub.socket, server_side=True)
    return running(stub)


def in_pod(pod, **more):
    return {
        "KUBERNETES_SERVICE_HOST": CLUSTER,
        "OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH": str(pod / "token"),
        "OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH": str(pod / "ca.crt"),
        **more,
    }


def given(function):
    def answer(handler, body):
        text = json.dumps({"token": "ST$" + function(json.loads(body)["podKey"])})
        return json.dumps(base64.b64encode(text.encode()).decode()).encode()
    return 200, answer


def pod_shape(request):
    method, path, headers, body = request
    headers = {name.lower(): value for name, value in headers.items()}
    fields = json.loads(body)
    key = serialization.load_der_public_key(base64.b64decode(fields.pop("podKey"), validate=True))
    assert re.fullmatch("[0-9A-Fa-f/]{32,}", headers["opc-request-id"])
    names = ("host", "authorization", "content-type")
    return method, path, [headers[name] for name in names], key.key_size, fields


OKE = ("--auth", "oke_workload_identity")


def test_a_pod_asks_as_oracles_signer_does(home, function, pod, monkeypatch):
    variables = in_pod(pod)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with cluster(pod, given(function)) as stub:
        signer = oci.auth.signers.get_oke_workload_identity_resource_principal_signer(
            service_account_token_path=variables["OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH"])
        assert client_of(home, oci.secrets.SecretsClient, signer).get_secret_bundle(home.dev["secret_id"]).status == 200
        assert reads(hand(home, *READ, *OKE, **variables))
        assert reads(hand(home, *READ, OCI_CLI_AUTH="oke_workload_identity", **variables))
        as_text = {**variables, "OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH": "", "OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_STRING": (pod / "token").read_text()}
        assert reads(hand(home, *READ, *OKE, **as_text))
        theirs, *ours = map(pod_shape, stub.asked)
    assert ours == [theirs] * 3 and theirs[2][1] == "Bearer " + (pod / "token").read_text()


def test_a_pod_that_cannot_says_why_and_tells_nothing(home, function, pod):
    good = given(function)
    refusal = {"code": "NotAuthenticated", "message": "no"}
    account = "OCI_KUBERNETES_SERVICE_ACCOUNT_"
    for change, answer, exit_code, said in [
        ({"KUBERNETES_SERVICE_HOST": ""}, good, 3, "KUBERNETES_SERVICE_HOST is not set"),
        ({"KUBERNETES_SERVICE_HOST": "u:c4n4ry@h"}, good, 3, "cannot use KUBERNETES_SERVICE_HOST"),
        ({account + "TOKEN_PATH": "/none"}, good, 1, "`/none`: "),
        ({account + "TOKEN_STRING": "c4n4ry"}, good, 1, "the account's token is no JSON Web Token"),
        ({account + "TOKEN_STRING": account_token(-60)}, good, 1, "the account's token has expired"),
        ({account + "CERT_PATH": "/none"}, good, 1, "its authorities `/none`: "),
        ({account + "CERT_PATH": str(pod / "token")}, good, 1, "there is no certificate in PEM"),
        ({account + "CERT_PATH": str(pod / "other.crt")}, good, 1, "invalid peer certificate"),
        ({}, (403, refusal), 1, "perhaps it is not of the enhanced kind"),
        ({}, (401, refusal), 1, "the cluster: 401 NotAuthenticated"),
        ({}, (200, {"token": "c4n4ry"}), 1, "the cluster's answer cannot be read"),
        ({}, (200, b'"' + base64.b64encode(b'{"token":"ST$c4n4ry"}') + b'"'), 1, "the token is no JSON Web Token"),
    ]:
        with cluster(pod, answer) as stub:
            done = hand(home, *READ, *OKE, STRONGROOM_LOG="trace", **{**in_pod(pod), **change})
        assert done.returncode == exit_code and said.encode() in done.stderr, (change, done.stderr)
        assert b"c4n4ry" not in done.stdout + done.stderr, said
        assert not change or not stub.asked


def test_the_sidecar_of_kubernetes_reads_as_the_pod(home, function, pod, tmp_path):
    """The deployment's own configuration and variables: only the vault is another, and where it is."""
    config, deployment = yaml.safe_load_all((ROOT / "deploy" / "kubernetes-sidecar.yaml").read_text())
    sidecar, = deployment["spec"]["template"]["spec"]["initContainers"]
    text = config["data"]["agent.toml"].replace("/run/strongroom", str(tmp_path)).replace("uid = 1000", f"uid = {os.getuid()}")
    (tmp_path / "agent.toml").write_text(text)
    variables = {**{item["name"]: item["value"] for item in sidecar["env"]}, "STRONGROOM_VAULT_PROD": home.dev["vault_id"], **in_pod(pod)}
    assert home.strongroom("put", "secret://dev/app-db", stdin=b"of the pod").returncode == 0
    with cluster(pod, given(function)) as stub:
        oracles = hand(home, "get", "secret://prod/app-db", STRONGROOM_ENDPOINT="", **variables)
        assert oracles.returncode == 4 and b"no answer from secrets.vaults.us-ashburn-1.oci.oraclecloud.com" in oracles.stderr, oracles.stderr
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "STRONGROOM_ENDPOINT": home.dev["base_url"], **variables}
        command = [str(BINARY), *sidecar["command"][1:-1], str(tmp_path / "agent.toml")]
        agent = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        try:
            probe = [*command, "--probe"]
            until(lambda: subprocess.run(probe, capture_output=True, check=False).returncode == 0, "ready")
            connection = OverSocket(str(tmp_path / "agent.sock"))
            connection.request("GET", "/v1/secrets?ref=secret://prod/app-db")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"of the pod")
        finally:
            agent.terminate()
            log = agent.communicate(timeout=20)[1]
        assert agent.returncode == 0 and b'"credentials":"oke_workload_identity"' in log, log
        assert len(stub.asked) == 2, "each process asks for one token"
