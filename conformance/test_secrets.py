"""The whole life of a secret, through Oracle's Python SDK: rules, generation, deletion, moves."""

import base64
import datetime
import json
import subprocess

import oci
import pytest
from oci.exceptions import ServiceError
from oci.secrets import SecretsClient
from oci.vault import VaultsClient
from oci.vault import models as m

from vault import Vault, absent, content_in, content_of

CONFLICT = (409, "Conflict")
INVALID = (400, "InvalidParameter")
HIDDEN = (404, "NotAuthorizedOrNotFound")


class Secrets:
    """The clients of a server, and what tests often do."""

    def __init__(self, vault):
        self.vault = vault
        self.vaults = vault.client(VaultsClient)
        self.bundles = vault.client(SecretsClient)

    def read(self, secret, **selector):
        return content_in(self.bundles.get_secret_bundle(secret.id, **selector).data)

    def update(self, secret, headers=None, **change):
        return self.vaults.update_secret(secret.id, m.UpdateSecretDetails(**change), **(headers or {})).data

    def add(self, secret, content, **more):
        return self.update(secret, secret_content=content_of(content, **more))

    def create(self, name, **more):
        dev = self.vault.dev
        return self.vaults.create_secret(m.CreateSecretDetails(
            compartment_id=dev["compartment_id"], vault_id=dev["vault_id"], key_id=dev["key_id"],
            secret_name=name, **more)).data

    def deletion(self, days):
        """So many days from what the server's clock shows."""
        return m.ScheduleSecretDeletionDetails(time_of_deletion=self.in_days(days))

    def version_deletion(self, days):
        return m.ScheduleSecretVersionDeletionDetails(time_of_deletion=self.in_days(days))

    def in_days(self, days):
        turnable = "manual" in self.vault.arguments
        return in_days(days, self.vault.advance(seconds=0) if turnable else None)

    def generated(self, name, context):
        secret = self.create(name, enable_auto_generation=True, secret_generation_context=context)
        return secret, self.read(secret)


@pytest.fixture(scope="module")
def secrets(vault):
    return Secrets(vault)


@pytest.fixture(scope="module")
def later(turnable):
    return Secrets(turnable)


def refusal(call, *arguments, **more):
    """Status, code and message of what must be refused."""
    with pytest.raises(ServiceError) as raised:
        call(*arguments, **more)
    return raised.value.status, raised.value.code, raised.value.message


def in_days(days, now=None):
    now = datetime.datetime.fromisoformat(now) if now else datetime.datetime.now(datetime.timezone.utc)
    return now + datetime.timedelta(days=days)


def test_a_secret_is_deleted_when_its_time_comes(later):
    """ScheduleSecretDeletion, CancelSecretDeletion: windows, what pending means, and the end."""
    secret = later.vault.new_secret("leaving", b"c0ntent")
    for days in (0.5, 31):
        assert refusal(later.vaults.schedule_secret_deletion, secret.id, later.deletion(days))[:2] == INVALID
    assert refusal(later.vaults.cancel_secret_deletion, secret.id)[:2] == CONFLICT
    later.vaults.schedule_secret_deletion(secret.id, m.ScheduleSecretDeletionDetails())
    shown = later.vaults.get_secret(secret.id).data
    assert shown.lifecycle_state == "PENDING_DELETION"
    left = shown.time_of_deletion - shown.time_created
    assert datetime.timedelta(days=29.9) < left < datetime.timedelta(days=30.1)
    assert refusal(later.read, secret)[:2] == HIDDEN
    assert refusal(later.add, secret, b"new")[:2] == CONFLICT
    assert refusal(later.vaults.schedule_secret_deletion, secret.id, later.deletion(3))[:2] == CONFLICT
    assert refusal(later.vault.new_secret, "leaving")[:2] == INVALID, "the name stays taken"
    later.vaults.cancel_secret_deletion(secret.id)
    assert later.read(secret) == b"c0ntent"
    etag = later.vaults.get_secret(secret.id).headers["etag"]
    stale = refusal(later.vaults.schedule_secret_deletion, secret.id, later.deletion(1), if_match="stale")
    assert stale[:2] == (412, "NoEtagMatch")
    later.vaults.schedule_secret_deletion(secret.id, later.deletion(1), if_match=etag)
    later.vault.advance(hours=23)
    assert later.vaults.get_secret(secret.id).data.lifecycle_state == "PENDING_DELETION"
    later.vault.advance(hours=2)
    assert later.vaults.get_secret(secret.id).data.lifecycle_state == "DELETED"
    assert refusal(later.read, secret)[:2] == HIDDEN
    assert refusal(later.vaults.cancel_secret_deletion, secret.id)[:2] == CONFLICT
    states = {state: later.vaults.list_secrets(
        later.vault.dev["compartment_id"], name="leaving", lifecycle_state=state).data
        for state in ("ACTIVE", "DELETED", "PENDING_DELETION")}
    assert [s.id for s in states["DELETED"]] == [secret.id]
    assert states["ACTIVE"] == states["PENDING_DELETION"] == []
    assert later.vault.new_secret("leaving").id != secret.id, "the name is free again"


