"""Every operation through Oracle's Python SDK, with its headers, pages and tokens."""

import re
import threading

import oci
import pytest

from vault import absent, content_in, content_of, refusal

SHAPE = oci.key_management.models.KeyShape(algorithm="AES", length=32)


@pytest.fixture(scope="module")
def clients(vault):
    class Clients:
        vaults = vault.client(oci.key_management.KmsVaultClient)
        keys = vault.client(oci.key_management.KmsManagementClient, vault.dev["management_endpoint"])
        secrets = vault.client(oci.vault.VaultsClient)
        bundles = vault.client(oci.secrets.SecretsClient)
        identity = vault.client(oci.identity.IdentityClient)

    return Clients


def new_key(client, vault, name, **more):
    return client.create_key(oci.key_management.models.CreateKeyDetails(
        compartment_id=vault.dev["compartment_id"], display_name=name, key_shape=SHAPE, **more,
    ))


def new_vault(client, vault, name, **more):
    return client.create_vault(oci.key_management.models.CreateVaultDetails(
        compartment_id=vault.dev["compartment_id"], display_name=name, vault_type="DEFAULT",
    ), **more)


def test_vaults(vault, clients):
    """CreateVault, GetVault, ListVaults."""
    made = new_vault(clients.vaults, vault, "sdk")
    got = clients.vaults.get_vault(made.data.id)
    assert got.data == made.data
    assert got.headers["etag"] == made.headers["etag"]
    assert got.data.lifecycle_state == "ACTIVE"
    listed = clients.vaults.list_vaults(vault.dev["compartment_id"]).data
    assert made.data.id in [summary.id for summary in listed]
    refusal(404, "NotAuthorizedOrNotFound", clients.vaults.get_vault, absent(made.data.id))


def test_keys_live_in_their_own_vault(vault, clients):
    """CreateKey, GetKey, ListKeys, ListKeyVersions."""
    other = new_vault(clients.vaults, vault, "other").data
    others = vault.client(oci.key_management.KmsManagementClient, other.management_endpoint)
    key = new_key(clients.keys, vault, "sdk-key", freeform_tags={"team": "blue"})
    got = clients.keys.get_key(key.data.id)
    assert (got.data, got.headers["etag"]) == (key.data, key.headers["etag"])
    assert (got.data.vault_id, got.data.protection_mode) == (vault.dev["vault_id"], "SOFTWARE")
    compartment = vault.dev["compartment_id"]
    assert key.data.id in [summary.id for summary in clients.keys.list_keys(compartment).data]
    assert others.list_keys(compartment).data == []
    refusal(404, "NotAuthorizedOrNotFound", others.get_key, key.data.id)
    refusal(404, "NotAuthorizedOrNotFound", others.list_key_versions, key.data.id)
    versions = clients.keys.list_key_versions(key.data.id).data
    assert [version.id for version in versions] == [key.data.current_key_version]
    assert others.list_keys(compartment, algorithm="AES").data == []
    refusal(400, "InvalidParameter", clients.keys.create_key,
            oci.key_management.models.CreateKeyDetails(
                compartment_id=compartment, display_name="odd",
                key_shape=oci.key_management.models.KeyShape(algorithm="AES", length=17)))
    wrong_door = vault.client(oci.key_management.KmsManagementClient)
    refusal(404, "NotFound", wrong_door.list_keys, compartment)


def test_a_secret_needs_a_key_of_its_own_vault(vault, clients):
    other = new_vault(clients.vaults, vault, "foreign").data
    details = oci.vault.models.CreateSecretDetails(
        compartment_id=vault.dev["compartment_id"], vault_id=other.id, key_id=vault.dev["key_id"],
        secret_name="misplaced", secret_content=content_of(b"x"))
    refusal(404, "NotAuthorizedOrNotFound", clients.secrets.create_secret, details)


