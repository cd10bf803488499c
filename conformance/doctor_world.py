"""A live set-up in which one thing at a time is broken for `strongroom doctor` to find."""

import base64
import datetime
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import time

import oci
from cryptography.hazmat.primitives import serialization
from oci.identity import models

from test_identity import new_group, new_key, new_policy, new_user
from vault import BINARY, Vault

SAMPLE = "in compartment sample"
BOTH = (f"read secret-family {SAMPLE}", f"use keys {SAMPLE}")
CANARY = "c4n4ry"


class World:
    """A vault with callers that have one set of rights each, and secrets in one state each."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.vault = Vault(self.directory / "data", "--listen", "127.0.0.1:0", "--clock", "manual")
        self.vault.start()
        self.dev = self.vault.dev
        self.iam = self.vault.client(oci.identity.IdentityClient)
        self.vaults = self.vault.client(oci.vault.VaultsClient)
        self.keys = self.vault.client(oci.key_management.KmsManagementClient, self.dev["management_endpoint"])
        self.private, self.public = new_key()
        self.other_private, self.other_public = new_key()
        self.files = 0
        self.secrets = {}
        self.elsewhere = self.compartment("elsewhere")
        self.users = {}
        self.other_fingerprint = fingerprint_of(self.other_public)
        self.ended = []
        self.make_callers()
        self.make_secrets()
        self.make_machines()

    def compartment(self, name):
        return self.iam.create_compartment(models.CreateCompartmentDetails(
            compartment_id=self.dev["tenancy_id"], name=name, description="d")).data.id

    def caller(self, name, *rights, tells=True, grouped=True):
        """A user with a key, in a group of its own with these rights; `tells` lets it ask for reasons."""
        user = new_user(self.iam, self.dev["tenancy_id"], name)
        key = self.iam.upload_api_key(user.id, models.CreateApiKeyDetails(key=self.public)).data
        self.users[name] = (user.id, key.fingerprint)
        tenancy = self.dev["tenancy_id"]
        if grouped:
            group = new_group(self.iam, tenancy, name)
            self.iam.add_user_to_group(models.AddUserToGroupDetails(user_id=user.id, group_id=group.id))
            rights = [f"Allow group {name} to {right}" if not right.startswith("Deny") else right for right in rights]
            rights += [f"Allow group {name} to read denials in tenancy"] * tells
        else:
            rights = [f"Allow any-user to read denials in tenancy where request.user.id = '{user.id}'"] * tells
        if rights:
            new_policy(self.iam, tenancy, name, *rights)

    def make_callers(self):
        read, use = BOTH
        self.caller("entitled", *BOTH, "read vaults in tenancy", f"read keys {SAMPLE}")
        self.caller("bare", *BOTH, tells=False)
        self.caller("no-key", read)
        self.caller("no-key-quiet", read, tells=False)
        self.caller("no-secret", use)
        self.caller("nothing-quiet", "use buckets in tenancy", tells=False)
        self.caller("lister-quiet", f"inspect secrets {SAMPLE}", tells=False)
        self.caller("describer-quiet", f"read secrets {SAMPLE}", tells=False)
        self.caller("inspector", read, f"inspect keys {SAMPLE}")
        self.caller("secret-inspector", f"inspect secret-family {SAMPLE}", use)
        self.caller("key-elsewhere", read, "use keys in compartment elsewhere")
        self.caller("secret-elsewhere", "read secret-family in compartment elsewhere", use)
        self.caller("named", f"read secret-family {SAMPLE} where target.secret.name = 'db-*'", use)
        self.caller("key-named", read, f"use keys {SAMPLE} where target.key.id = 'ocid1.key.oc1.iad.a.b'")
        self.caller("key-elsewhere-quiet", read, "use keys in compartment elsewhere", tells=False)
        self.caller("named-quiet", f"read secret-family {SAMPLE} where target.secret.name = 'db-*'", use, tells=False)
        self.caller("bundles-quiet", f"read secret-bundles {SAMPLE}", use, tells=False)
        self.caller("bundle-lister-quiet", f"read secret-bundles {SAMPLE}", f"inspect secrets {SAMPLE}", use, tells=False)
        self.caller("denied", *BOTH, f"Deny group denied to read secret-family {SAMPLE}")
        self.caller("nobody", grouped=False)
        self.caller("nobody-quiet", grouped=False, tells=False)
        self.caller("leaver", *BOTH)
        user_id, fingerprint = self.users["leaver"]
        self.iam.delete_api_key(user_id, fingerprint)

    def make_secrets(self):
        """The clock is turned once, before anything that must not see it."""
        expiry = oci.vault.models.SecretExpiryRule(
            secret_version_expiry_interval="P1D", is_secret_content_retrieval_blocked_on_expiry=True)
        self.secret("expired", secret_rules=[expiry])
        self.secret("deleted")
        tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1, minutes=5)
        self.vaults.schedule_secret_deletion(
            self.secrets["deleted"], oci.vault.models.ScheduleSecretDeletionDetails(time_of_deletion=tomorrow))
        self.vault.advance(days=2)
        for name in ("fine", "db-password", "pending"):
            self.secret(name)
        self.vaults.schedule_secret_deletion(self.secrets["pending"], oci.vault.models.ScheduleSecretDeletionDetails())
        disabled, dying, moved = (self.key(name) for name in ("disabled", "dying", "moved"))
        for name, key in [("of-disabled", disabled), ("of-dying", dying), ("of-moved", moved)]:
            self.secret(name, key_id=key)
        self.keys.disable_key(disabled)
        self.keys.schedule_key_deletion(dying, oci.key_management.models.ScheduleKeyDeletionDetails())
        rotated = self.key("rotated")
        self.secret("of-dying-version", key_id=rotated)
        first = self.keys.get_key(rotated).data.current_key_version
        self.keys.create_key_version(rotated)
        self.keys.schedule_key_version_deletion(rotated, first, oci.key_management.models.ScheduleKeyVersionDeletionDetails())
        move = oci.key_management.models.ChangeKeyCompartmentDetails(compartment_id=self.elsewhere)
        self.keys.change_key_compartment(moved, move)
        self.secret("hidden", compartment_id=self.elsewhere)
        doomed = self.doomed_vault()
        self.secret("of-doomed", vault_id=doomed.id, key_id=self.key("doomed", doomed.management_endpoint))
        kms = self.vault.client(oci.key_management.KmsVaultClient)
        kms.schedule_vault_deletion(doomed.id, oci.key_management.models.ScheduleVaultDeletionDetails())

    def doomed_vault(self):
        return self.vault.client(oci.key_management.KmsVaultClient).create_vault(oci.key_management.models.CreateVaultDetails(
            compartment_id=self.dev["compartment_id"], display_name="doomed", vault_type="DEFAULT")).data

    def make_machines(self):
        """The server's own machine has rights; one more is in no dynamic group, and one is removed."""
        tenancy = self.dev["tenancy_id"]
        rule = f"Any {{instance.compartment.id = '{self.dev['instance_compartment_id']}'}}"
        self.iam.create_dynamic_group(models.CreateDynamicGroupDetails(
            compartment_id=tenancy, name="machines", description="d", matching_rule=rule))
        new_policy(self.iam, tenancy, "machines", *(f"Allow dynamic-group machines to {right}" for right in BOTH))
        stranger, self.stranger = self.machine("stranger", self.elsewhere)
        new_policy(self.iam, tenancy, "stranger",
                   f"Allow any-user to read denials in tenancy where request.principal.id = '{stranger}'")
        _, self.quiet_stranger = self.machine("quiet-stranger", self.elsewhere)
        removed, self.removed = self.machine("removed")
        done = self.vault.strongroom("admin", "instance", "rm", removed)
        assert done.returncode == 0, done.stderr
        self.stale = self.session_token(self.other_private, self.other_public)
        self.revoke_tokens()

    def key(self, name, endpoint=None):
        details = oci.key_management.models.CreateKeyDetails(
            compartment_id=self.dev["compartment_id"], display_name=name,
            key_shape=oci.key_management.models.KeyShape(algorithm="AES", length=32))
        keys = self.vault.client(oci.key_management.KmsManagementClient, endpoint) if endpoint else self.keys
        return keys.create_key(details).data.id

    def secret(self, name, **more):
        details = {
            "compartment_id": self.dev["compartment_id"], "vault_id": self.dev["vault_id"],
            "key_id": self.dev["key_id"], "secret_name": name,
            "secret_content": oci.vault.models.Base64SecretContentDetails(
                content_type="BASE64", content=base64.b64encode(f"{CANARY}-{name}".encode()).decode()),
        }
        made = self.vaults.create_secret(oci.vault.models.CreateSecretDetails(**{**details, **more})).data
        self.secrets[name] = made.id

    def file(self, content, mode=0o600):
        self.files += 1
        path = self.directory / f"file-{self.files}"
        path.touch(mode=0o600)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def profile(self, caller="entitled", mode=0o600, key=None, text=None, **change):
        """Oracle's configuration file of a caller; `change` replaces settings, `None` takes one away."""
        user_id, fingerprint = self.users[caller]
        settings = {
            "user": user_id, "fingerprint": fingerprint, "tenancy": self.dev["tenancy_id"],
            "region": self.dev["region"], "key_file": key or self.file(self.private), **change,
        }
        lines = [f"{name}={value}" for name, value in settings.items() if value is not None]
        return self.file(text or "\n".join(["[DEFAULT]", *lines, ""]), mode)

    def environment(self, **variables):
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.directory / "nobody"),
            "STRONGROOM_ENDPOINT": self.dev["base_url"], "STRONGROOM_VAULT_MAIN": self.dev["vault_id"],
            "STRONGROOM_COMPARTMENT_ID": self.dev["compartment_id"],
            **{name: str(value) for name, value in variables.items() if value is not None},
        }
        return {name: value for name, value in environment.items() if value}

    def doctor(self, *arguments, **variables):
        command = [str(BINARY), "doctor", *map(str, arguments)]
        environment = self.environment(**variables)
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)

    def judged(self, *arguments, **variables):
        """What doctor says as JSON, and all that it printed."""
        done = self.doctor("--json", *arguments, **variables)
        assert done.returncode in (0, 5) and done.stderr == "", (arguments, done.returncode, done.stderr)
        return json.loads(done.stdout), done

    def session_token(self, private, public):
        """A token of the administrator's session, for a key of its own."""
        from oci._vendor import requests
        url = self.dev["base_url"] + "/v1/token/upst/actions/GenerateUpst"
        return requests.post(url, json={"publicKey": public}, auth=self.vault.signer()).json()["token"]

    def revoke_tokens(self):
        done = self.vault.strongroom("admin", "signer", "rotate", "--revoke")
        assert done.returncode == 0, done.stderr

    def machine(self, name, compartment=None):
        """Enrolls a machine and serves its metadata; returns its OCID and the URL."""
        identity = self.directory / f"{name}.json"
        more = ("--compartment-id", compartment) if compartment else ()
        done = self.vault.strongroom("admin", "instance", "add", name, "--identity", identity, *more)
        assert done.returncode == 0, done.stderr
        process = subprocess.Popen(
            [str(BINARY), "imds", "--listen", "127.0.0.1:0", "--identity", str(identity)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.ended.append(process)
        return done.stdout.decode().split()[0], process.stdout.readline().split(" at ")[1].strip()

    def end(self):
        for process in self.ended:
            process.terminate()
            process.wait(timeout=20)
        assert self.vault.end() == 0


def token(expired=True, **claims):
    """A token that nobody signed: what is judged on this machine needs no more."""
    until = int(time.time()) + (-60 if expired else 3600)
    encode = lambda claims: base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{encode({'alg': 'RS256'})}.{encode({'exp': until, 'iat': until - 3600, **claims})}.{CANARY}AA"


def fingerprint_of(public):
    key = serialization.load_pem_public_key(public.encode())
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return ":".join(f"{byte:02x}" for byte in hashlib.md5(der).digest())


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