def test_a_version_is_deleted_when_nobody_uses_it(later):
    """ScheduleSecretVersionDeletion, CancelSecretVersionDeletion."""
    secret = later.vault.new_secret("versions", b"one")
    for content in (b"two", b"three"):
        later.add(secret, content, name=content.decode())
    for number in (2, 3):
        taken = refusal(later.vaults.schedule_secret_version_deletion, secret.id, number, later.version_deletion(2))
        assert taken[:2] == CONFLICT and "DEPRECATED" in taken[2]
    assert refusal(later.vaults.schedule_secret_version_deletion, secret.id, 9, later.version_deletion(2))[:2] == HIDDEN
    later.vaults.schedule_secret_version_deletion(secret.id, 1, later.version_deletion(2))
    shown = later.vaults.get_secret_version(secret.id, 1).data
    assert shown.time_of_deletion is not None and shown.stages == ["DEPRECATED"]
    assert refusal(later.read, secret, version_number=1)[:2] == HIDDEN
    assert refusal(later.update, secret, current_version_number=1)[:2] == CONFLICT
    later.vaults.cancel_secret_version_deletion(secret.id, 1)
    assert later.read(secret, version_number=1) == b"one"
    assert later.read(secret, stage="DEPRECATED") == b"one"
    assert refusal(later.vaults.cancel_secret_version_deletion, secret.id, 1)[:2] == CONFLICT
    later.vaults.schedule_secret_version_deletion(secret.id, 1, later.version_deletion(2))
    later.vault.advance(days=3)
    assert [v.version_number for v in later.vaults.list_secret_versions(secret.id).data] == [3, 2]
    assert refusal(later.vaults.get_secret_version, secret.id, 1)[:2] == HIDDEN
    assert refusal(later.update, secret, current_version_number=1)[:2] == INVALID
    assert later.read(secret) == b"three"
    assert later.add(secret, b"four").current_version_number == 4, "numbers are given once"


def test_what_was_deleted_stands_in_no_file(tmp_path):
    """The content of a deleted secret, sealed, leaves the database and its log."""
    server = Vault(tmp_path / "data", "--listen", "127.0.0.1:0", "--clock", "manual")
    server.start()
    own = Secrets(server)
    secret = server.new_secret("gone", b"x" * 900)
    def sealed():
        return [path for path in server.directory.rglob("*") if path.is_file() and secret.id.encode() in path.read_bytes()]
    def held():
        """The sealed content itself, cut from the row that holds it."""
        return [path for path in server.directory.rglob("*") if path.is_file() and mark in path.read_bytes()]
    store = [path for path in sealed() if b'"content":"' in path.read_bytes()]
    assert store
    data = store[0].read_bytes()
    row = data[data.rindex(b"sv/" + secret.id.encode()):]
    mark = row[row.index(b'"content":"') + 11:][:120]
    assert base64.b64decode(mark, validate=True) and held()
    own.vaults.schedule_secret_deletion(secret.id, own.deletion(1))
    server.advance(days=2)
    assert own.vaults.get_secret(secret.id).data.lifecycle_state == "DELETED"
    assert held() == []
    assert server.end() == 0 and held() == []


