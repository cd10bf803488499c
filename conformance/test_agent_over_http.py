"""The agent over HTTP: the matrix of requests that an application could be led to make (SSRF), all of which are refused."""

import contextlib
import http.client
import re
import socket
import time

import pytest

from test_agent import Agent
from vault import Vault

TARGET = "/v1/secrets?ref=secret://dev/sample"
CONTENT = b"hello from strongroom"
# Of linux/in.h and linux/in6.h: the kernel drops what arrives with a smaller time-to-live.
IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("gate-vault") / "data")
    server.start()
    yield server
    assert server.end() == 0


@pytest.fixture(scope="module")
def agent(home, tmp_path_factory):
    made = Agent(home, tmp_path_factory.mktemp("gate"))
    made.token = (made.directory / "token").read_text()
    yield made
    assert made.end() == 0


def statuses(agent, *lines, after=b""):
    """Sends lines as they are, and returns the statuses of all answers until the connection ends."""
    last = [] if after else ["Connection: close"]
    with socket.create_connection(("127.0.0.1", agent.port), timeout=20) as there:
        there.sendall("\r\n".join([*lines, *last, "", ""]).encode("latin-1") + after)
        told = b"".join(iter(lambda: there.recv(65536), b""))
    assert CONTENT not in told or b" 200 " in told
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", told)]


def head(agent, target=TARGET, host="localhost", method="GET", version="1.1", more=()):
    return [f"{method} {target} HTTP/{version}", f"Host: {host}", f"X-Strongroom-Token: {agent.token}", *more]


def test_who_has_the_token_is_answered(agent):
    assert agent.over_http(TARGET) == (200, CONTENT)
    assert (agent.directory / "token").stat().st_mode & 0o777 == 0o600
    for host in ("localhost", f"127.0.0.1:{agent.port}", "LOCALHOST:80", "[::1]"):
        assert agent.over_http(TARGET, host=host)[0] == 200, host
    assert statuses(agent, *head(agent)) == [200] and statuses(agent, *head(agent, version="1.0")) == [200]


def test_without_the_token(agent):
    token, lines = agent.token, ["GET " + TARGET + " HTTP/1.1", "Host: localhost"]
    for given in (False, "x" * 64, token[:-1], token + "0", token.upper(), token[::-1]):
        assert agent.over_http(TARGET, token=given)[0] == 403
    for header in [
        "X-Strongroom-Token:", f"Authorization: Bearer {token}", f"Cookie: X-Strongroom-Token={token}", f"X-Token: {token}",
        f"X-Strongroom-Token: {token},{token}", f"X-Strongroom-Token: {token}\r\nX-Strongroom-Token: {token}",
        f"X-Strongroom-Token: {token}\r\nX-Vault-Token: x", f"X-Strongroom-Token: x\r\nX-Aws-Parameters-Secrets-Token: {token}",
    ]:
        assert statuses(agent, *lines, header) == [403], header.replace(token, "TOKEN")
    assert statuses(agent, f"GET {TARGET}&token={token}&X-Strongroom-Token={token} HTTP/1.1", "Host: localhost") == [403]
    assert agent.over_http("/metrics", token=False)[0] == 403
    # These say nothing.
    assert agent.over_http("/health", token=False) == (200, b"ok\n") and agent.over_http("/ready", token=False)[0] == 200


@pytest.mark.parametrize("host", [
    "", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:80", "169.254.169.254", "127.0.0.2", "127.1", "2130706433",
    "0x7f.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "::1", "[::1%lo]", "localhost.", "localhost:80:80", "localhost@evil.example", "localhost:x", "localhost/",
    "localhost, evil.example", "10.0.0.1"])
def test_a_foreign_host(agent, host):
    """A name of somebody's that leads here (DNS rebinding) is not ours."""
    assert statuses(agent, *head(agent, host=host)) == [400]
    assert statuses(agent, "GET /health HTTP/1.1", f"Host: {host}") == [400]


def test_no_host_two_or_another_in_the_target(agent):
    token = f"X-Strongroom-Token: {agent.token}"
    assert statuses(agent, f"GET {TARGET} HTTP/1.1", token) == [400] and statuses(agent, f"GET {TARGET} HTTP/1.0", token) == [400]
    for second in ("localhost", "evil.example"):
        assert statuses(agent, *head(agent, more=[f"Host: {second}"])) == [400]
    for start in ("http://evil.example", "http://169.254.169.254", "http://localhost", "https://localhost"):
        assert statuses(agent, *head(agent, target=start + TARGET)) == [400], start


@pytest.mark.parametrize("header", [
    "Origin: http://localhost", "Origin: null", "Origin:", "Referer: http://localhost/", "Forwarded: for=10.0.0.1", "Via: 1.1 x", "X-Forwarded-For: 10.0.0.1",
    "X-Forwarded-For: 127.0.0.1", "x-FORWARDED-host: a", "X-Forwarded-Proto: https", "X-Forwarded-Anything: a", "X-Forwarded-For:", "X-Real-IP: a",
    "Sec-Fetch-Site: none", "Sec-Fetch-Site: same-origin"])
def test_what_a_proxy_or_a_browser_adds(agent, header):
    assert statuses(agent, *head(agent, more=[header])) == [400]
    assert statuses(agent, "GET /health HTTP/1.1", "Host: localhost", header) == [400]