def test_secrets_and_bundles(vault, clients):
    """CreateSecret, GetSecret, ListSecrets, UpdateSecret, ListSecretVersions, GetSecretVersion,
    GetSecretBundle, GetSecretBundleByName, ListSecretBundleVersions."""
    secret = vault.new_secret("sdk-secret", b"\x00one\xff", description="d", metadata={"owner": {"a": 1}})
    assert (secret.lifecycle_state, secret.current_version_number) == ("ACTIVE", 1)
    again = oci.vault.models.CreateSecretDetails(
        compartment_id=secret.compartment_id, vault_id=secret.vault_id, key_id=secret.key_id,
        secret_name="sdk-secret", secret_content=content_of(b"x"))
    assert "secretName" in refusal(400, "InvalidParameter", clients.secrets.create_secret, again).message
    update = oci.vault.models.UpdateSecretDetails
    updated = clients.secrets.update_secret(secret.id, update(secret_content=content_of(b"two", name="blue")))
    assert (updated.data.id, updated.data.current_version_number) == (secret.id, 2)
    taken = update(secret_content=content_of(b"three", name="blue"))
    refusal(400, "InvalidParameter", clients.secrets.update_secret, secret.id, taken)
    got = clients.secrets.get_secret(secret.id)
    assert (got.data.description, got.data.metadata) == ("d", {"owner": {"a": 1}})
    version = clients.secrets.get_secret_version(secret.id, 2).data
    assert (version.name, version.stages, version.content_type) == ("blue", ["CURRENT", "LATEST"], "BASE64")
    refusal(404, "NotAuthorizedOrNotFound", clients.secrets.get_secret_version, secret.id, 9)
    numbers = [v.version_number for v in clients.secrets.list_secret_versions(secret.id).data]
    assert numbers == [2, 1]
    bundles = clients.bundles
    assert content_in(bundles.get_secret_bundle(secret.id, stage="PREVIOUS").data) == b"\x00one\xff"
    assert content_in(bundles.get_secret_bundle(secret.id, secret_version_name="blue").data) == b"two"
    by_name = bundles.get_secret_bundle_by_name("sdk-secret", secret.vault_id).data
    assert (content_in(by_name), by_name.metadata) == (b"two", {"owner": {"a": 1}})
    refusal(404, "NotAuthorizedOrNotFound", bundles.get_secret_bundle_by_name, "SDK-SECRET", secret.vault_id)
    refusal(400, "InvalidParameter", bundles.get_secret_bundle, secret.id, stage="CURRENT", version_number=1)
    refusal(404, "NotAuthorizedOrNotFound", bundles.get_secret_bundle, secret.id, stage="PENDING")
    listed = bundles.list_secret_bundle_versions(secret.id, sort_order="ASC").data
    assert [v.version_number for v in listed] == [1, 2]
    refusal(400, "InvalidParameter", clients.secrets.update_secret, secret.id, update(current_version_number=7))
    summaries = clients.secrets.list_secrets(secret.compartment_id, name="sdk-secret").data
    assert [summary.id for summary in summaries] == [secret.id]


def test_etags_guard_updates(vault, clients):
    secret = vault.new_secret("guarded")
    update = oci.vault.models.UpdateSecretDetails
    etag = clients.secrets.get_secret(secret.id).headers["etag"]
    next_etag = clients.secrets.update_secret(secret.id, update(description="a"), if_match=etag).headers["etag"]
    assert next_etag != etag
    refusal(412, "NoEtagMatch", clients.secrets.update_secret, secret.id, update(description="b"), if_match=etag)
    assert clients.secrets.get_secret(secret.id).data.description == "a"
    assert clients.secrets.get_secret(secret.id).headers["etag"] == next_etag