def test_a_vault_takes_its_secrets_along(later):
    vault = later.vault.client(oci.key_management.KmsVaultClient)
    made = vault.create_vault(oci.key_management.models.CreateVaultDetails(
        compartment_id=later.vault.dev["compartment_id"], display_name="v", vault_type="DEFAULT")).data
    keys = later.vault.client(oci.key_management.KmsManagementClient, made.management_endpoint)
    key = keys.create_key(oci.key_management.models.CreateKeyDetails(
        compartment_id=later.vault.dev["compartment_id"], display_name="k",
        key_shape=oci.key_management.models.KeyShape(algorithm="AES", length=32))).data
    secret = later.vaults.create_secret(m.CreateSecretDetails(
        compartment_id=later.vault.dev["compartment_id"], vault_id=made.id, key_id=key.id,
        secret_name="inside", secret_content=content_of(b"x"))).data
    later.vault.advance(days=20)
    when = oci.key_management.models.ScheduleVaultDeletionDetails(time_of_deletion=later.in_days(20))
    vault.schedule_vault_deletion(made.id, when)
    shown = later.vaults.get_secret(secret.id).data
    assert shown.lifecycle_state == "PENDING_DELETION" and shown.time_of_deletion is not None
    assert refusal(later.read, secret)[:2] == HIDDEN
    assert refusal(later.update, secret, description="d")[:2] == CONFLICT
    vault.cancel_vault_deletion(made.id)
    assert later.read(secret) == b"x"
    # One that is to go later than the vault goes with it.
    later.vaults.schedule_secret_deletion(secret.id, m.ScheduleSecretDeletionDetails(time_of_deletion=later.in_days(28)))
    own = later.vaults.get_secret(secret.id).data.time_of_deletion
    sooner = vault.schedule_vault_deletion(made.id, when).data.time_of_deletion
    assert sooner < own and later.vaults.get_secret(secret.id).data.time_of_deletion == sooner
    vault.cancel_vault_deletion(made.id)
    assert later.vaults.get_secret(secret.id).data.time_of_deletion == own
    vault.schedule_vault_deletion(made.id, oci.key_management.models.ScheduleVaultDeletionDetails())
    later.vault.advance(days=31)
    assert later.vaults.get_secret(secret.id).data.lifecycle_state == "DELETED"


def test_a_secret_moves(later):
    """ChangeSecretCompartment: it is found where it is, and nowhere else."""
    identity = later.vault.client(oci.identity.IdentityClient)
    there = identity.create_compartment(oci.identity.models.CreateCompartmentDetails(
        compartment_id=later.vault.dev["tenancy_id"], name="there", description="d")).data.id
    secret = later.vault.new_secret("moving", b"x")
    later.vaults.change_secret_compartment(secret.id, m.ChangeSecretCompartmentDetails(compartment_id=there))
    for sort_by in ("TIMECREATED", "NAME"):
        found = later.vaults.list_secrets(there, sort_by=sort_by).data
        assert [s.id for s in found] == [secret.id]
        here = oci.pagination.list_call_get_all_results(
            later.vaults.list_secrets, later.vault.dev["compartment_id"], sort_by=sort_by).data
        assert secret.id not in [s.id for s in here]
    assert later.read(secret) == b"x"
    nowhere = m.ChangeSecretCompartmentDetails(compartment_id=absent(there))
    assert refusal(later.vaults.change_secret_compartment, secret.id, nowhere)[:2] == HIDDEN


