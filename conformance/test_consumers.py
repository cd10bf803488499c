"""Who still uses version 3? Reports, the wait of rotations, and the feed of changes, through `oci raw-request`, which
signs whatever it is told to ask for."""

import json
import threading
import time

import pytest
from oci._vendor import requests
from oci.vault import VaultsClient
from oci.vault import models as m

import record
from vault import Vault, content_of

LIVE = {"versionNumber": 1, "liveForSeconds": 3600}


@pytest.fixture(scope="module")
def rotating(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("consumers") / "data", "--listen", "127.0.0.1:0", "--clock", "manual")
    server.start()
    made = server.strongroom("generate", "secret://dev/app", "--passphrase", "--json")
    server.secret = json.loads(made.stdout)["secretId"]
    yield server
    assert server.end() == 0


def raw(server, method, path, body=None):
    """A request of our own API through Oracle's command line."""
    url = f"{server.dev['base_url']}/_strongroom/v1/{path}"
    command = ["raw-request", "--http-method", method, "--target-uri", url]
    answer = server.oci(*command, *(["--request-body", json.dumps(body)] if body is not None else []))
    status = int(answer["status"].split()[0])
    record.note("oci", record.operation_at(method, "/_strongroom/v1/" + path), status)
    return status, answer["data"]


def signed(server, method, path, body=None):
    """The same through the Python SDK's signer."""
    url = f"{server.dev['base_url']}/_strongroom/v1/{path}"
    answer = requests.request(method, url, auth=server.signer(), json=body, timeout=60)
    record.note("Python SDK", record.operation_at(method, "/_strongroom/v1/" + path), answer.status_code)
    return answer.status_code, answer.json()


def report(server, name, body, ask=signed):
    return ask(server, "PUT", f"secrets/{server.secret}/consumers/{name}", body)


def stages(server, number):
    return server.client(VaultsClient).get_secret_version(server.secret, number).data.stages


def test_a_rotation_waits_for_its_consumers(rotating):
    """ReportSecretVersion, ListSecretConsumers, GetSecretRetirement, UpdateSecretRetirement."""
    place = f"secrets/{rotating.secret}"
    assert raw(rotating, "GET", f"{place}/retirement")[1]["deadlineSeconds"] is None
    assert raw(rotating, "PUT", f"{place}/retirement", {"deadlineSeconds": 7200})[0] == 200
    assert signed(rotating, "GET", f"{place}/retirement")[1]["deadlineSeconds"] == 7200
    assert signed(rotating, "PUT", f"{place}/retirement", {"deadlineSeconds": 0})[0] == 400
    assert signed(rotating, "PUT", f"{place}/retirement", {"deadlineSeconds": 7200})[0] == 200
    assert report(rotating, "web-1", LIVE, raw)[0] == 200
    assert report(rotating, "web-2", LIVE)[1]["stages"] == ["CURRENT", "LATEST"]
    assert report(rotating, "web-2", {"versionNumber": 9})[0] == 400
    assert rotating.strongroom("rotate", "secret://dev/app").returncode == 0
    assert stages(rotating, 1) == ["PREVIOUS"]
    table = rotating.strongroom("versions", "secret://dev/app", "--consumers").stdout.decode().splitlines()
    assert table[0].split() == ["HOLDS", "STAGES", "CONSUMER", "STATE", "REPORTED", "PRINCIPAL"]
    assert [line.split()[:4] for line in table[1:]] == [
        ["1", "PREVIOUS", "web-1", "live"], ["1", "PREVIOUS", "web-2", "live"]]
    report(rotating, "web-1", {"versionNumber": 2})
    assert [c["versionNumber"] for c in raw(rotating, "GET", f"{place}/consumers")[1]] == [2, 1]
    assert stages(rotating, 1) == ["PREVIOUS"]
    report(rotating, "web-2", {"versionNumber": 2})
    end = time.monotonic() + 20
    while stages(rotating, 1) != ["DEPRECATED"]:
        assert time.monotonic() < end
        time.sleep(0.02)
    listed = signed(rotating, "GET", f"{place}/consumers?limit=1")
    assert listed[0] == 200 and listed[1][0]["consumerName"] == "web-1"
    rows = json.loads(rotating.strongroom("versions", "secret://dev/app", "--consumers", "--json").stdout)
    assert [row["versionNumber"] for row in rows] == [2, 2]


