"""What a run asked for through Oracle's clients, and the table that tells it."""

import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "conformance.md"
OPERATIONS = re.findall(r"^\| ([A-Z]\w+) \| (\w+) \| ", (ROOT / "docs" / "operations.md").read_text(), re.M)
ROUTES = {
    name: (verb, path)
    for name, verb, path in re.findall(
        r"^\| ([A-Z]\w+) \| \w+ \| ([A-Z]+) `([^`]+)`", (ROOT / "docs" / "operations.md").read_text(), re.M)
}
BY_METHOD = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): name for name, _ in OPERATIONS}
CLIENTS = ("oci", "Python SDK")

# Commands of `oci` whose words are not those of the operation.
COMMANDS = {
    "kms management vault get": "GetVault",
    "kms management vault usage get": "GetVaultUsage",
    "kms management vault restore": "RestoreVaultFromObjectStore",
    "kms management vault restore-from-file": "RestoreVaultFromFile",
    "kms management vault create-vault-replica": "CreateVaultReplica",
    "kms management vault delete-vault-replica": "DeleteVaultReplica",
    "kms management vault list-vault-replicas": "ListVaultReplicas",
    "kms management key restore": "RestoreKeyFromObjectStore",
    "kms management key restore-from-file": "RestoreKeyFromFile",
    "kms management replication-status-details get-replication-status": "GetReplicationStatus",
    "kms crypto key export": "ExportKey",
    "kms crypto signed-data sign": "Sign",
    "kms crypto verified-data verify": "Verify",
    "vault secret create-base64": "CreateSecret",
    "vault secret update-base64": "UpdateSecret",
    "vault secret schedule-secret-deletion": "ScheduleSecretDeletion",
    "vault secret cancel-secret-deletion": "CancelSecretDeletion",
    "vault secret cancel-secret-rotation": "CancelSecretRotation",
    "vault secret-version get": "GetSecretVersion",
    "secrets secret-bundle get": "GetSecretBundle",
    "secrets secret-bundle get-secret-bundle-by-name": "GetSecretBundleByName",
    "secrets secret-bundle list-versions": "ListSecretBundleVersions",
    "audit event list": "ListEvents",
    "iam region-subscription list": "ListRegionSubscriptions",
    "iam group add-user": "AddUserToGroup",
    "iam group list-users": "ListUserGroupMemberships",
    "iam policy list": "ListPolicies",
}

seen = {}


def note(client, operation, status):
    """Remembers an answer. What a busy or dying server answers is no matter of the protocol."""
    if operation is not None and (status < 500 or status == 501):
        seen.setdefault((operation, client), set()).add(status)


def operation_of(arguments):
    """Finds the operation of a command line of `oci`."""
    words = []
    for argument in map(str, arguments):
        if argument.startswith("-"):
            break
        words.append(argument)
    command = " ".join(words)
    if command in COMMANDS:
        return COMMANDS[command]
    *_, noun, verb = words if len(words) > 1 else ("", "", "")
    first, *rest = verb.split("-")
    guess = "_".join([first, *noun.split("-"), *rest])
    if first == "list":
        guess += "s"
    return BY_METHOD.get(guess) or BY_METHOD.get(verb.replace("-", "_"))


def operation_at(method, target):
    """Finds the operation of a request."""
    for name, (verb, path) in ROUTES.items():
        pattern = re.sub(r"{\w+}", "[^/]+", path)
        if verb == method and re.fullmatch(pattern, target.partition("?")[0]):
            return name
    return None


class Recorded:
    """A client of the SDK whose answers are remembered."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        value = getattr(self._client, name)
        operation = BY_METHOD.get(name)
        if operation is None:
            return value

        def call(*arguments, **more):
            try:
                response = value(*arguments, **more)
            except Exception as error:
                note("Python SDK", operation, getattr(error, "status", None) or 599)
                raise
            note("Python SDK", operation, response.status)
            return response

        return call


def table():
    lines = [
        "# Conformance",
        "",
        "Every operation, asked for through Oracle's unmodified clients by the tests in `conformance/`: the statuses that the last whole run saw. "
        "The run compares this file with what it saw; `STRONGROOM_WRITE_DOCS=1 .venv/bin/python -m pytest` writes it anew. "
        "`oci` has no command for UpdateRegisteredVaultForMtls; what is Strongroom's own was asked for with `oci raw-request` and "
        "the Python SDK's signer.",
        "",
        "| operation | service | oci 3.95.1 | Python SDK 2.189.0 |",
        "| --- | --- | --- | --- |",
    ]
    for name, service in OPERATIONS:
        cells = [
            ", ".join(map(str, sorted(seen.get((name, client), ())))) or "–" for client in CLIENTS
        ]
        lines.append(f"| {name} | {service} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


def settle():
    """Writes the table, or tells what is wrong with it."""
    text = table()
    if os.environ.get("STRONGROOM_WRITE_DOCS"):
        DOCS.write_text(text)
        return None
    if not DOCS.exists() or DOCS.read_text() != text:
        before = DOCS.read_text().splitlines() if DOCS.exists() else []
        changed = [line for line in text.splitlines() if line not in before]
        return "docs/conformance.md is not what this run saw:\n" + "\n".join(changed)
    return None
