"""What operators are told: metrics as documented, rules and a dashboard that name nothing else, log lines that name requests."""

import json
import re
import socket
import subprocess
import urllib.error
import urllib.request

import oci
import pytest
import yaml
from oci.exceptions import ServiceError
from oci.identity import models
from oci.secrets import SecretsClient

from regions import wait_for
from test_drain import asked
from test_identity import new_group, new_key, new_policy, new_user
from test_nodes import House
from test_serve import private, strongroom
from vault import BINARY, ROOT, content_in

DEPLOY = ROOT / "deploy" / "monitoring"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    port = free_port()
    keys = f"metrics_listen = '127.0.0.1:{port}'\nexpected_networks = ['10.0.0.0/8', '127.0.0.1']"
    directory = tmp_path_factory.mktemp("metrics")
    sink = f"[[audit_sink]]\nname = 'lines'\nfile = '{directory}/audit.jsonl'\n"
    made = House(directory, 1, (keys, sink)).furnish()
    made.metrics = f"http://127.0.0.1:{port}/metrics"
    made.secret = made.new_secret(0, "measured", b"c4n4ry-metrics")
    yield made
    assert made.nodes[0].end() == 0
    made.database.stop()


def served(house):
    """Type of each metric, and its samples by name and labels."""
    with urllib.request.urlopen(house.metrics) as answer:
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        text = answer.read().decode()
    assert text.endswith("# EOF\n")
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    samples = {name: float(value) for name, value in re.findall(r"^([^#\s]\S*) (\S+)$", text, re.MULTILINE)}
    return types, samples, text


def series(types):
    """The names under which a metric's samples are."""
    suffixes = {"counter": ["_total"], "gauge": [""], "info": ["_info"], "histogram": ["_bucket", "_sum", "_count"]}
    return {name + suffix for name, kind in types.items() for suffix in suffixes[kind]}


def test_the_page_lists_what_is_served_and_nothing_else(house):
    types = served(house)[0]
    page = (ROOT / "docs" / "monitoring.md").read_text()
    listed = dict(re.findall(r"^\| `(strongroom_\w+)` \| (\w+) \|", page, re.MULTILINE))
    suffix = {"counter": "_total", "info": "_info"}
    assert listed == {name + suffix.get(kind, ""): kind for name, kind in types.items()}