def test_a_silent_consumer_is_not_waited_for_after_the_deadline(rotating):
    assert b"3600 s" in rotating.strongroom("retire", "secret://dev/app", "--within", "1h").stdout
    before = rotating.client(VaultsClient).get_secret(rotating.secret).data.current_version_number
    report(rotating, "slow", {"versionNumber": before, "liveForSeconds": 86_400})
    rotating.strongroom("rotate", "secret://dev/app")
    assert stages(rotating, before) == ["PREVIOUS"]
    details = rotating.client(VaultsClient).get_secret(rotating.secret).data.lifecycle_details
    assert "every consumer" in details
    rotating.advance(hours=2)
    assert stages(rotating, before) == ["DEPRECATED"]
    assert b"keep" in rotating.strongroom("retire", "secret://dev/app", "--never").stdout


def test_a_change_is_told_at_once_and_holds_no_content(rotating):
    """WatchSecrets."""
    status, first = raw(rotating, "GET", "secretChanges")
    assert (status, first["changes"], first["isReset"]) == (200, [], False)
    heard = {}

    def listen():
        heard["answer"] = signed(rotating, "GET", f"secretChanges?after={first['cursor']}&waitSeconds=30")
        heard["at"] = time.monotonic()

    listener = threading.Thread(target=listen)
    listener.start()
    time.sleep(0.3)
    change = m.UpdateSecretDetails(secret_content=content_of(b"c4nary"))
    etag = rotating.client(VaultsClient).update_secret(rotating.secret, change).headers["etag"]
    acknowledged = time.monotonic()
    listener.join()
    print(f"heard {1000 * (heard['at'] - acknowledged):.1f} ms after the update was acknowledged")
    assert heard["at"] - acknowledged < 1
    status, answer = heard["answer"]
    (told,) = answer["changes"]
    assert (told["secretId"], told["etag"], status) == (rotating.secret, etag, 200)
    assert "c4nary" not in json.dumps(answer) and "Y0" not in json.dumps(answer)
    assert signed(rotating, "GET", "secretChanges?waitSeconds=51")[0] == 400


def test_who_may_have_lost_a_right_by_a_change_of_the_secret_looks_again(rotating):
    """Whoever lost it is not told of the secret any more; all are told that something happened."""
    vaults = rotating.client(VaultsClient)

    def heard_of(change):
        cursor = signed(rotating, "GET", "secretChanges")[1]["cursor"]
        change()
        answer = signed(rotating, "GET", f"secretChanges?after={cursor}&waitSeconds=20")[1]
        return answer["isReset"], [told["secretId"] for told in answer["changes"]]

    def update(**what):
        return lambda: vaults.update_secret(rotating.secret, m.UpdateSecretDetails(**what))

    def move(compartment):
        return lambda: vaults.change_secret_compartment(
            rotating.secret, m.ChangeSecretCompartmentDetails(compartment_id=compartment))

    home = vaults.get_secret(rotating.secret).data.compartment_id
    assert heard_of(update(description="d")) == (False, [rotating.secret])
    assert heard_of(update(freeform_tags={"team": "b"})) == (True, [])
    assert heard_of(update(secret_content=content_of(b"next"))) == (False, [rotating.secret])
    assert heard_of(move(rotating.dev["tenancy_id"])) == (True, [])
    assert heard_of(move(home)) == (True, [])


def test_a_restart_resets_those_who_watch(own_vault):
    own_vault.start()
    cursor = signed(own_vault, "GET", "secretChanges")[1]["cursor"]
    own_vault.end()
    own_vault.start()
    answer = signed(own_vault, "GET", f"secretChanges?after={cursor}&waitSeconds=20")[1]
    assert answer["isReset"] is True and answer["cursor"] != cursor


def test_reports_survive_a_kill(own_vault):
    own_vault.start()
    own_vault.secret = own_vault.dev["secret_id"]
    assert report(own_vault, "app", LIVE)[0] == 200
    own_vault.process.kill()
    own_vault.process.wait()
    own_vault.start()
    (kept,) = signed(own_vault, "GET", f"secrets/{own_vault.secret}/consumers")[1]
    assert (kept["consumerName"], kept["versionNumber"], kept["isLive"]) == ("app", 1, True)
