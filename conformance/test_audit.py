"""The audit log is read through Oracle's own clients."""

import datetime

import oci
import pytest
from oci._vendor import requests
from oci.exceptions import ServiceError

from vault import Vault, absent


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("audit") / "data")
    server.start()
    yield server
    assert server.end() == 0


def span():
    """From ten minutes ago until ten minutes hence."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now - datetime.timedelta(minutes=10), now + datetime.timedelta(minutes=10)


def events(home, compartment_id, start=None, end=None):
    audit, (from_, to) = home.client(oci.audit.AuditClient), span()
    found, page = [], None
    while True:
        more = {"page": page} if page else {}
        answer = audit.list_events(compartment_id, start or from_, end or to, **more)
        found += answer.data
        page = answer.headers.get("opc-next-page")
        if not page:
            return found


def test_a_read_and_a_refusal_stand_in_the_log(home):
    """ListEvents: who read what, from where, by what client, and with what outcome; never content."""
    dev, bundles = home.dev, home.client(oci.secrets.SecretsClient)
    read = bundles.get_secret_bundle(dev["secret_id"])
    with pytest.raises(ServiceError) as raised:
        bundles.get_secret_bundle(absent(dev["secret_id"]))
    found = {event.event_id: event for event in events(home, dev["compartment_id"])}
    event = found[read.request_id]
    assert event.event_type == "com.oraclecloud.VaultSecret.GetSecretBundle"
    assert event.source == "VaultSecret" and event.content_type == "application/json"
    data = event.data
    assert (data.event_name, data.compartment_name) == ("GetSecretBundle", "sample")
    assert (data.resource_id, data.resource_name) == (dev["secret_id"], "sample")
    assert data.identity.principal_id == home.config()["user"]
    assert (data.identity.auth_type, data.identity.ip_address) == ("natv", "127.0.0.1")
    assert data.identity.user_agent.startswith("Oracle-PythonSDK/")
    assert data.request.action == "GET"
    assert data.request.path == f"/20190301/secretbundles/{dev['secret_id']}"
    assert data.response.status == "200"
    details = data.additional_details
    assert (details["versionNumber"], details["keyId"]) == (1, dev["key_id"])
    assert details.get("keyCompartmentId", data.compartment_id) == dev["compartment_id"]
    # A target that is not known lies in no compartment but the tenancy.
    assert raised.value.request_id not in found
    refused = {event.event_id: event for event in events(home, dev["tenancy_id"])}[raised.value.request_id]
    assert (refused.data.response.status, refused.data.response.message) == ("404", "NotAuthorizedOrNotFound")


def test_a_long_log_is_read_page_by_page_and_nothing_twice(home):
    bundles = home.client(oci.secrets.SecretsClient)
    asked = [bundles.get_secret_bundle(home.dev["secret_id"]).request_id for _ in range(1_100)]
    ids = [event.event_id for event in events(home, home.dev["compartment_id"])]
    assert len(ids) == len(set(ids))
    wanted = set(asked)
    assert [id for id in ids if id in wanted] == asked


def test_a_span_holds_what_began_in_it(home):
    bundles = home.client(oci.secrets.SecretsClient)
    bundles.get_secret_bundle(home.dev["secret_id"])
    read = bundles.get_secret_bundle(home.dev["secret_id"])
    [event] = [e for e in events(home, home.dev["compartment_id"]) if e.event_id == read.request_id]
    tick = datetime.timedelta(milliseconds=1)
    begun = event.event_time
    before = events(home, home.dev["compartment_id"], end=begun)
    since = events(home, home.dev["compartment_id"], start=begun, end=begun + tick)
    assert read.request_id not in {e.event_id for e in before}
    assert read.request_id in {e.event_id for e in since}


def test_the_command_line_lists_events(home):
    dev, (start, end) = home.dev, span()
    found = home.oci(
        "audit", "event", "list", "--compartment-id", dev["compartment_id"],
        "--start-time", start.isoformat(), "--end-time", end.isoformat(), "--all",
    )
    names = {event["data"]["event-name"] for event in found["data"]}
    assert "GetSecretBundle" in names


@pytest.mark.parametrize(("query", "field"), [
    ("", "compartmentId"),
    ("compartmentId={c}", "startTime"),
    ("compartmentId={c}&startTime=2026-01-01T00:00:00Z", "endTime"),
    ("compartmentId={c}&startTime=yesterday&endTime=2026-01-01T00:00:00Z", "startTime"),
    ("compartmentId={c}&startTime=2026-01-01T00:00:00Z&endTime=2026-13-01T00:00:00Z", "endTime"),
    ("compartmentId={c}&startTime=2026-01-02T00:00:00Z&endTime=2026-01-01T00:00:00Z", "endTime"),
    ("compartmentId=x&startTime=2026-01-01T00:00:00Z&endTime=2026-01-02T00:00:00Z", "compartmentId"),
    ("compartmentId={c}&startTime=2026-01-01T00:00:00Z&endTime=2026-01-02T00:00:00Z&page=x", "page"),
])
def test_wrong_questions_are_refused_by_name(home, query, field):
    url = f"{home.dev['base_url']}/20190901/auditEvents?" + query.format(c=home.dev["compartment_id"])
    answer = requests.get(url, auth=home.signer(), timeout=20)
    assert answer.status_code == 400, answer.text
    assert field in answer.json()["message"]