def test_metrics_are_at_an_address_of_their_own(house):
    assert asked(house.nodes[0], "/metrics")[0] == 401
    for path, status in (("/", 404), ("/readyz", 404)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(house.metrics.replace("/metrics", path))
        assert refused.value.code == status
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(house.metrics, data=b"x")
    assert refused.value.code == 405


def test_what_is_counted_is_what_happened(house):
    tenancy, iam = house.admin["tenancy"], house.client(oci.identity.IdentityClient, 0)
    group, user = new_group(iam, tenancy, "measured"), new_user(iam, tenancy, "measured")
    iam.add_user_to_group(models.AddUserToGroupDetails(user_id=user.id, group_id=group.id))
    pem, public = new_key()
    key = iam.upload_api_key(user.id, models.CreateApiKeyDetails(key=public)).data
    reader = house.client(SecretsClient, 0, user=user.id, fingerprint=key.fingerprint, key_content=pem)
    before = served(house)[1]
    for _ in range(3):
        with pytest.raises(ServiceError):
            reader.get_secret_bundle(house.secret.id)
    new_policy(iam, tenancy, "read", "Allow group measured to read secret-bundles in tenancy", "Allow group measured to use keys in tenancy")
    for _ in range(5):
        assert content_in(reader.get_secret_bundle(house.secret.id).data) == b"c4n4ry-metrics"
    forger = house.client(SecretsClient, 0, user=user.id, fingerprint=key.fingerprint, key_content=new_key()[0])
    with pytest.raises(ServiceError):
        forger.get_secret_bundle(house.secret.id)
    before_first = before.get("strongroom_first_reads_total", 0)
    # who reads what is noted beside the answers
    wait_for(lambda: served(house)[1]["strongroom_first_reads_total"] > before_first)
    _, after, text = served(house)

    def grown(name):
        return after[name] - before.get(name, 0)

    assert grown('strongroom_requests_total{operation="GetSecretBundle",status="4xx"}') == 3
    assert grown('strongroom_requests_total{operation="GetSecretBundle",status="2xx"}') == 5
    assert grown('strongroom_request_duration_seconds_count{operation="GetSecretBundle"}') == 8
    assert grown('strongroom_refusals_total{code="NotAuthorizedOrNotFound"}') == 3
    assert grown('strongroom_refusals_total{code="NotAuthenticated"}') == 1
    assert grown('strongroom_requests_total{operation="none",status="4xx"}') == 1
    assert grown("strongroom_first_reads_total") == 1
    assert grown("strongroom_unexpected_address_requests_total") == 0
    assert grown("strongroom_store_commit_duration_seconds_count") >= 10
    assert grown("strongroom_store_commits_total") >= grown("strongroom_store_commit_groups_total") > 0
    assert grown("strongroom_store_fresh_duration_seconds_count") >= 9
    assert grown('strongroom_secret_lookups_total{outcome="hit"}') >= 4
    assert after["strongroom_on_duty"] == 1 and after["strongroom_connections"] >= 1
    assert after["strongroom_process_resident_memory_bytes"] > 1e6 and after["strongroom_process_open_files"] > 10
    assert after["strongroom_process_cpu_seconds_total"] > 0 and after["strongroom_process_threads"] > 1
    version = subprocess.run([str(BINARY), "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    assert after[f'strongroom_build_info{{version="{version}"}}'] == 1
    # No identifier, name, address or content is a label or anything else.
    for word in ("ocid1", "measured", "127.0.0.1", "c4n4ry", key.fingerprint):
        assert word not in text


def test_addresses_that_are_not_expected_are_counted_and_named_in_the_log(house):
    before = served(house)[1]["strongroom_unexpected_address_requests_total"]
    with socket.create_connection(
            ("127.0.0.1", int(house.nodes[0].url.rpartition(":")[2])), source_address=("127.0.0.9", 0)) as stream:
        stream.sendall(b"GET /20180608/vaults HTTP/1.1\r\nhost: x\r\nconnection: close\r\nopc-request-id: unexpected\r\n\r\n")
        answer = b"".join(iter(lambda: stream.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 401")
    assert served(house)[1]["strongroom_unexpected_address_requests_total"] == before + 1
    request_id = re.search(rb"opc-request-id: (\S+)", answer).group(1).decode()
    lines = [json.loads(line)["fields"] for line in house.nodes[0].log.read_text().splitlines()]
    told = [fields for fields in lines if fields.get("request_id") == request_id]
    assert {fields["message"] for fields in told} == {"a request came from an address that is not expected", "refused"}
    assert told[0]["source"] == "127.0.0.9"


def test_rules_and_dashboard_name_only_what_is_served(house):
    names = series(served(house)[0]) | {"up"}
    rules = [rule for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    dashboard = json.loads((DEPLOY / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = {name for text in [rule["expr"] for rule in rules] + queries for name in re.findall(r"strongroom_\w+", text)}
    assert len(rules) >= 5 and len(queries) >= 15 and used - names == set()
    # What is served can be seen.
    shown = {re.sub("_(total|bucket|sum|count|info)$", "", name) for name in used}
    assert {re.sub("_(total|bucket|sum|count|info)$", "", name) for name in names - {"up"}} == shown


def test_the_rules_fire_when_they_should():
    subprocess.run(["promtool", "check", "rules", str(DEPLOY / "alerts.yaml")], check=True)
    subprocess.run(["promtool", "test", "rules", "alerts-test.yaml"], check=True, cwd=DEPLOY)


def test_prometheus_reads_the_metrics_and_raises_the_alert(house, tmp_path):
    """A real Prometheus scrapes the server; ten refusals, and StrongroomRefusals fires."""
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ['{DEPLOY}/alerts.yaml']
scrape_configs:
  - job_name: strongroom
    static_configs: [{{targets: ['{house.metrics.split("/")[2]}']}}]
""")
    prometheus = subprocess.Popen(
        ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def told(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}") as answer:
            return json.load(answer)["data"]

    def waits(until, secs=60):
        import time
        end = time.monotonic() + secs
        while True:
            try:
                if found := until():
                    return found
            except OSError:
                pass
            assert time.monotonic() < end
            time.sleep(0.5)

    try:
        waits(lambda: told("query?query=strongroom_build_info")["result"])
        assert [target["lastError"] for target in told("targets")["activeTargets"]] == [""]
        names = {alert["labels"]["alertname"] for alert in told("alerts")["alerts"]}
        assert "StrongroomRefusals" not in names
        waits(lambda: len(told("query?query=strongroom_on_duty%5B1m%5D")["result"][0]["values"]) > 3)
        for _ in range(12):
            assert asked(house.nodes[0], "/20180608/vaults")[0] == 401
        waits(lambda: [a for a in told("alerts")["alerts"] if a["labels"]["alertname"] == "StrongroomRefusals" and a["state"] == "firing"])
    finally:
        prometheus.terminate()
        prometheus.wait()


def test_log_lines_look_as_asked(tmp_path):
    private(tmp_path / "passphrase", b"x\n")
    config = tmp_path / "c.toml"
    config.write_text(f"data_dir = '{tmp_path}/data'\nlisten = '127.0.0.1:0'\n[unseal]\npassphrase_file = '{tmp_path}/passphrase'\n")
    assert strongroom("init", "--config", config).returncode == 0
    for form, looks in (("json", r'^\{"timestamp".*"base_url"'), ("lines", r"^20\S+ +INFO ready base_url=")):
        log = tmp_path / form
        with open(log, "wb") as file:
            server = subprocess.Popen([str(BINARY), "serve", "--config", str(config), "--log-format", form], stderr=file)
        while b"ready" not in log.read_bytes():
            assert server.poll() is None, log.read_text()
        server.terminate()
        assert server.wait(timeout=20) == 0
        assert re.search(looks, log.read_text(), re.MULTILINE), log.read_text()
    assert strongroom("serve", "--config", config, "--log-format", "xml").returncode == 2


@pytest.mark.parametrize(("line", "told"), [
    ("expected_networks = ['10.0.0.0/33']", "10.0.0.0/33"),
    ("metrics_listen = '192.0.2.1:9'", "192.0.2.1:9"),
    ("drain_secs = -1", "drain_secs"),
])
def test_wrong_settings_are_named(tmp_path, line, told):
    private(tmp_path / "passphrase", b"x\n")
    config = tmp_path / "c.toml"
    text = f"data_dir = '{tmp_path}/data'\nlisten = '127.0.0.1:0'\n[unseal]\npassphrase_file = '{tmp_path}/passphrase'\n"
    config.write_text(text)
    assert strongroom("init", "--config", config).returncode == 0
    config.write_text(line + "\n" + text)
    done = strongroom("serve", "--config", config)
    assert done.returncode == 3 and told in done.stderr, done.stderr
