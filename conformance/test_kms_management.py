"""Vaults, keys and key versions through Oracle's Python SDK: states, times, moves and backups."""

import datetime
import os
import stat
import subprocess
import urllib.error
import urllib.request

import oci
import pytest
from oci.key_management import KmsManagementClient, KmsVaultClient
from oci.key_management import models as m

from test_python_sdk import refusal
from vault import BINARY, Vault, absent

AES = m.KeyShape(algorithm="AES", length=32)
BUCKET = {"namespace": "dev", "bucket_name": "backups"}
URI = "https://objectstorage.dev.invalid/p/dev/n/dev/b/backups/o/"
CONFLICT = (409, "Conflict")
INVALID = (400, "InvalidParameter")
HIDDEN = (404, "NotAuthorizedOrNotFound")


class Keys:
    """The clients of a server, and what tests often make."""

    def __init__(self, vault):
        self.vault = vault
        self.compartment = vault.dev["compartment_id"]
        self.vaults = vault.client(KmsVaultClient)
        self.keys = self.at(vault.dev["management_endpoint"])
        self.identity = vault.client(oci.identity.IdentityClient)

    def at(self, endpoint):
        return self.vault.client(KmsManagementClient, endpoint)

    def new_vault(self, kind="DEFAULT", **more):
        return self.vaults.create_vault(m.CreateVaultDetails(
            compartment_id=self.compartment, display_name="v", vault_type=kind, **more)).data

    def new_key(self, shape=AES, at=None, headers=None, **more):
        return (at or self.keys).create_key(m.CreateKeyDetails(
            compartment_id=self.compartment, display_name=more.pop("display_name", "k"),
            key_shape=shape, **more), **(headers or {})).data

    def new_compartment(self, name):
        return self.identity.create_compartment(oci.identity.models.CreateCompartmentDetails(
            compartment_id=self.vault.dev["tenancy_id"], name=name, description="d")).data.id


@pytest.fixture(scope="module")
def kms(vault):
    return Keys(vault)


@pytest.fixture(scope="module")
def later(turnable):
    return Keys(turnable)


def in_days(days):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)


def days_left(resource):
    return (resource.time_of_deletion - in_days(0)).total_seconds() / 86_400


def test_shapes(kms):
    """CreateKey, GetKey: every shape of OCI, and no other."""
    shapes = [("AES", n, None) for n in (16, 24, 32)] + [("RSA", n, None) for n in (256, 384, 512)]
    shapes += [("ECDSA", 32, "NIST_P256"), ("ECDSA", 48, "NIST_P384"), ("ECDSA", 66, "NIST_P521")]
    for algorithm, length, curve in shapes:
        key = kms.new_key(m.KeyShape(algorithm=algorithm, length=length))
        got = kms.keys.get_key(key.id).data
        assert (got.key_shape.algorithm, got.key_shape.length, got.key_shape.curve_id) == (algorithm, length, curve)
        version = kms.keys.get_key_version(key.id, key.current_key_version).data
        assert (version.public_key is None) == (algorithm == "AES")
        assert (version.origin, version.lifecycle_state) == ("INTERNAL", "ENABLED")
    wrong = [("AES", 31, None), ("RSA", 128, None), ("ECDSA", 33, None), ("ECDSA", 32, "NIST_P384"), ("AES", 32, "NIST_P256")]
    for algorithm, length, curve in wrong:
        shape = m.KeyShape(algorithm=algorithm, length=length, curve_id=curve)
        assert "keyShape." in refusal(*INVALID, kms.new_key, shape).message
    assert "no HSM" in refusal(*INVALID, kms.new_key, protection_mode="HSM").message
    refusal(501, "MethodNotImplemented", kms.new_key, protection_mode="EXTERNAL")
    refusal(501, "MethodNotImplemented", kms.new_vault, "EXTERNAL")