def test_other_methods_and_what_comes_before_a_request_of_another_origin(agent):
    for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "FOO", "get"):
        assert statuses(agent, *head(agent, method=method)) == [405], method
    assert statuses(agent, *head(agent, target="localhost:80", method="CONNECT"))[0] in (400, 405)
    asks = ["Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-strongroom-token"]
    assert statuses(agent, f"OPTIONS {TARGET} HTTP/1.1", "Host: localhost", *asks)[0] in (403, 405)
    assert statuses(agent, *head(agent, method="OPTIONS", more=["Origin: http://localhost", *asks])) == [400]
    connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=20)
    connection.request("GET", TARGET, headers={"X-Strongroom-Token": agent.token, "Host": "localhost"})
    assert not [name for name, _ in connection.getresponse().getheaders() if name.lower().startswith("access-control-")]


def test_what_is_sent_along_with_a_request(agent):
    """Each request of a connection shows its token, and none is hidden in the body of another."""
    bare = f"GET {TARGET} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    assert statuses(agent, *head(agent), after=bare) == [200, 403]
    assert statuses(agent, *head(agent), after=bare.replace(b"localhost", b"evil.example")) == [200, 400]
    whole = "\r\n".join([*head(agent), "", ""]).encode()
    hidden = ["POST /health HTTP/1.1", "Host: localhost", "Connection: close"]
    for framing in ([f"Content-Length: {len(whole)}"], ["Transfer-Encoding: chunked"]):
        body = whole if "Length" in framing[0] else b"%x\r\n%s\r\n0\r\n\r\n" % (len(whole), whole)
        assert 200 not in statuses(agent, *hidden, *framing, after=body), framing
    both = [f"Content-Length: {len(whole)}", "Transfer-Encoding: chunked"]
    assert 200 not in statuses(agent, *hidden, *both, after=b"%x\r\n%s\r\n0\r\n\r\n" % (len(whole), whole))


@pytest.mark.parametrize("target", [
    "//v1/secrets?ref=secret://dev/sample", "/v1//secrets?ref=secret://dev/sample", "/x/../v1/secrets?ref=secret://dev/sample",
    "/v1/%73ecrets?ref=secret://dev/sample", "/v1/secrets/?ref=secret://dev/sample", "/V1/secrets?ref=secret://dev/sample",
    "/v1/secrets?ref=SECRET://dev/sample", "/v1/secrets?ref=secret://other/sample", "/v1/secrets?ref=file:///etc/passwd",
    "/v1/secrets?ref=http://169.254.169.254/", "/v1/secrets?ref=secret://dev/../sample", "*"])
def test_other_targets(agent, target):
    assert statuses(agent, *head(agent, target=target))[0] in (400, 404)


def test_other_addresses_of_this_machine_lead_nowhere(agent):
    own = {"127.0.0.2"}
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        # Sends nothing: the kernel only chooses from which address it would.
        outward.connect(("192.0.2.1", 9))
        own.add(outward.getsockname()[0])
    for address in own - {"127.0.0.1"}:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, agent.port), timeout=20)


def answers(address, agent, option, least):
    """Tells whether an answer comes to whoever takes packets with this time-to-live only, or a longer one."""
    with socket.create_connection((address, agent.port), timeout=0.5) as there:
        there.setsockopt(*option, least)
        there.sendall("\r\n".join([*head(agent), "", ""]).encode())
        try:
            return CONTENT in there.recv(65536)
        except TimeoutError:
            return False


def test_no_router_forwards_an_answer(agent, home, tmp_path):
    option = (socket.IPPROTO_IP, IP_MINTTL)
    assert answers("127.0.0.1", agent, option, 1) and not answers("127.0.0.1", agent, option, 2)
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("there is no IPv6")
    six = Agent(home, tmp_path, address="[::1]")
    try:
        six.token = (tmp_path / "token").read_text()
        option = (socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT)
        assert answers("::1", six, option, 1) and not answers("::1", six, option, 2)
    finally:
        assert six.end() == 0


def test_a_connection_without_a_whole_request_is_closed_and_one_in_use_is_not(agent):
    """From 5 to 10 s after the last whole request; sent byte by byte, a head counts only when it is whole."""
    begun = time.monotonic()
    used = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=20)
    with socket.create_connection(("127.0.0.1", agent.port)) as slow, \
            socket.create_connection(("127.0.0.1", agent.port)) as silent:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: local")
        open_ones, closed_after = {slow, silent}, []
        while time.monotonic() - begun < 13:
            used.request("GET", TARGET, headers={"X-Strongroom-Token": agent.token})
            assert used.getresponse().read() == CONTENT
            for there in list(open_ones):
                there.settimeout(0.1)
                with contextlib.suppress(TimeoutError, ConnectionError):
                    assert there.recv(64) == b""
                    open_ones.remove(there)
                    closed_after.append(time.monotonic() - begun)
            if slow in open_ones:
                with contextlib.suppress(ConnectionError):
                    slow.sendall(b"h")
            time.sleep(0.5)
    used.close()
    assert len(closed_after) == 2 and all(4 < secs < 12 for secs in closed_after), closed_after
