"""Traces as a collector gets them: read with OpenTelemetry's own definitions."""

import base64
import contextlib
import http.client
import http.server
import re
import threading

import oci
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from serving import Server, free_port
from test_serve import private, strongroom
from test_sinks import wait

CANARY = "canary-51d0"
STAGES = ["read", "view", "authenticate", "locate", "authorize", "perform", "settle"]
SERVER, INTERNAL = 2, 1


@contextlib.contextmanager
def collector():
    """Takes traces; what is no request of the protocol is refused."""
    spans, shown = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            # Identifiers are hexadecimal in this protocol, where protobuf's JSON has base64.
            in_base64 = re.sub(rb'("(?:traceId|spanId|parentSpanId)":")([0-9a-f]*)"',
                               lambda found: found[1] + base64.b64encode(bytes.fromhex(found[2].decode())) + b'"', body)
            request = json_format.Parse(in_base64, ExportTraceServiceRequest())
            shown.append((self.path, self.headers["content-type"], self.headers["authorization"], body))
            for resource in request.resource_spans:
                spans.extend((resource.resource, span) for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", spans, shown
    server.shutdown()
    server.server_close()


def served(founded, directory, url, *more):
    server = Server(directory)
    founded.append(server)
    port = free_port()
    text = server.config.read_text()
    tables = "".join(f"{line}\n" for line in more)
    server.config.write_text(f"metrics_listen = '127.0.0.1:{port}'\n{text}[traces]\notlp = '{url}'\n{tables}")
    server.metrics = port
    return server.init().start()


def ask(server, **headers):
    """A request without a signature: refused. Returns its identifier."""
    connection = http.client.HTTPConnection(server.url[7:], timeout=20)
    connection.request("GET", f"/20180608/vaults?token={CANARY}", headers={"authorization": CANARY, **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 401
    return answer.headers["opc-request-id"]


def attributes(of):
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in of.attributes}


def roots(spans):
    return {attributes(span)["oci.request_id"]: span for _, span in spans if span.kind == SERVER}


def test_a_request_and_its_stages(founded, tmp_path):
    private(tmp_path / "token", b"letmein\n")
    with collector() as (url, spans, shown):
        server = served(founded, tmp_path / "server", url, f"token_file = '{tmp_path}/token'").furnish()
        secret = server.new_secret("s", CANARY.encode())
        answer = server.client(oci.secrets.SecretsClient).get_secret_bundle(secret.id)
        refused = ask(server)
        wait(lambda: {refused, answer.request_id} <= set(roots(spans)))
        span = roots(spans)[answer.request_id]
        told = attributes(span)
        assert span.name == told["oci.operation"] == "GetSecretBundle" and told["http.request.method"] == "GET"
        assert told["http.response.status_code"] == 200 and told["client.address"] == "127.0.0.1"
        assert span.parent_span_id == b"" and len(span.trace_id) == 16 and len(span.span_id) == 8
        stages = [stage for _, stage in spans if stage.parent_span_id == span.span_id]
        assert [stage.name for stage in stages] == STAGES
        assert {stage.trace_id for stage in stages} == {span.trace_id} and {stage.kind for stage in stages} == {INTERNAL}
        edges = [span.start_time_unix_nano]
        for stage in stages:
            assert stage.start_time_unix_nano == edges[-1] <= stage.end_time_unix_nano
            edges.append(stage.end_time_unix_nano)
        assert edges[-1] <= span.end_time_unix_nano
        refusal = roots(spans)[refused]
        assert refusal.name == "GET" and attributes(refusal)["oci.code"] == "NotAuthenticated"
        assert refusal.status.code == 0
        assert [stage.name for _, stage in spans if stage.parent_span_id == refusal.span_id] == ["read", "view", "settle"]
        assert len({span.span_id for _, span in spans}) == len(spans)
        named = attributes(spans[0][0])
        assert named["service.name"] == "strongroom" and named["service.instance.id"] == server.url
        assert {entry[:3] for entry in shown} == {("/v1/traces", "application/json", "Bearer letmein")}
        assert not any(CANARY.encode() in entry[3] for entry in shown)
        assert server.end() == 0


def test_the_caller_decides_whether_its_trace_goes_on(founded, tmp_path):
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with collector() as (url, spans, _):
        server = served(founded, tmp_path / "server", url, "ratio = 0.0")
        for _ in range(20):
            ask(server)
            ask(server, traceparent=f"00-{trace}-{parent}-00")
            ask(server, traceparent="nonsense")
        traced = ask(server, traceparent=f"00-{trace}-{parent}-01")
        wait(lambda: traced in roots(spans))
        assert set(roots(spans)) == {traced}
        span = roots(spans)[traced]
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (trace, parent)
        assert server.end() == 0


def test_traces_that_nobody_takes_are_counted_and_delay_nothing(founded, tmp_path):
    server = served(founded, tmp_path / "server", f"http://127.0.0.1:{free_port()}/v1/traces")
    for _ in range(20):
        ask(server)

    def lost():
        connection = http.client.HTTPConnection("127.0.0.1", server.metrics, timeout=20)
        connection.request("GET", "/metrics")
        return float(re.search(r"^strongroom_traces_lost_total (\S+)$", connection.getresponse().read().decode(), re.M)[1])

    wait(lambda: lost() == 20)
    assert (server.directory / "log").read_text().count("traces were not taken") == 1
    assert server.end() == 0


@pytest.mark.parametrize("url, more, why", [
    ("http://10.1.2.3/v1/traces", "", "https://"),
    ("https://x/", "ratio = 1.5", "ratio must be from 0 to 1"),
    ("https://x/", "ratio = 'all'", "invalid type"),
    ("https://x/", "token_file = '/absent'", "No such file"),
    ("https://x/", "sample = 1", "unknown field"),
])
def test_wrong_tables_are_refused_with_the_rule(tmp_path, url, more, why):
    server = Server(tmp_path / "server")
    with open(server.config, "a", encoding="utf-8") as config:
        config.write(f"[traces]\notlp = '{url}'\n{more}\n")
    refused = strongroom("serve", "--config", server.config)
    assert refused.returncode in (2, 3) and why in refused.stderr, refused.stderr
