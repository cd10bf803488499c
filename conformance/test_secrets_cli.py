"""The life of a secret through Oracle's command line."""

import json

import oci
import pytest

from vault import content_of


@pytest.fixture(scope="module")
def shell(turnable):
    def run(words, **options):
        command = ["vault", *words.split()]
        for name, value in options.items():
            command.append("--" + name.replace("_", "-"))
            command += [] if value is True else [value if isinstance(value, (str, int)) else json.dumps(value)]
        answer = turnable.oci(*command)
        return answer["data"] if answer and "data" in answer else answer
    return run


def place(vault):
    return {name: vault.dev[name] for name in ("compartment_id", "vault_id", "key_id")}


def test_rules_generation_and_rotation_are_said(turnable, shell):
    """CreateSecret, GetSecret, UpdateSecret with everything that a secret can be told; RotateSecret
    and CancelSecretRotation."""
    rules = [{"ruleType": "SECRET_EXPIRY_RULE", "secretVersionExpiryInterval": "P30D"}]
    context = {"generationType": "PASSPHRASE", "generationTemplate": "SECRETS_DEFAULT_PASSWORD"}
    made = shell("secret create-base64", secret_name="cli-made", secret_rules=rules,
                 secret_generation_context=context, enable_auto_generation="true", **place(turnable))
    assert made["is-auto-generation-enabled"] and made["secret-rules"][0]["secret-version-expiry-interval"] == "P30D"
    updated = shell("secret update", secret_id=made["id"], secret_rules=[], force=True)
    assert updated["secret-rules"] == [] and updated["current-version-number"] == 1
    assert shell("secret rotate", secret_id=made["id"])["opc-work-request-id"]
    target = {"targetSystemType": "FUNCTION", "functionId": "ocid1.fnfunc.oc1.iad.f"}
    config = {"isScheduledRotationEnabled": True, "rotationInterval": "P30D", "targetSystemDetails": target}
    turnable.oci("vault", "secret", "get", "--secret-id", made["id"])
    shell("secret update", secret_id=made["id"], rotation_config=config, force=True)
    shell("secret cancel-secret-rotation", secret_id=made["id"])
    shown = shell("secret get", secret_id=made["id"])
    assert shown["rotation-status"] == "NOT_ENABLED" and shown["rotation-config"]["rotation-interval"] == "P30D"


def test_deletion_and_move(turnable, shell):
    """ScheduleSecretDeletion, CancelSecretDeletion, ScheduleSecretVersionDeletion,
    CancelSecretVersionDeletion, ChangeSecretCompartment."""
    secret = turnable.new_secret("cli-life", b"one")
    client = turnable.client(oci.vault.VaultsClient)
    for content in (b"two", b"three"):
        client.update_secret(secret.id, oci.vault.models.UpdateSecretDetails(secret_content=content_of(content)))
    version = {"secret_id": secret.id, "secret_version_number": 1}
    shell("secret-version schedule-deletion", **version)
    assert shell("secret-version get", **version)["time-of-deletion"]
    shell("secret-version cancel-deletion", **version)
    assert shell("secret-version get", **version)["time-of-deletion"] is None
    shell("secret change-compartment", secret_id=secret.id, compartment_id=turnable.dev["compartment_id"])
    shell("secret schedule-secret-deletion", secret_id=secret.id)
    assert shell("secret get", secret_id=secret.id)["lifecycle-state"] == "PENDING_DELETION"
    shell("secret cancel-secret-deletion", secret_id=secret.id)
    assert shell("secret get", secret_id=secret.id)["lifecycle-state"] == "ACTIVE"
