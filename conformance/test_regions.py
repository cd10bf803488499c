"""Regions: servers of their own that keep copies of each other's secrets and of the home region's identities."""

import time

import oci
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from regions import Region, free_port, private, wait_for
from vault import content_in, content_of

HOME, SECOND, THIRD = "us-ashburn-1", "eu-frankfurt-1", "eu-zurich-1"
SLACK_SECS = 0.5


@pytest.fixture
def pair(tmp_path):
    """The home region and a second one, each with a vault and a key."""
    home, second = Region(tmp_path, HOME), Region(tmp_path, SECOND)
    try:
        home.found()
        home.open_vault()
        second.join(home)
        wait_for(lambda: second.client(oci.identity.IdentityClient).get_user(home.profile["user"]).data)
        second.open_vault()
        yield home, second
    finally:
        home.kill()
        second.kill()


def secret_at(region, secret_id):
    return region.client(oci.vault.VaultsClient).get_secret(secret_id).data


def content_at(region, secret_id, **selector):
    return content_in(region.client(oci.secrets.SecretsClient).get_secret_bundle(secret_id, **selector).data)


def update(region, secret_id, **change):
    return region.client(oci.vault.VaultsClient).update_secret(
        secret_id, oci.vault.models.UpdateSecretDetails(**change)).data


def refusal(call, *arguments):
    with pytest.raises(oci.exceptions.ServiceError) as caught:
        call(*arguments)
    return caught.value.status, caught.value.code, caught.value.message


def lagging(look, field, first, last):
    """A status in which the lag is as long as what began between two moments has lasted."""
    asked = time.monotonic()
    status = look()
    assert asked - last - SLACK_SECS <= status[field] <= time.monotonic() - first + SLACK_SECS, status
    return status


def test_a_secret_goes_where_it_is_replicated_to(pair):
    home, second = pair
    secret = home.new_secret("db", b"first", second)
    assert secret.replication_config.replication_targets[0].target_region == SECOND and not secret.is_replica
    replica = wait_for(lambda: secret_at(second, secret.id))
    assert replica.is_replica and replica.id == secret.id
    assert (replica.vault_id, replica.key_id) == (second.vault.id, second.key.id)
    source = replica.source_region_information
    assert (source.source_region, source.source_vault_id, source.source_key_id) == (HOME, home.vault.id, home.key.id)
    assert content_at(second, secret.id) == b"first"


def test_what_happens_to_the_source_happens_to_the_replica(pair):
    home, second = pair
    secret = home.new_secret("db", b"first", second)
    wait_for(lambda: secret_at(second, secret.id))
    update(home, secret.id, secret_content=content_of(b"second", name="two"), description="newer")
    update(home, secret.id, secret_content=content_of(b"third", stage="PENDING"))
    wait_for(lambda: content_at(second, secret.id, stage="PENDING") == b"third")
    assert content_at(second, secret.id) == b"second" and secret_at(second, secret.id).description == "newer"
    assert content_at(second, secret.id, secret_version_name="two") == b"second"
    update(home, secret.id, current_version_number=1)
    wait_for(lambda: content_at(second, secret.id) == b"first")
    update(home, secret.id, secret_content=content_of(b"fourth"))
    vaults = home.client(oci.vault.VaultsClient)
    vaults.schedule_secret_version_deletion(
        secret.id, 2, oci.vault.models.ScheduleSecretVersionDeletionDetails())
    there = second.client(oci.vault.VaultsClient)
    wait_for(lambda: there.get_secret_version(secret.id, 2).data.time_of_deletion)
    assert [v.version_number for v in there.list_secret_versions(secret.id).data] == [4, 3, 2, 1]
    vaults.schedule_secret_deletion(secret.id, oci.vault.models.ScheduleSecretDeletionDetails())
    wait_for(lambda: secret_at(second, secret.id).lifecycle_state == "PENDING_DELETION")
    assert refusal(content_at, second, secret.id)[0] == 404
    vaults.cancel_secret_deletion(secret.id)
    wait_for(lambda: content_at(second, secret.id) == b"fourth")
    # A region that is taken off the list loses its copy, and nothing happens to the secret.
    update(home, secret.id, replication_config=oci.vault.models.ReplicationConfig(replication_targets=[]))

    def is_gone():
        try:
            return not secret_at(second, secret.id)
        except oci.exceptions.ServiceError as error:
            return error.status == 404

    wait_for(is_gone)
    assert content_at(home, secret.id) == b"fourth"
    update(home, secret.id, replication_config=oci.vault.models.ReplicationConfig(replication_targets=[second.target()]))
    wait_for(lambda: content_at(second, secret.id, version_number=3) == b"third")