def test_the_reuse_rule(later):
    """Content that a version has, or had, is refused; what is forgotten is free."""
    rule = m.SecretReuseRule(is_enforced_on_deleted_secret_versions=False)
    secret = later.create("unused", secret_content=content_of(b"one"), secret_rules=[rule])
    assert later.vaults.get_secret(secret.id).data.secret_rules == [rule]
    for content in (b"two", b"three"):
        later.add(secret, content)
    for content in (b"one", b"two", b"three"):
        refused = refusal(later.add, secret, content)
        assert refused[:2] == INVALID and "SECRET_REUSE_RULE" in refused[2] and content.decode() not in refused[2]
    later.update(secret, current_version_number=1)
    later.update(secret, current_version_number=3)
    later.update(secret, current_version_number=2)

    def forget(number):
        later.vaults.schedule_secret_version_deletion(secret.id, number, m.ScheduleSecretVersionDeletionDetails())
        later.vault.advance(days=31)
    forget(1)
    later.add(secret, b"one")
    rule.is_enforced_on_deleted_secret_versions = True
    later.update(secret, secret_rules=[rule])
    later.add(secret, b"five")
    later.add(secret, b"six")
    forget(3)
    assert refusal(later.add, secret, b"three")[:2] == INVALID
    later.update(secret, secret_rules=[])
    assert later.vaults.get_secret(secret.id).data.secret_rules == []
    later.add(secret, b"three")


def test_the_expiry_rule(later):
    """What has expired is told, and withheld if the rule says so."""
    rule = m.SecretExpiryRule(
        secret_version_expiry_interval="P3D", is_secret_content_retrieval_blocked_on_expiry=False)
    secret = later.create("expiring", secret_content=content_of(b"one"), secret_rules=[rule])
    expiry = secret.time_of_current_version_expiry
    assert expiry - secret.time_created == datetime.timedelta(days=3)
    assert later.bundles.get_secret_bundle(secret.id).data.time_of_expiry == expiry
    assert later.vaults.list_secret_versions(secret.id).data[0].time_of_expiry == expiry
    later.vault.advance(days=4)
    assert later.read(secret) == b"one", "not blocked"
    rule.is_secret_content_retrieval_blocked_on_expiry = True
    later.update(secret, secret_rules=[rule])
    blocked = refusal(later.read, secret)
    assert blocked[:2] == CONFLICT and "expired" in blocked[2] and "version 1" in blocked[2]
    later.add(secret, b"two")
    assert later.read(secret) == b"two"
    assert refusal(later.read, secret, version_number=1)[:2] == CONFLICT
    later.update(secret, current_version_number=1)
    assert later.read(secret) == b"one", "the clock begins when a version becomes current"
    too_far = m.SecretExpiryRule(time_of_absolute_expiry=in_days(10_000))
    assert refusal(later.update, secret, secret_rules=[too_far])[:2] == INVALID
    both = refusal(later.update, secret, secret_rules=[], current_version_number=2)
    assert both[:2] == INVALID and "secretRules" in both[2]


def test_generated_content(secrets, tmp_path):
    """PASSPHRASE, BYTES, SSH_KEY; the keys load in OpenSSH and belong together."""
    secret, text = secrets.generated("passphrase", m.PassphraseGenerationContext(
        generation_template="DBAAS_DEFAULT_PASSWORD", passphrase_length=20,
        secret_template='{"user":"app","password":"%GENERATED_PASSPHRASE%"}'))
    password = json.loads(text)["password"]
    assert len(password) == 20 and password[0].isalpha() and sum(c in "_#-" for c in password) >= 2
    assert secret.is_auto_generation_enabled and secret.secret_generation_context.passphrase_length == 20
    assert secrets.vaults.get_secret_version(secret.id, 1).data.is_content_auto_generated
    assert len(secrets.generated("plain", m.PassphraseGenerationContext(
        generation_template="SECRETS_DEFAULT_PASSWORD"))[1]) == 32
    for name, length in (("BYTES_512", 512), ("BYTES_1024", 1024)):
        _, made = secrets.generated(name, m.BytesGenerationContext(generation_template=name))
        assert len(made) == length
    for name, bits in (("RSA_2048", "2048"), ("RSA_3072", "3072"), ("RSA_4096", "4096")):
        _, text = secrets.generated(name, m.SshKeyGenerationContext(generation_template=name))
        pair = json.loads(text)
        private, public = tmp_path / name, tmp_path / (name + ".pub")
        private.touch(mode=0o600)
        private.write_text(pair["privateKey"])
        public.write_text(pair["publicKey"] + "\n")
        derived = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, text=True, check=True)
        assert derived.stdout.split()[:2] == pair["publicKey"].split()[:2]
        shown = subprocess.run(["ssh-keygen", "-l", "-f", public], capture_output=True, text=True, check=True)
        assert shown.stdout.startswith(bits)


