"""Our endpoints of every region and realm are those of Oracle's Python SDK."""

import json
import subprocess
import sys

import oci
from oci import audit, auth, identity, key_management, regions, secrets, vault

CLIENTS = {
    "vault": vault.VaultsClient,
    "secrets": secrets.SecretsClient,
    "kms_vault": key_management.KmsVaultClient,
    "identity": identity.IdentityClient,
    "audit": audit.AuditClient,
}


class NoSigner(oci.auth.signers.SecurityTokenSigner):
    def __init__(self):
        pass


def of_sdk(region):
    made = {
        name: kind({"region": region}, signer=NoSigner()).base_client.endpoint for name, kind in CLIENTS.items()
    }
    hosts = {name: url.split("://")[1].split("/")[0] for name, url in made.items()}
    return {**{name: f"https://{host}" for name, host in hosts.items()}, "auth": regions.endpoint_for("auth", region)}


def main():
    names = [*regions.REGIONS, "r1.example:8443"]
    ours = json.loads(subprocess.run([sys.argv[1], *names], capture_output=True, check=True).stdout)
    differ = {name: (ours.get(name), of_sdk(name)) for name in names if ours.get(name) != of_sdk(name)}
    assert not differ, (len(differ), next(iter(differ.items())))
    realms = {regions.REGION_REALMS[name] for name in regions.REGIONS}
    print(f"{len(names)} regions of {len(realms)} realms, {len(CLIENTS) + 1} services each: endpoints are the SDK's")


main()