def test_writes_go_to_the_source_and_to_the_home_region(pair):
    home, second = pair
    secret = home.new_secret("db", b"first", second)
    wait_for(lambda: secret_at(second, secret.id))
    there = second.client(oci.vault.VaultsClient)
    schedule = oci.vault.models.ScheduleSecretDeletionDetails()
    for call in (lambda: update(second, secret.id, description="x"), lambda: there.rotate_secret(secret.id),
                 lambda: there.schedule_secret_deletion(secret.id, schedule)):
        status, code, message = refusal(call)
        assert (status, code) == (409, "Conflict") and HOME in message
    identity = second.client(oci.identity.IdentityClient)
    group = oci.identity.models.CreateGroupDetails(
        compartment_id=home.profile["tenancy"], name="g", description="g")
    status, code, message = refusal(identity.create_group, group)
    assert (status, code) == (403, "NotAllowed") and "IAD" in message
    subscribed = identity.list_region_subscriptions(home.profile["tenancy"]).data
    assert {(one.region_name, one.is_home_region) for one in subscribed} == {(HOME, True), (SECOND, False)}
    assert identity.get_tenancy(home.profile["tenancy"]).data.home_region_key == "IAD"


def test_targets_are_checked_with_the_regions_name(pair):
    home, second = pair
    model = oci.vault.models.ReplicationTarget

    def asked(*targets, **more):
        details = oci.vault.models.ReplicationConfig(replication_targets=list(targets), **more)
        secret = home.client(oci.vault.VaultsClient).create_secret
        return refusal(secret, oci.vault.models.CreateSecretDetails(
            compartment_id=home.profile["tenancy"], vault_id=home.vault.id, key_id=home.key.id, secret_name="x",
            secret_content=content_of(b"x"), replication_config=details))

    good = second.target()
    unpaired = model(target_region=THIRD, target_vault_id=home.vault.id, target_key_id=home.key.id)
    assert asked(unpaired)[:2] == (400, "InvalidParameter") and THIRD in asked(unpaired)[2]
    assert HOME in asked(home.target())[2]
    foreign = model(target_region=SECOND, target_vault_id=home.vault.id, target_key_id=second.key.id)
    assert "targetVaultId: must be of region " + SECOND in asked(foreign)[2]
    assert "isWriteForwardEnabled" in asked(good, is_write_forward_enabled=True)[2]
    assert "at most 3" in asked(good, good, good, good)[2]