def test_lists_filter_sort_and_page(kms):
    """ListKeys, ListKeyVersions, ListVaults."""
    own = kms.at(kms.new_vault().management_endpoint)
    made = [kms.new_key(at=own, display_name=name) for name in ("b", "a", "c")]
    signer = kms.new_key(m.KeyShape(algorithm="ECDSA", length=48), own, display_name="d")
    names = lambda **how: [key.display_name for key in own.list_keys(kms.compartment, **how).data]
    assert names(sort_by="DISPLAYNAME") == ["a", "b", "c", "d"]
    assert names(sort_by="DISPLAYNAME", sort_order="DESC", limit=2) == ["d", "c"]
    assert names(sort_by="TIMECREATED", sort_order="ASC") == ["b", "a", "c", "d"]
    assert names(algorithm="ECDSA") == names(length=48) == names(curve_id="NIST_P384") == ["d"]
    assert names(protection_mode="HSM") == [] and len(names(protection_mode="SOFTWARE")) == 4
    first = own.list_keys(kms.compartment, sort_by="DISPLAYNAME", limit=3)
    rest = own.list_keys(kms.compartment, sort_by="DISPLAYNAME", limit=3, page=first.headers["opc-next-page"])
    assert [key.display_name for key in rest.data] == ["d"] and "opc-next-page" not in rest.headers
    for _ in range(2):
        own.create_key_version(made[0].id)
    versions = own.list_key_versions(made[0].id, sort_order="ASC").data
    assert len(versions) == 3 and versions[0].id == made[0].current_key_version
    assert own.get_key(made[0].id).data.current_key_version == versions[-1].id
    refusal(*HIDDEN, own.get_key_version, made[0].id, signer.current_key_version)


def test_updates_etags_and_retry_tokens(kms):
    """UpdateVault, UpdateKey, EnableKey, DisableKey: if-match, and one effect for one retry token."""
    vault = kms.new_vault()
    got = kms.vaults.get_vault(vault.id)
    renamed = kms.vaults.update_vault(vault.id, m.UpdateVaultDetails(display_name="n", freeform_tags={"a": "b"}), if_match=got.headers["etag"])
    assert (renamed.data.display_name, renamed.data.freeform_tags) == ("n", {"a": "b"})
    refusal(412, "NoEtagMatch", kms.vaults.update_vault, vault.id, m.UpdateVaultDetails(display_name="x"), if_match=got.headers["etag"])
    key = kms.new_key()
    etag = kms.keys.get_key(key.id).headers["etag"]
    assert kms.keys.update_key(key.id, m.UpdateKeyDetails(display_name="n"), if_match=etag).data.display_name == "n"
    refusal(412, "NoEtagMatch", kms.keys.disable_key, key.id, if_match=etag)
    assert kms.keys.disable_key(key.id).data.lifecycle_state == "DISABLED"
    disabled = kms.keys.update_key(key.id, m.UpdateKeyDetails(display_name="x")).data
    assert (disabled.display_name, disabled.lifecycle_state) == ("x", "DISABLED")
    refusal(*CONFLICT, kms.keys.create_key_version, key.id)
    assert kms.keys.enable_key(key.id).data.lifecycle_state == "ENABLED"
    token = {"opc_retry_token": "once-" + key.id[-8:]}
    one, two = (kms.keys.create_key_version(key.id, **token).data for _ in range(2))
    assert one.id == two.id and len(kms.keys.list_key_versions(key.id).data) == 2
    details = {"freeform_tags": {"x": "y"}}
    first = kms.new_key(headers=token, **details)
    assert kms.new_key(headers=token, **details).id == first.id
    refusal(409, "InvalidatedRetryToken", kms.new_key, headers=token)