def test_updates_of_one_secret_all_count(vault, clients):
    secret = vault.new_secret("contended")

    def write(number):
        client = vault.client(oci.vault.VaultsClient)
        content = content_of(f"{number}".encode())
        client.update_secret(secret.id, oci.vault.models.UpdateSecretDetails(secret_content=content))

    writers = [threading.Thread(target=write, args=[n]) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    versions = clients.secrets.list_secret_versions(secret.id).data
    assert [version.version_number for version in versions] == list(range(9, 0, -1))
    held = [stage for version in versions for stage in version.stages]
    assert (held.count("CURRENT"), held.count("LATEST"), held.count("PREVIOUS")) == (1, 1, 1)


def test_retry_tokens_make_once(vault, clients):
    for number, (kind, call) in enumerate({
        "vault": lambda name, token: new_vault(clients.vaults, vault, name, opc_retry_token=token),
        "compartment": lambda name, token: clients.identity.create_compartment(
            oci.identity.models.CreateCompartmentDetails(
                compartment_id=vault.dev["tenancy_id"], name=name, description="d"),
            opc_retry_token=token),
        "secret": lambda name, token: clients.secrets.create_secret(
            oci.vault.models.CreateSecretDetails(
                compartment_id=vault.dev["compartment_id"], vault_id=vault.dev["vault_id"],
                key_id=vault.dev["key_id"], secret_name=name, secret_content=content_of(b"x")),
            opc_retry_token=token),
    }.items()):
        token = f"token-{number}-{kind}"
        first = call(f"once-{kind}", token)
        assert call(f"once-{kind}", token).data.id == first.data.id
        refusal(409, "InvalidatedRetryToken", call, f"twice-{kind}", token)


def test_pages_neither_repeat_nor_lose(vault, clients):
    compartment = clients.identity.create_compartment(oci.identity.models.CreateCompartmentDetails(
        compartment_id=vault.dev["tenancy_id"], name="pages", description="d")).data

    def create(name):
        details = oci.vault.models.CreateSecretDetails(
            compartment_id=compartment.id, vault_id=vault.dev["vault_id"], key_id=vault.dev["key_id"],
            secret_name=name, secret_content=content_of(b"x"))
        return clients.secrets.create_secret(details).data.secret_name

    names = sorted(create(f"page-{n}") for n in range(7))
    for order in [{"sort_by": "NAME"}, {"sort_by": "NAME", "sort_order": "DESC"}, {}]:
        seen, page, pages = [], None, 0
        while True:
            more = {"page": page} if page else {}
            answer = clients.secrets.list_secrets(compartment.id, limit=2, **order, **more)
            seen += [summary.secret_name for summary in answer.data]
            pages += 1
            if not answer.has_next_page:
                break
            page = answer.next_page
            create(f"page-0-inserted-{len(names)}-{pages}-{len(order)}")
        kept = [name for name in seen if "inserted" not in name]
        assert sorted(kept) == names and len(seen) == len(set(seen))
        if order:
            assert seen == sorted(seen, reverse="sort_order" in order)
    refusal(400, "InvalidParameter", clients.secrets.list_secrets, compartment.id, page="bogus")
    refusal(400, "InvalidParameter", clients.secrets.list_secrets, compartment.id, limit=0)
    versions = clients.secrets.list_secrets(compartment.id, limit=2)
    foreign = versions.next_page
    refusal(400, "InvalidParameter", clients.secrets.list_secrets, vault.dev["compartment_id"], page=foreign)


def test_identity(vault, clients):
    """ListCompartments, GetCompartment, CreateCompartment, GetUser, ListRegionSubscriptions."""
    tenancy = vault.dev["tenancy_id"]
    create = oci.identity.models.CreateCompartmentDetails
    parent = clients.identity.create_compartment(create(compartment_id=tenancy, name="up", description="d")).data
    child = clients.identity.create_compartment(create(compartment_id=parent.id, name="down", description="d")).data
    assert clients.identity.get_compartment(child.id).data == child
    assert clients.identity.get_compartment(tenancy).data.compartment_id is None
    direct = [c.id for c in clients.identity.list_compartments(tenancy).data]
    assert parent.id in direct and child.id not in direct
    whole = [c.id for c in clients.identity.list_compartments(tenancy, compartment_id_in_subtree=True).data]
    assert child.id in whole
    taken = refusal(409, "NotAuthorizedOrResourceAlreadyExists", clients.identity.create_compartment,
                    create(compartment_id=tenancy, name="UP", description="d"))
    assert "already exists" in taken.message
    assert clients.identity.get_user(vault.dev["user_id"]).data.name == "admin"
    regions = clients.identity.list_region_subscriptions(tenancy).data
    assert [(r.region_key, r.status) for r in regions] == [("IAD", "READY")]


def test_request_ids_are_composed_and_echoed(vault, clients):
    answer = clients.vaults.get_vault(vault.dev["vault_id"], opc_request_id="MYREQUEST")
    assert re.fullmatch(r"MYREQUEST/[0-9A-F]{32}/[0-9A-F]{32}", answer.headers["opc-request-id"])
    error = refusal(404, "NotAuthorizedOrNotFound", clients.vaults.get_vault, "ocid1.vault.oc1.iad.x.y")
    assert re.fullmatch(r"[0-9A-F]{32}/[0-9A-F]{32}/[0-9A-F]{32}", error.request_id)
