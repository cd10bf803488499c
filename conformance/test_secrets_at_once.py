"""Many at once: lists that are read by pages while others write, and updates that meet."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from oci.exceptions import ServiceError
from oci.secrets import SecretsClient
from oci.vault import VaultsClient
from oci.vault import models as m

from vault import Vault, content_in, content_of

SECRETS = 1_000
UPDATES = 64


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("crowded") / "data", "--listen", "127.0.0.1:0", "--clock", "manual")
    server.start()
    yield server
    assert server.end() == 0


def details(vault, name):
    dev = vault.dev
    return m.CreateSecretDetails(
        compartment_id=dev["compartment_id"], vault_id=dev["vault_id"], key_id=dev["key_id"],
        secret_name=name, secret_content=content_of(name.encode()))


def pages(client, compartment, **order):
    """All identifiers of a list, page by page, repetitions included."""
    ids, page = [], None
    while True:
        answer = client.list_secrets(compartment, limit=37, **order, **({"page": page} if page else {}))
        ids += [secret.id for secret in answer.data]
        page = answer.headers.get("opc-next-page")
        if page is None:
            return ids


def test_pages_while_others_create_and_delete(crowded):
    """No entry that existed throughout is missing or comes twice."""
    client = crowded.client(VaultsClient)
    with ThreadPoolExecutor(4) as makers:
        made = list(makers.map(lambda n: client.create_secret(details(crowded, f"steady-{n:04}")).data.id, range(SECRETS)))
    steady, done, written = set(made), threading.Event(), []

    def write(number):
        own = crowded.client(VaultsClient)
        count = 0
        while not done.is_set():
            secret = own.create_secret(details(crowded, f"{'az'[number % 2]}-passing-{number}-{count}")).data
            own.schedule_secret_deletion(secret.id, m.ScheduleSecretDeletionDetails())
            count += 1
            if number == 0 and count % 10 == 0:
                crowded.advance(days=31)
        written.append(count)

    writers = [threading.Thread(target=write, args=[number]) for number in range(4)]
    for writer in writers:
        writer.start()
    try:
        for sort_by in ("NAME", "TIMECREATED"):
            for sort_order in ("ASC", "DESC"):
                ids = pages(client, crowded.dev["compartment_id"], sort_by=sort_by, sort_order=sort_order)
                assert len(ids) == len(set(ids)), (sort_by, sort_order)
                assert steady <= set(ids), (sort_by, sort_order)
    finally:
        done.set()
        for writer in writers:
            writer.join()
    print(f"{SECRETS} secrets read four times by pages of 37 while {sum(written)} were made and deleted")
    assert len(written) == 4 and sum(written) > 0


def test_of_updates_with_one_etag_one_wins(crowded):
    client = crowded.client(VaultsClient)
    secret = crowded.new_secret("contended")
    for _ in range(3):
        etag = client.get_secret(secret.id).headers["etag"]

        def update(number, etag=etag):
            change = m.UpdateSecretDetails(secret_content=content_of(b"%d" % number))
            try:
                return crowded.client(VaultsClient).update_secret(secret.id, change, if_match=etag).status
            except ServiceError as error:
                return error.status

        with ThreadPoolExecutor(UPDATES) as updates:
            outcomes = sorted(updates.map(update, range(UPDATES)))
        assert outcomes == [200] + [412] * (UPDATES - 1)
    assert client.get_secret(secret.id).data.current_version_number == 4


def test_every_acknowledged_content_is_some_version(crowded):
    secret = crowded.new_secret("shared")
    kept = []

    def update(number):
        content = b"content %d" % number
        change = m.UpdateSecretDetails(secret_content=content_of(content))
        try:
            crowded.client(VaultsClient).update_secret(secret.id, change)
            kept.append(content)
        except ServiceError as error:
            assert (error.status, error.code) == (409, "IncorrectState")

    with ThreadPoolExecutor(UPDATES) as updates:
        list(updates.map(update, range(UPDATES)))
    bundles = crowded.client(SecretsClient)
    latest = crowded.client(VaultsClient).get_secret(secret.id).data.current_version_number
    read = [content_in(bundles.get_secret_bundle(secret.id, version_number=n).data) for n in range(2, latest + 1)]
    print(f"{len(kept)} of {UPDATES} concurrent updates were acknowledged")
    assert sorted(read) == sorted(kept) and len(kept) > UPDATES / 2