def test_replication_needs_a_right_of_its_own(pair, tmp_path):
    home, second = pair
    tenancy, models = home.profile["tenancy"], oci.identity.models
    here = home.client(oci.identity.IdentityClient)
    user = here.create_user(models.CreateUserDetails(compartment_id=tenancy, name="u", description="u")).data
    group = here.create_group(models.CreateGroupDetails(compartment_id=tenancy, name="g", description="g")).data
    here.add_user_to_group(models.AddUserToGroupDetails(user_id=user.id, group_id=group.id))
    policy = here.create_policy(models.CreatePolicyDetails(
        compartment_id=tenancy, name="p", description="p", statements=["Allow group g to use secret-family in tenancy"])).data
    key = rsa.generate_private_key(65537, 2048)
    private(tmp_path / "u.pem", key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    made = here.upload_api_key(user.id, models.CreateApiKeyDetails(key=public)).data
    profile = {"user": user.id, "fingerprint": made.fingerprint, "key_file": str(tmp_path / "u.pem")}
    secret = home.new_secret("db", b"first")
    vaults = home.client(oci.vault.VaultsClient, **profile)
    details = oci.vault.models.UpdateSecretDetails
    goes = details(replication_config=oci.vault.models.ReplicationConfig(replication_targets=[second.target()]))
    vaults.update_secret(secret.id, details(description="may be changed"))
    assert refusal(vaults.update_secret, secret.id, goes)[0] == 404
    here.update_policy(policy.id, models.UpdatePolicyDetails(
        statements=["Allow group g to manage secret-family in tenancy", "Allow group g to use keys in tenancy"]))
    vaults.update_secret(secret.id, goes)
    # The right to read it there is decided there, by the same policies.
    reads = second.client(oci.secrets.SecretsClient, **profile)
    assert content_in(wait_for(lambda: reads.get_secret_bundle(secret.id).data)) == b"first"


def test_a_region_that_is_forgotten_sends_and_gets_nothing(pair):
    home, second = pair
    secret = home.new_secret("db", b"first", second)
    wait_for(lambda: secret_at(second, secret.id))
    assert f"{SECOND} is forgotten" in home.admin("rm", SECOND)
    assert home.status()["regions"] == []
    assert "401" in wait_for(lambda: second.status(home)["fault"])
    assert "is not one that this region is paired with" in home.admin("rm", SECOND, code=1)
    assert content_at(second, secret.id) == b"first"
    for wrong in ("foo", "ftp://x", "http://u:p@h", "https://h?q", ""):
        assert "must be http" in home.admin(
            "add", "--identity", second.directory / "own.json", "--url", wrong, code=1)
    nobody = f"http://127.0.0.1:{free_port()}"
    assert "cannot be reached" in home.admin("status", "--base-url", nobody, code=4)
    # Paired again, it gets what it has missed.
    update(home, secret.id, description="missed")
    home.admin("add", "--identity", second.directory / "own.json", "--url", second.link.url)
    wait_for(lambda: secret_at(second, secret.id).description == "missed")


def test_a_change_of_identities_is_in_force_everywhere(pair):
    home, second = pair
    here, there = home.client(oci.identity.IdentityClient), second.client(oci.identity.IdentityClient)
    tenancy = home.profile["tenancy"]
    models = oci.identity.models
    group = here.create_group(models.CreateGroupDetails(compartment_id=tenancy, name="g", description="g")).data
    policy = here.create_policy(models.CreatePolicyDetails(
        compartment_id=tenancy, name="p", description="p", statements=["Allow group g to read all-resources in tenancy"])).data
    wait_for(lambda: there.get_policy(policy.id).data.statements == policy.statements, 5)
    assert there.get_group(group.id).data.name == "g"
    here.delete_policy(policy.id)

    def is_gone():
        try:
            return not there.get_policy(policy.id)
        except oci.exceptions.ServiceError as error:
            return error.status == 404

    wait_for(is_gone, 5)


def test_a_partition_is_seen_and_made_good(pair):
    home, second = pair
    began = time.monotonic()
    secrets = [home.new_secret(f"s{number}", b"0", second) for number in range(3)]
    wait_for(lambda: all(secret_at(second, secret.id) for secret in secrets))
    home.link.cut()
    cut = time.monotonic()
    for number in range(1, 6):
        for secret in secrets:
            update(home, secret.id, secret_content=content_of(str(number).encode()))
    changed = time.monotonic()
    time.sleep(4 * SLACK_SECS)
    behind = lagging(lambda: home.status(second), "outgoingLagSeconds", cut, changed)
    assert behind["outgoingChanges"] == 15
    wait_for(lambda: second.status(home)["fault"])
    # It asked for the last time when all that there was had come.
    cut_off = lagging(lambda: second.status(home), "incomingLagSeconds", began, cut)
    assert "cannot be reached" in cut_off["fault"]
    assert f"{HOME} cannot be pulled from" in second.admin("status")
    assert content_at(second, secrets[0].id) == b"0"
    # Neither end remembers anything but what it has stored.
    for region in (home, second):
        region.kill()
        region.start()
    home.link.mend()
    for secret in secrets:
        wait_for(lambda secret=secret: content_at(second, secret.id) == b"5")
        versions = second.client(oci.vault.VaultsClient).list_secret_versions(secret.id).data
        assert [version.version_number for version in versions] == [6, 5, 4, 3, 2, 1]
        for number in range(6):
            assert content_at(second, secret.id, version_number=number + 1) == str(number).encode()
    wait_for(lambda: (status := home.status(second))["outgoingChanges"] == 0 and status["outgoingLagSeconds"] == 0)
    wait_for(lambda: (status := second.status(home))["incomingLagSeconds"] == 0 and status["fault"] is None)


def test_killed_at_any_moment_nothing_is_lost(pair):
    home, second = pair
    secret = home.new_secret("db", b"0", second)
    wait_for(lambda: secret_at(second, secret.id))
    for round_number in range(1, 7):
        for part in range(4):
            update(home, secret.id, secret_content=content_of(f"{round_number}.{part}".encode()))
        ended = (home, second)[round_number % 2]
        ended.kill()
        ended.start()
        wait_for(lambda: content_at(second, secret.id) == f"{round_number}.3".encode())
    versions = second.client(oci.vault.VaultsClient).list_secret_versions(secret.id).data
    assert [version.version_number for version in versions] == list(range(25, 0, -1))


def test_a_bent_stream_is_refused_and_holds_no_content(pair):
    home, second = pair
    secret = home.new_secret("db", b"content-that-nobody-reads-on-the-way", second)
    wait_for(lambda: secret_at(second, secret.id))
    assert b"acknowledged" in home.link.carried or b'"covers"' in home.link.carried
    assert content_of(b"content-that-nobody-reads-on-the-way").content.encode() not in home.link.carried
    assert b"content-that-nobody-reads-on-the-way" not in home.link.carried
    home.link.bend = lambda data: data.replace(b'"description":"new', b'"description":"bad')
    update(home, secret.id, description="new")
    fault = wait_for(lambda: second.status(home)["fault"])
    assert fault == "its answer is not signed by it" and secret_at(second, secret.id).description is None
    home.link.bend = None
    wait_for(lambda: secret_at(second, secret.id).description == "new")


def test_a_stranger_is_not_answered(pair, tmp_path):
    home, second = pair
    stranger = Region(tmp_path, THIRD)
    identity = tmp_path / "home.json"
    identity.write_text(home.admin("identity"))
    stranger.strongroom("init", "--config", stranger.config, "--region", THIRD, "--join", identity,
                        "--home-url", home.link.url)
    try:
        stranger.start()
        fault = wait_for(lambda: stranger.status(home)["fault"])
        assert "401" in fault
    finally:
        stranger.kill()


def test_a_lost_region_is_replaced_and_does_not_overwrite(pair):
    home, second = pair
    secret = home.new_secret("db", b"first", second)
    wait_for(lambda: secret_at(second, secret.id))
    wait_for(lambda: home.status(second)["outgoingChanges"] == 0)
    models = oci.key_management.models
    vaults = home.client(oci.key_management.KmsVaultClient)
    vault = vaults.create_vault(models.CreateVaultDetails(
        compartment_id=home.profile["tenancy"], display_name="private", vault_type="VIRTUAL_PRIVATE")).data
    vaults.create_vault_replica(vault.id, models.CreateVaultReplicaDetails(replica_region=SECOND))
    there = second.client(oci.key_management.KmsVaultClient)
    renamed = models.UpdateVaultDetails(display_name="taken over")
    wait_for(lambda: there.get_vault(vault.id).data)
    assert refusal(there.update_vault, vault.id, renamed)[0] == 409
    home.link.cut()
    update(home, secret.id, secret_content=content_of(b"never sent"))
    home.kill()
    assert "2 replicas are this region's own now" in second.admin("promote", HOME, "--home")
    assert "0 replicas are this region's own now" in second.admin("promote", HOME, "--home")
    assert second.status()["homeTerm"] == 1
    there.update_vault(vault.id, renamed)
    replaced = secret_at(second, secret.id)
    assert not replaced.is_replica and replaced.replication_config.replication_targets[0].target_region == HOME
    update(second, secret.id, secret_content=content_of(b"after the loss"))
    identity = second.client(oci.identity.IdentityClient)
    group = identity.create_group(oci.identity.models.CreateGroupDetails(
        compartment_id=home.profile["tenancy"], name="later", description="later")).data
    # The lost region is back, and sends what it had not sent.
    second.link.cut()
    home.start()
    home.link.mend()
    wait_for(lambda: second.status(home)["fencedChanges"])
    assert "changes of an earlier term, not taken" in second.admin("status")
    assert content_at(second, secret.id) == b"after the loss" and content_at(home, secret.id) == b"never sent"
    # Then it learns what happened meanwhile.
    second.link.mend()
    wait_for(lambda: content_at(home, secret.id) == b"after the loss")
    assert secret_at(home, secret.id).is_replica and secret_at(home, secret.id).vault_id == home.vault.id
    assert content_at(second, secret.id) == b"after the loss"
    wait_for(lambda: home.client(oci.identity.IdentityClient).get_group(group.id).data)
    assert refusal(home.client(oci.identity.IdentityClient).delete_group, group.id)[:2] == (403, "NotAllowed")
    assert home.status()["homeRegion"] == second.status()["homeRegion"] == SECOND
    assert refusal(lambda: update(home, secret.id, description="x"))[0] == 409
    assert there.get_vault(vault.id).data.display_name == "taken over"


def test_three_regions(pair, tmp_path):
    home, second = pair
    third = Region(tmp_path, THIRD)
    try:
        third.join(home)
        wait_for(lambda: third.client(oci.identity.IdentityClient).get_user(home.profile["user"]).data)
        third.open_vault()
        secret = home.new_secret("db", b"first", second, third)
        for region in (second, third):
            wait_for(lambda region=region: content_at(region, secret.id) == b"first")
        third.link.cut(), home.link.cut()
        update(home, secret.id, description="newer")
        home.link.mend()
        for region in (second, third):
            wait_for(lambda region=region: secret_at(region, secret.id).description == "newer")
    finally:
        third.kill()


def test_what_cannot_be_taken_is_told_and_tried_again(pair):
    home, second = pair
    second.new_secret("db", b"of the second region")
    secret = home.new_secret("db", b"first", second)
    told = wait_for(lambda: second.status(home)["notTaken"])
    assert told[0]["object"] == f"s/{secret.id}" and "another secret of its name" in told[0]["reason"]
    assert f"not taken from {HOME}" in second.admin("status")
    other = home.new_secret("other", b"second", second)
    wait_for(lambda: content_at(second, other.id) == b"second")


def test_oracles_command_line_replicates(pair):
    home, second = pair
    target = f'{{"replicationTargets":[{{"targetRegion":"{SECOND}","targetVaultId":"{second.vault.id}","targetKeyId":"{second.key.id}"}}]}}'
    made = home.oci(
        "vault", "secret", "create-base64", "--compartment-id", home.profile["tenancy"], "--vault-id", home.vault.id,
        "--key-id", home.key.id, "--secret-name", "cli", "--secret-content-content", "aGk=",
        "--replication-config", target)
    wait_for(lambda: secret_at(second, made["id"]))
    shown = second.oci("vault", "secret", "get", "--secret-id", made["id"])
    assert shown["is-replica"] and shown["source-region-information"]["source-region"] == HOME
    bundle = second.oci("secrets", "secret-bundle", "get", "--secret-id", made["id"])
    assert bundle["secret-bundle-content"]["content"] == "aGk="


def test_a_vault_and_its_keys_have_a_replica(pair):
    home, second = pair
    models, tenancy = oci.key_management.models, home.profile["tenancy"]
    here, there = (region.client(oci.key_management.KmsVaultClient) for region in pair)
    vault = here.create_vault(models.CreateVaultDetails(
        compartment_id=tenancy, display_name="private", vault_type="VIRTUAL_PRIVATE")).data
    keys = home.client(oci.key_management.KmsManagementClient, vault.management_endpoint)
    aes = models.CreateKeyDetails(
        compartment_id=tenancy, display_name="aes", protection_mode="SOFTWARE",
        key_shape=models.KeyShape(algorithm="AES", length=32))
    key = keys.create_key(aes).data
    replicate = models.CreateVaultReplicaDetails(replica_region=SECOND)
    unpaired = models.CreateVaultReplicaDetails(replica_region=THIRD)
    status, _, message = refusal(here.create_vault_replica, vault.id, unpaired)
    assert status == 400 and THIRD in message
    here.create_vault_replica(vault.id, replicate)
    replica = wait_for(lambda: [one for one in here.list_vault_replicas(vault.id).data if one.status == "CREATED"])[0]
    assert replica.region == SECOND and replica.crypto_endpoint != vault.crypto_endpoint
    replication = here.get_vault(vault.id).data.replica_details.replication_id
    state = lambda: keys.get_replication_status(replication).data.replica_details[0].status  # noqa: E731
    wait_for(lambda: state() == "REPLICATED")

    def encrypted(endpoint, region, text):
        crypto = region.client(oci.key_management.KmsCryptoClient, endpoint)
        return crypto.encrypt(models.EncryptDataDetails(key_id=key.id, plaintext=text)).data.ciphertext

    def decrypted(endpoint, region, text):
        crypto = region.client(oci.key_management.KmsCryptoClient, endpoint)
        return crypto.decrypt(models.DecryptDataDetails(key_id=key.id, ciphertext=text)).data.plaintext

    text = encrypted(vault.crypto_endpoint, home, "aGk=")
    assert decrypted(replica.crypto_endpoint, second, text) == "aGk="
    assert decrypted(vault.crypto_endpoint, home, encrypted(replica.crypto_endpoint, second, "aGk=")) == "aGk="
    # A new version of the key goes there as well, and changes are made at the source alone.
    version = keys.create_key_version(key.id).data
    at_replica = second.client(oci.key_management.KmsManagementClient, replica.management_endpoint)
    wait_for(lambda: at_replica.get_key(key.id).data.current_key_version == version.id)
    assert (keys.get_key(key.id).data.is_primary, at_replica.get_key(key.id).data.is_primary) == (True, False)
    assert decrypted(replica.crypto_endpoint, second, encrypted(vault.crypto_endpoint, home, "aGk=")) == "aGk="
    for call in (lambda: at_replica.create_key(aes), lambda: at_replica.disable_key(key.id),
                 lambda: there.update_vault(vault.id, models.UpdateVaultDetails(display_name="x"))):
        status, code, message = refusal(call)
        assert (status, code) == (409, "Conflict") and HOME in message
    # It answers after a restart, without its source.
    home.link.cut()
    second.kill()
    second.start()
    assert decrypted(replica.crypto_endpoint, second, text) == "aGk="
    home.link.mend()
    keys.disable_key(key.id)
    wait_for(lambda: at_replica.get_key(key.id).data.lifecycle_state == "DISABLED")
    here.delete_vault_replica(vault.id, models.DeleteVaultReplicaDetails(replica_region=SECOND))
    wait_for(lambda: there.get_vault(vault.id).data.lifecycle_state == "DELETED")
    assert here.get_vault(vault.id).data.lifecycle_state == "ACTIVE"
    keys.enable_key(key.id)
    here.create_vault_replica(vault.id, replicate)
    again = wait_for(lambda: [one for one in here.list_vault_replicas(vault.id).data if one.status == "CREATED"])[0]
    wait_for(lambda: decrypted(again.crypto_endpoint, second, text) == "aGk=")


def test_the_hand_reads_replicas_and_doctor_knows_them(pair):
    home, second = pair
    secret = home.new_secret("db", b"first", second)
    only_home = home.new_secret("home", b"first")
    wait_for(lambda: secret_at(second, secret.id))
    second.write_profile()
    where = ("--endpoint", second.url, "--config-file", second.directory / "oci-config")
    assert second.strongroom("get", secret.id, *where) == "first"
    told = second.strongroom("doctor", secret.id, *where)
    assert f"a replica of {HOME}" in told
    told = second.strongroom("doctor", only_home.id, *where, code=5)
    assert f"of region `{HOME}`, and `{SECOND}` is called" in told and "replicated to it" in told