def test_deletion_windows(kms):
    """ScheduleKeyDeletion, CancelKeyDeletion, ScheduleKeyVersionDeletion, CancelKeyVersionDeletion."""
    key = kms.new_key()
    at = lambda days: m.ScheduleKeyDeletionDetails(time_of_deletion=in_days(days))
    for days in (-1, 6.9, 30.1):
        assert "timeOfDeletion" in refusal(*INVALID, kms.keys.schedule_key_deletion, key.id, at(days)).message
    pending = kms.keys.schedule_key_deletion(key.id, m.ScheduleKeyDeletionDetails()).data
    assert pending.lifecycle_state == "PENDING_DELETION" and 29.9 < days_left(pending) < 30.1
    for act in (kms.keys.enable_key, kms.keys.disable_key, kms.keys.create_key_version):
        refusal(*CONFLICT, act, key.id)
    refusal(*CONFLICT, kms.keys.update_key, key.id, m.UpdateKeyDetails(display_name="x"))
    refusal(*CONFLICT, kms.keys.schedule_key_deletion, key.id, at(8))
    back = kms.keys.cancel_key_deletion(key.id).data
    assert (back.lifecycle_state, back.time_of_deletion) == ("ENABLED", None)
    refusal(*CONFLICT, kms.keys.cancel_key_deletion, key.id)
    kms.keys.disable_key(key.id)
    kms.keys.schedule_key_deletion(key.id, at(7))
    assert kms.keys.cancel_key_deletion(key.id).data.lifecycle_state == "DISABLED"
    kms.keys.enable_key(key.id)

    old = key.current_key_version
    when = m.ScheduleKeyVersionDeletionDetails(time_of_deletion=in_days(8))
    refusal(*CONFLICT, kms.keys.schedule_key_version_deletion, key.id, old, when)
    kms.keys.create_key_version(key.id)
    pending = kms.keys.schedule_key_version_deletion(key.id, old, when).data
    assert pending.lifecycle_state == "PENDING_DELETION" and 7.9 < days_left(pending) < 8.1
    assert kms.keys.cancel_key_version_deletion(key.id, old).data.lifecycle_state == "ENABLED"


def test_a_vault_takes_its_keys_along(kms):
    """ScheduleVaultDeletion, CancelVaultDeletion, GetVaultUsage."""
    vault = kms.new_vault()
    own = kms.at(vault.management_endpoint)
    key = kms.new_key(at=own)
    kms.new_key(m.KeyShape(algorithm="ECDSA", length=32), own)
    usage = kms.vaults.get_vault_usage(vault.id).data
    assert (usage.software_key_count, usage.software_key_version_count, usage.key_count) == (2, 2, 0)
    own.schedule_key_deletion(key.id, m.ScheduleKeyDeletionDetails(time_of_deletion=in_days(20)))
    at = lambda days: m.ScheduleVaultDeletionDetails(time_of_deletion=in_days(days))
    assert "timeOfDeletion" in refusal(*CONFLICT, kms.vaults.schedule_vault_deletion, vault.id, at(10)).message
    own.cancel_key_deletion(key.id)
    assert kms.vaults.schedule_vault_deletion(vault.id, at(10)).data.lifecycle_state == "PENDING_DELETION"
    shown = own.get_key(key.id).data
    assert shown.lifecycle_state == "PENDING_DELETION" and 9.9 < days_left(shown) < 10.1
    for act in (own.enable_key, own.cancel_key_deletion, own.create_key_version):
        refusal(*CONFLICT, act, key.id)
    refusal(*CONFLICT, kms.new_key, at=own)
    refusal(*CONFLICT, kms.vaults.update_vault, vault.id, m.UpdateVaultDetails(display_name="x"))
    assert kms.vaults.cancel_vault_deletion(vault.id).data.lifecycle_state == "ACTIVE"
    assert own.get_key(key.id).data.lifecycle_state == "ENABLED"


