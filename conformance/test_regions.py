"""Regions: servers of their own that keep copies of each other's secrets and of the home region's identities."""

import oci
import pytest

from regions import Region, wait_for
from vault import content_in, content_of

HOME, SECOND, THIRD = "us-ashburn-1", "eu-frankfurt-1", "eu-zurich-1"


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
