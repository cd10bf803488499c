"""The hand behind a proxy: a real one, that wants a password, in front of hosts that only it can find."""

import base64
import contextlib
import http.client
import http.server
import os
import select
import socket
import ssl
import subprocess
import threading
import urllib.parse

import pytest

from test_agent import OverSocket
from test_hand_credentials import READ, hand, home, reads  # noqa: F401  (a fixture)
from test_hand_resource_principal import certified, running
from test_run import until
from vault import BINARY

LOGIN = "Basic " + base64.b64encode(b"user:c4n4ry/@").decode()
HOP_BY_HOP = {"proxy-authorization", "proxy-connection", "connection", "keep-alive", "transfer-encoding", "content-length"}


class Proxy(http.server.ThreadingHTTPServer):
    """Passes on what asks for a host of the table, and remembers the request lines and what went through tunnels."""

    daemon_threads = True

    def __init__(self, hosts):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hosts, self.asked, self.carried = hosts, [], b""

    def url(self, login="user:c4n4ry%2F%40@"):
        return f"http://{login}127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def admitted(self, host):
        """Where a host is, for who says the password."""
        self.server.asked.append(self.requestline)
        if self.headers.get("proxy-authorization") != LOGIN:
            self.send_response(407)
            self.send_header("proxy-authenticate", "Basic realm=proxy")
        elif host not in self.server.hosts:
            self.send_response(403)
        else:
            return self.server.hosts[host]
        self.send_header("content-length", "0")
        self.end_headers()
        return None

    def do_CONNECT(self):
        address = self.admitted(self.path)
        if address is None:
            return
        self.close_connection = True
        with socket.create_connection(address) as there:
            self.send_response(200, "Connection established")
            self.end_headers()
            other = {self.connection: there, there: self.connection}
            while ready := select.select(list(other), [], [], 30)[0]:
                content = ready[0].recv(65536)
                if not content:
                    return
                self.server.carried += content
                other[ready[0]].sendall(content)

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        url = urllib.parse.urlsplit(self.path)
        address = self.admitted(url.netloc)
        if address is None:
            return
        keep = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        there = http.client.HTTPConnection(*address, timeout=30)
        there.request(self.command, urllib.parse.urlunsplit(("", "", url.path, url.query, "")), body, keep)
        answer = there.getresponse()
        content = answer.read()
        there.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        with contextlib.suppress(BrokenPipeError):  # An agent that ends waits for no feed.
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = pass_on

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def over_tls(address, directory):
    """Ends TLS in front of a server that has none, and gives the address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "vault.crt", directory / "vault.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(stream):
        with contextlib.suppress(OSError), context.wrap_socket(stream, server_side=True) as ours, socket.create_connection(address) as there:
            threading.Thread(target=pump, args=(there, ours), daemon=True).start()
            pump(ours, there)

    def pump(one, other):
        with contextlib.suppress(OSError):
            while content := one.recv(65536):
                other.sendall(content)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=carry, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(home, tmp_path):
    """Beyond it are the vault, with TLS and without, and nothing else."""
    certified(tmp_path, "vault", "vault.invalid", certified(tmp_path, "ca", None))
    url = urllib.parse.urlsplit(home.dev["base_url"])
    address = (url.hostname, url.port)
    with over_tls(address, tmp_path) as tls, running(Proxy({"vault.invalid:8790": address, "vault.invalid:443": tls})) as server:
        yield server


def admin(home, **more):
    own = home.config()
    return {"OCI_CLI_USER": own["user"], "OCI_CLI_FINGERPRINT": own["fingerprint"], "OCI_CLI_TENANCY": own["tenancy"],
            "OCI_CLI_KEY_FILE": own["key_file"], **more}


PLAIN = {"STRONGROOM_ENDPOINT": "http://vault.invalid:8790"}


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_plain_requests_go_to_the_proxy(home, proxy, name):
    assert reads(hand(home, *READ, **admin(home), **PLAIN, **{name: proxy.url()}))
    assert proxy.asked and all(" http://vault.invalid:8790/20" in line for line in proxy.asked)
    of_a_web_server = hand(home, *READ, **admin(home), **PLAIN, **{name: proxy.url()}, REQUEST_METHOD="GET")
    assert of_a_web_server.returncode == (4 if name == "HTTP_PROXY" else 0), of_a_web_server.stderr


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_tls_goes_through_a_tunnel_that_shows_nothing(home, proxy, tmp_path, name):
    variables = admin(home, STRONGROOM_ENDPOINT="https://vault.invalid", STRONGROOM_CERT_BUNDLE=tmp_path / "ca.crt")
    assert reads(hand(home, *READ, **variables, **{name: proxy.url()}))
    assert set(proxy.asked) == {"CONNECT vault.invalid:443 HTTP/1.1"}
    assert len(proxy.carried) > 2000
    for hidden in (b"hello from", b"secretbundles", b"keyId", LOGIN.encode()):
        assert hidden not in proxy.carried
    certified(tmp_path, "other", None)
    distrusted = hand(home, *READ, **{**variables, "STRONGROOM_CERT_BUNDLE": tmp_path / "other.crt"}, **{name: proxy.url()})
    assert distrusted.returncode == 4 and b"invalid peer certificate" in distrusted.stderr, distrusted.stderr


def test_what_is_near_or_excepted_is_reached_directly(home, proxy):
    both = {"HTTP_PROXY": proxy.url(), "HTTPS_PROXY": proxy.url()}
    assert reads(hand(home, *READ, **admin(home), **both)), "the vault is on this machine"
    for name in ("NO_PROXY", "no_proxy"):
        done = hand(home, *READ, **admin(home), **PLAIN, **both, **{name: "10.0.0.0/8, .invalid"})
        assert done.returncode == 4 and b"no answer from vault.invalid:8790" in done.stderr, done.stderr
    assert proxy.asked == []


def test_metadata_come_directly_and_tokens_through_the_proxy(home, proxy):
    metadata = {"OCI_METADATA_BASE_URL": home.dev["imds_url"]}
    assert reads(hand(home, *READ, "--auth", "instance_principal", **metadata, **PLAIN, HTTP_PROXY=proxy.url()))
    paths = [line.split()[1].removeprefix("http://vault.invalid:8790") for line in proxy.asked]
    assert paths[0] == "/v1/x509" and len(paths) > 1 and not any("/opc/" in path for path in paths)


def test_what_is_wrong_is_named_and_the_password_is_not(home, proxy, tmp_path):
    tls = {"STRONGROOM_ENDPOINT": "https://vault.invalid", "STRONGROOM_CERT_BUNDLE": tmp_path / "ca.crt"}
    place = f"the proxy 127.0.0.1:{proxy.server_port}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for variables, exit_code, said in [
        ({**PLAIN, "HTTP_PROXY": proxy.url("user:c4n4ry@")}, 4, place + " answers 407"),
        ({**tls, "HTTPS_PROXY": proxy.url("user:c4n4ry@")}, 4, place + " answers 407"),
        ({**tls, "HTTPS_PROXY": proxy.url(""), "HTTP_PROXY": proxy.url()}, 4, place + " answers 407"),
        ({**tls, "HTTPS_PROXY": proxy.url(), "STRONGROOM_ENDPOINT": "https://else.invalid"}, 4, place + " answers 403"),
        ({**tls, "HTTPS_PROXY": f"http://u:c4n4ry@127.0.0.1:{port}"}, 4, f"the proxy 127.0.0.1:{port}: "),
        ({**tls, "HTTPS_PROXY": "socks5://u:c4n4ry@h"}, 3, "cannot use HTTPS_PROXY"),
        ({**tls, "https_proxy": "http://u:c4n4ry%@h"}, 3, "cannot use https_proxy"),
        ({**PLAIN, "HTTP_PROXY": "http://u:c4n4ry@h:x"}, 3, "cannot use HTTP_PROXY"),
        ({**PLAIN, "NO_PROXY": "c4n4ry:x"}, 3, "cannot use NO_PROXY"),
    ]:
        proxy.asked.clear()
        done = hand(home, *READ, **admin(home), **variables, STRONGROOM_LOG="trace")
        assert done.returncode == exit_code and said.encode() in done.stderr, (variables, done.stderr)
        assert b"c4n4ry" not in done.stdout + done.stderr and LOGIN.encode() not in done.stderr, done.stderr
        assert len(proxy.asked) <= 1, "no proxy is asked again with what it refused"


def test_authorities_in_place_of_the_systems_and_besides(home, proxy, tmp_path):
    ours, other, none = tmp_path / "ca.crt", tmp_path / "other.crt", tmp_path / "none.crt"
    certified(tmp_path, "other", None)
    none.write_text("c4n4ry")
    tls = admin(home, STRONGROOM_ENDPOINT="https://vault.invalid", HTTPS_PROXY=proxy.url())
    for system, variables, arguments, exit_code in [
        (ours, {}, (), 0),
        (other, {}, (), 4),
        (ours, {"STRONGROOM_EXTRA_CERT_BUNDLE": other}, (), 0),
        (other, {"STRONGROOM_EXTRA_CERT_BUNDLE": ours}, (), 0),
        (other, {}, ("--extra-cert-bundle", ours), 0),
        ("/none", {"STRONGROOM_EXTRA_CERT_BUNDLE": ours}, (), 0),
        (ours, {"STRONGROOM_CERT_BUNDLE": other}, (), 4),
        (other, {"STRONGROOM_CERT_BUNDLE": other, "STRONGROOM_EXTRA_CERT_BUNDLE": ours}, (), 0),
        (ours, {"STRONGROOM_EXTRA_CERT_BUNDLE": none}, (), 3),
        (ours, {"STRONGROOM_EXTRA_CERT_BUNDLE": "/none"}, (), 3),
        ("/none", {}, (), 3),
    ]:
        done = hand(home, *READ, *arguments, **tls, **variables, SSL_CERT_FILE=system)
        assert done.returncode == exit_code, (system, variables, arguments, done.stderr)
        assert exit_code != 3 or b"error[bad-authorities]" in done.stderr
        assert exit_code != 4 or b"invalid peer certificate" in done.stderr
        assert b"c4n4ry" not in done.stderr


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_agent_that_logs_everything_does_not_log_the_password(home, proxy, tmp_path, scheme):
    (tmp_path / "agent.toml").write_text(
        f"socket = '{tmp_path}/agent.sock'\n[[allow]]\nuid = {os.getuid()}\nreferences = ['secret://dev/*']\n"
        "[[secret]]\nreference = 'secret://dev/sample'\n")
    url = {"http": "http://vault.invalid:8790", "https": "https://vault.invalid"}[scheme]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "STRONGROOM_ENDPOINT": url, "STRONGROOM_VAULT_DEV": home.dev["vault_id"],
        "STRONGROOM_CERT_BUNDLE": str(tmp_path / "ca.crt"), f"{scheme.upper()}_PROXY": proxy.url(), "STRONGROOM_LOG": "trace", **admin(home)}
    command = [str(BINARY), "agent", "--agent-config", str(tmp_path / "agent.toml")]
    with open(tmp_path / "log", "wb") as log:
        agent = subprocess.Popen(command, env=environment, stderr=log)
    try:
        until(lambda: subprocess.run([*command, "--probe"], capture_output=True, check=False).returncode == 0, "ready")
        connection = OverSocket(str(tmp_path / "agent.sock"))
        connection.request("GET", "/v1/secrets?ref=secret://dev/sample")
        assert connection.getresponse().read() == b"hello from strongroom"
    finally:
        agent.terminate()
        assert agent.wait(timeout=20) == 0
    log = (tmp_path / "log").read_bytes()
    assert proxy.asked and b'"level":"DEBUG"' in log
    for hidden in (b"c4n4ry", LOGIN.encode(), b"hello from strongroom"):
        assert hidden not in log