def test_moves(kms):
    """ChangeVaultCompartment, ChangeKeyCompartment."""
    there = kms.new_compartment("moved-to")
    vault = kms.new_vault()
    own = kms.at(vault.management_endpoint)
    key = kms.new_key(at=own)
    moved = kms.vaults.change_vault_compartment(vault.id, m.ChangeVaultCompartmentDetails(compartment_id=there))
    assert moved.data is None and moved.headers["etag"]
    assert [v.id for v in kms.vaults.list_vaults(there).data] == [vault.id]
    own.change_key_compartment(key.id, m.ChangeKeyCompartmentDetails(compartment_id=there))
    assert own.list_keys(kms.compartment).data == [] and own.get_key(key.id).data.compartment_id == there
    nowhere = m.ChangeKeyCompartmentDetails(compartment_id=absent(there))
    refusal(*HIDDEN, own.change_key_compartment, key.id, nowhere)


def test_what_is_due_happens(later):
    """ScheduleVaultDeletion, ScheduleKeyDeletion, ScheduleKeyVersionDeletion: on the day, not before."""
    vault = later.new_vault()
    own = later.at(vault.management_endpoint)
    key, other = later.new_key(at=own), later.new_key(at=own)
    old = other.current_key_version
    own.create_key_version(other.id)
    own.schedule_key_version_deletion(other.id, old, m.ScheduleKeyVersionDeletionDetails())
    own.schedule_key_deletion(key.id, m.ScheduleKeyDeletionDetails())
    later.vault.advance(days=29, hours=23)
    assert own.get_key(key.id).data.lifecycle_state == "PENDING_DELETION"
    later.vault.advance(hours=2)
    assert own.get_key(key.id).data.lifecycle_state == "DELETED"
    assert own.get_key_version(other.id, old).data.lifecycle_state == "DELETED"
    refusal(*CONFLICT, own.cancel_key_deletion, key.id)
    later.vaults.schedule_vault_deletion(vault.id, m.ScheduleVaultDeletionDetails())
    later.vault.advance(days=31)
    assert later.vaults.get_vault(vault.id).data.lifecycle_state == "DELETED"
    assert later.at(later.vault.dev["base_url"]).get_key(other.id).data.lifecycle_state == "DELETED"