def test_generation_is_refused_with_the_rule(secrets):
    bare = refusal(secrets.create, "bare", enable_auto_generation=True)
    assert bare[:2] == INVALID and "secretGenerationContext" in bare[2]
    context = m.BytesGenerationContext(generation_template="BYTES_512")
    both = refusal(secrets.create, "both", enable_auto_generation=True, secret_content=content_of(b"x"),
                   secret_generation_context=context)
    assert both[:2] == INVALID and "secretContent.content" in both[2]
    neither = refusal(secrets.create, "neither", secret_generation_context=context)
    assert neither[1] == "MissingParameter"
    wide = m.BytesGenerationContext(generation_template="BYTES_1024", secret_template="%GENERATED_BYTES%" * 20)
    large = refusal(secrets.create, "large", enable_auto_generation=True, secret_generation_context=wide)
    assert large[:2] == INVALID and "25600" in large[2]


def test_generated_content_rotates(later):
    """RotateSecret, CancelSecretRotation: by hand, by schedule, and no more."""
    secret, first = later.generated("rotating", m.PassphraseGenerationContext(
        generation_template="SECRETS_DEFAULT_PASSWORD"))
    answer = later.vaults.rotate_secret(secret.id)
    assert answer.status == 202 and answer.headers["opc-work-request-id"]
    rotated = oci.wait_until(later.vaults, later.vaults.get_secret(secret.id), "current_version_number", 2).data
    assert rotated.rotation_status == "NOT_ENABLED" and rotated.last_rotation_time is not None
    assert later.read(secret) != first and later.read(secret, stage="PREVIOUS") == first
    assert refusal(later.vaults.cancel_secret_rotation, secret.id)[:2] == CONFLICT
    bare = later.vault.new_secret("not-rotating")
    assert refusal(later.vaults.rotate_secret, bare.id)[:2] == CONFLICT
    config = m.RotationConfig(
        is_scheduled_rotation_enabled=True, rotation_interval="P30D",
        target_system_details=m.FunctionTargetSystemDetails(function_id="ocid1.fnfunc.oc1.iad.absent"))
    scheduled = later.update(bare, rotation_config=config)
    assert scheduled.rotation_status == "SCHEDULED" and scheduled.rotation_config == config
    assert datetime.timedelta(days=29) < scheduled.next_rotation_time - scheduled.time_created
    later.vault.advance(days=31)
    failed = later.vaults.get_secret(bare.id).data
    assert "ocid1.fnfunc.oc1.iad.absent" in failed.lifecycle_details and failed.current_version_number == 1
    assert failed.rotation_status == "SCHEDULED" and failed.next_rotation_time > scheduled.next_rotation_time
    later.vaults.cancel_secret_rotation(bare.id)
    assert later.vaults.get_secret(bare.id).data.rotation_status == "NOT_ENABLED"


def test_the_limits_of_versions(tmp_path):
    """30 active and 30 pending versions, as Oracle has them."""
    server = Vault(tmp_path / "data", "--listen", "127.0.0.1:0", "--limits", "oracle")
    server.start()
    own = Secrets(server)
    secret = server.new_secret("many")
    for number in range(29):
        own.add(secret, b"%d" % number)
    full = refusal(own.add, secret, b"more")
    assert full[:2] == (400, "LimitExceeded") and "30" in full[2]
    for number in range(1, 29):
        own.vaults.schedule_secret_version_deletion(secret.id, number, own.version_deletion(9))
    assert own.add(secret, b"more").current_version_number == 31
    for number in (29, 30, 31, 32):
        own.add(secret, b"again %d" % number)
    for number in (29, 30):
        own.vaults.schedule_secret_version_deletion(secret.id, number, own.version_deletion(9))
    full = refusal(own.vaults.schedule_secret_version_deletion, secret.id, 31, own.version_deletion(9))
    assert full[:2] == (400, "LimitExceeded")
    assert server.end() == 0