def test_the_command_that_turns_the_clock(turnable, vault):
    def turn(server, *arguments):
        command = [str(BINARY), "admin", "clock", "--base-url", server.dev["base_url"], *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    before = datetime.datetime.fromisoformat(turn(turnable, "--advance", "0s").stdout.strip())
    after = datetime.datetime.fromisoformat(turn(turnable, "--advance", "2h").stdout.strip())
    assert 7200 <= (after - before).total_seconds() < 7260
    refused = turn(vault, "--advance", "1d")
    assert refused.returncode == 1 and "clock-not-turned" in refused.stderr
    assert turn(turnable, "--advance", "1w").returncode == 2


def test_automatic_rotation(later):
    """CreateKey, UpdateKey: a new version on the day, made once."""
    details = m.AutoKeyRotationDetails(rotation_interval_in_days=60)
    for wrong in (59, 366):
        short = m.AutoKeyRotationDetails(rotation_interval_in_days=wrong)
        message = refusal(*INVALID, later.new_key, is_auto_rotation_enabled=True, auto_key_rotation_details=short).message
        assert "rotationIntervalInDays" in message
    refusal(*INVALID, later.new_key, is_auto_rotation_enabled=True)
    key = later.new_key(is_auto_rotation_enabled=True, auto_key_rotation_details=details)
    planned = key.auto_key_rotation_details
    assert planned.time_of_next_rotation - planned.time_of_schedule_start == datetime.timedelta(days=60)
    assert planned.time_of_next_rotation.hour == 0 and planned.last_rotation_status is None
    later.vault.advance(days=61)
    rotated = later.keys.get_key(key.id).data
    assert rotated.current_key_version != key.current_key_version
    assert rotated.auto_key_rotation_details.last_rotation_status == "SUCCESS"
    version = later.keys.get_key_version(key.id, rotated.current_key_version).data
    assert version.is_auto_rotated and version.origin == "INTERNAL"
    later.keys.disable_key(key.id)
    later.vault.advance(days=61)
    missed = later.keys.get_key(key.id).data
    assert missed.auto_key_rotation_details.last_rotation_status == "FAILED"
    assert missed.current_key_version == rotated.current_key_version
    later.keys.enable_key(key.id)
    off = later.keys.update_key(key.id, m.UpdateKeyDetails(is_auto_rotation_enabled=False)).data
    assert (off.is_auto_rotation_enabled, off.auto_key_rotation_details) == (False, None)


def location(name):
    return m.BackupLocationBucket(object_name=name, **BUCKET)


def backups_of(kms):
    return kms.vault.directory / "backups"


def test_a_key_comes_back_from_its_backup(later):
    """BackupKey, RestoreKeyFromFile, RestoreKeyFromObjectStore."""
    key = later.new_key(display_name="kept")
    later.keys.create_key_version(key.id)
    later.keys.backup_key(key.id, backup_key_details=m.BackupKeyDetails(backup_location=location("key-1")))
    by_uri = m.BackupLocationURI(uri=URI + "key-2")
    later.keys.backup_key(key.id, backup_key_details=m.BackupKeyDetails(backup_location=by_uri))
    path = backups_of(later) / "key-1"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    for wrong in (location("../root.key"), location(".x"), m.BackupLocationURI(uri="https://elsewhere/o/x"), m.BackupLocationBucket(namespace="x", bucket_name="backups", object_name="y")):
        assert "backupLocation" in refusal(*INVALID, later.keys.backup_key, key.id, backup_key_details=m.BackupKeyDetails(backup_location=wrong)).message
    refusal(400, "MissingParameter", later.keys.backup_key, key.id, backup_key_details=m.BackupKeyDetails())
    restore = lambda name: later.keys.restore_key_from_object_store(
        restore_key_from_object_store_details=m.RestoreKeyFromObjectStoreDetails(backup_location=location(name)))
    refusal(*CONFLICT, restore, "key-1")
    refusal(*INVALID, restore, "no-such")
    later.keys.schedule_key_deletion(key.id, m.ScheduleKeyDeletionDetails())
    refusal(*CONFLICT, restore, "key-1")
    later.vault.advance(days=31)
    back = restore("key-2").data
    assert (back.id, back.lifecycle_state, back.restored_from_key_id) == (key.id, "ENABLED", key.id)
    assert len(later.keys.list_key_versions(key.id).data) == 2
    later.keys.schedule_key_deletion(key.id, m.ScheduleKeyDeletionDetails())
    later.vault.advance(days=31)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    refusal(*INVALID, later.keys.restore_key_from_file, bytes(damaged))
    other = later.at(later.new_vault().management_endpoint)
    refusal(*HIDDEN, other.restore_key_from_file, path.read_bytes())
    with open(path, "rb") as file:
        assert later.keys.restore_key_from_file(file).data.id == key.id


def test_a_vault_comes_back_from_its_backup(later):
    """BackupVault, RestoreVaultFromFile, RestoreVaultFromObjectStore."""
    vault = later.new_vault()
    key = later.new_key(at=later.at(vault.management_endpoint))
    details = m.BackupVaultDetails(backup_location=location("vault-1"), is_include_keys=True)
    later.vaults.backup_vault(vault.id, backup_vault_details=details)
    restore = lambda: later.vaults.restore_vault_from_object_store(
        later.compartment, restore_vault_from_object_store_details=m.RestoreVaultFromObjectStoreDetails(backup_location=location("vault-1")))
    refusal(*CONFLICT, restore)
    for again in (restore, lambda: later.vaults.restore_vault_from_file(later.compartment, (backups_of(later) / "vault-1").read_bytes())):
        later.vaults.schedule_vault_deletion(vault.id, m.ScheduleVaultDeletionDetails())
        later.vault.advance(days=31)
        back = again().data
        assert (back.id, back.lifecycle_state, back.restored_from_vault_id) == (vault.id, "ACTIVE", vault.id)
        assert later.at(back.management_endpoint).get_key(key.id).data.lifecycle_state == "ENABLED"


def test_replicas(kms):
    """CreateVaultReplica, ListVaultReplicas, DeleteVaultReplica, GetReplicationStatus."""
    there = lambda region: m.CreateVaultReplicaDetails(replica_region=region)
    refusal(*CONFLICT, kms.vaults.create_vault_replica, kms.new_vault().id, there("us-phoenix-1"))
    vault = kms.new_vault("VIRTUAL_PRIVATE")
    own = kms.at(vault.management_endpoint)
    key = kms.new_key(at=own)
    refusal(*INVALID, kms.vaults.create_vault_replica, vault.id, there("us-ashburn-1"))
    refusal(*INVALID, kms.vaults.create_vault_replica, vault.id, there("mars-north-1"))
    for _ in range(2):
        kms.vaults.create_vault_replica(vault.id, there("us-phoenix-1"))
    refusal(*CONFLICT, kms.vaults.create_vault_replica, vault.id, there("eu-frankfurt-1"))
    [replica] = kms.vaults.list_vault_replicas(vault.id).data
    assert (replica.region, replica.status) == ("us-phoenix-1", "CREATED")
    far = kms.at(replica.management_endpoint)
    assert far.get_key(key.id).data.lifecycle_state == "ENABLED"
    for change in (far.disable_key, far.create_key_version):
        assert "replica" in refusal(*CONFLICT, change, key.id).message
    replication = kms.vaults.get_vault(vault.id).data.replica_details.replication_id
    [status] = own.get_replication_status(replication).data.replica_details
    assert (status.region, status.status) == ("us-phoenix-1", "REPLICATED")
    refusal(*HIDDEN, own.get_replication_status, absent(replication))
    kms.vaults.delete_vault_replica(vault.id, m.DeleteVaultReplicaDetails(replica_region="us-phoenix-1"))
    assert kms.vaults.list_vault_replicas(vault.id).data == []
    refusal(*HIDDEN, far.get_key, key.id)


def test_what_is_not_part_of_this_server_says_so(kms):
    """UpdateRegisteredVaultForMtls, and the services of HSM clusters and external keys."""
    missing = (501, "MethodNotImplemented")
    details = m.UpdateRegisteredVaultForMtlsDetails(fleet_id="f")
    refusal(*missing, kms.vaults.update_registered_vault_for_mtls, kms.vault.dev["vault_id"], details)
    clusters = kms.vault.client(oci.key_management.KmsHsmClusterClient)
    refusal(*missing, clusters.list_hsm_clusters, kms.compartment)
    external = kms.vault.client(oci.key_management.EkmClient)
    refusal(*missing, external.list_ekms_private_endpoints, kms.compartment)


def test_oracles_limits(tmp_path):
    """CreateVault, CreateKey: LimitExceeded where Oracle's limits are asked for."""
    server = Vault(tmp_path / "data", "--listen", "127.0.0.1:0", "--limits", "oracle")
    server.start()
    kms = Keys(server)
    refusal(400, "LimitExceeded", kms.new_vault, "VIRTUAL_PRIVATE")
    for _ in range(9):
        kms.new_vault()
    refusal(400, "LimitExceeded", kms.new_vault)
    for _ in range(49):
        kms.new_key(m.KeyShape(algorithm="ECDSA", length=32))
    kms.new_key()
    refusal(400, "LimitExceeded", kms.new_key)
    assert server.end() == 0


def test_the_clock_turns_forward_in_development_only(vault, turnable):
    url = "/_strongroom/clock"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(vault.dev["base_url"] + url)
    assert refused.value.code == 401
    for body in (b"{}", b'{"advanceSeconds":-1}', b'{"advanceSeconds":1e99}', b'{"advanceSeconds":"1"}', b"x" * 5000):
        request = urllib.request.Request(turnable.dev["base_url"] + url, body, {"content-type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 400
    request = urllib.request.Request(turnable.dev["base_url"] + url, b'{"advanceSeconds":1}', {"content-type": "text/plain"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 400
