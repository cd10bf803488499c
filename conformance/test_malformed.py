"""Ten thousand requests that no client would send: never a 5xx, never a hang, never a leak."""

import json
import os
import random
import socket
import string
import threading

import oci

from vault import content_in
from wire import Wire, answer_of

COUNT = int(os.environ.get("STRONGROOM_MALFORMED", "10000"))
THREADS = 4
CANARY = "c4n4ry-7d1f0b"


class Generator:
    def __init__(self, vault, seed):
        self.random = random.Random(seed)
        self.vault, self.wire = vault, Wire(vault)

    def text(self, most=40):
        alphabet = string.printable + "äß€\u202e\0\x7f"
        length = self.random.randrange(most)
        return "".join(self.random.choice(alphabet) for _ in range(length))

    def value(self, depth=0):
        pick = self.random.randrange(9 if depth < 6 else 6)
        if pick == 0:
            return self.random.choice([None, True, False])
        if pick == 1:
            return self.random.choice([0, -1, 2**63, -(2**63) - 1, 1e308, 10**30, 0.1])
        if pick in (2, 3):
            return self.random.choice([self.text(), CANARY, "BASE64", "A" * 4096, "ocid1.key.oc1..x"])
        if pick in (4, 5):
            return self.random.choice([self.vault.dev[key] for key in ("key_id", "vault_id", "compartment_id")])
        if pick == 6:
            return [self.value(depth + 1) for _ in range(self.random.randrange(4))]
        names = ["secretName", "secretContent", "content", "contentType", "compartmentId", "keyId",
                 "vaultId", "keyShape", "algorithm", "length", "displayName", "vaultType", "name",
                 "description", "freeformTags", "currentVersionNumber", "stage", CANARY, self.text(8)]
        return {self.random.choice(names): self.value(depth + 1) for _ in range(self.random.randrange(6))}

    def body(self):
        body = json.dumps(self.value()).encode()
        pick = self.random.randrange(8)
        if pick == 0:
            cut = self.random.randrange(len(body) + 1)
            return body[:cut]
        if pick == 1:
            return bytes(self.random.randrange(256) for _ in range(self.random.randrange(200)))
        if pick == 2:
            return b'{"a":' * self.random.randrange(200) + body
        return body

    def target(self):
        ids = [self.vault.dev[key] for key in ("secret_id", "key_id", "vault_id", "user_id", "tenancy_id")]
        part = self.random.choice([*ids, "%00", "%zz", "..", "", "a" * 3000, "%2e%2e", "1", CANARY])
        path = self.random.choice([
            "/20180608/secrets", "/20180608/secrets/{}", "/20180608/secrets/{}/versions",
            "/20180608/secrets/{}/version/{}", "/20180608/vaults", "/20180608/vaults/{}", "/20180608/keys/{}",
            "/20190301/secretbundles/{}", "/20190301/secretbundles/actions/getByName",
            "/20160918/compartments", "/20160918/users/{}", "/20160918/tenancies/{}/regionSubscriptions",
            "//{}//", "/{}", "/", "*", "http://{}/",
        ]).replace("{}", part)
        query = self.random.choice([
            "", "?", "?limit=-1", "?limit=99999999999999999999", "?page=" + "A" * 50, "?compartmentId=" + part,
            "?compartmentId=" + self.vault.dev["compartment_id"] + "&sortBy=" + CANARY, "?a=1&a=2", "?%", "?stage=x",
            "?secretName=" + CANARY + "&vaultId=" + self.vault.dev["vault_id"], "?versionNumber=0",
        ])
        return path + query

    def request(self):
        method = self.random.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"])
        target, body = self.target(), self.body()
        sends_body = method in {"POST", "PUT", "PATCH"}
        headers = self.wire.signed(method, target, body if sends_body else None)
        for _ in range(self.random.choice([0, 0, 1, 2])):
            name = self.random.choice([
                "content-length", "transfer-encoding", "host", "date", "authorization", "expect",
                "opc-request-id", "opc-retry-token", "if-match", "x-content-sha256", "connection",
            ])
            value = self.random.choice([
                "-1", "0", "chunked", "gzip, chunked", CANARY, "x" * 9000, "", "a/b/c/d/e", "\x01", "ä", "close",
                '"', "*", 'Signature headers="', "999999999999999999999",
            ])
            if name == "opc-request-id" and value == CANARY:
                value = "x"  # an identifier of the caller's, which answers and log echo
            headers.append((name, value))
        raw = self.wire.bytes_of(method, target, headers, body if sends_body else b"")
        if self.random.randrange(10) == 0:
            position = self.random.randrange(len(raw))
            raw = raw[:position] + bytes([self.random.randrange(256)]) + raw[position + 1:]
        return raw


def test_ten_thousand_malformed_requests(vault):
    seed = int(os.environ.get("STRONGROOM_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    planted = vault.new_secret("planted", CANARY.upper().encode())
    wrong, seen = [], {}

    def bombard(number):
        generator = Generator(vault, seed + number)
        for _ in range(COUNT // THREADS):
            raw = generator.request()
            try:
                status, _, body = generator.wire.exchange(raw)
            except socket.timeout:
                wrong.append(("no answer", raw))
                continue
            seen[status] = seen.get(status, 0) + 1
            if (status or 0) >= 500 or CANARY.encode() in body or CANARY.upper().encode() in body:
                wrong.append((status, raw, body))

    threads = [threading.Thread(target=bombard, args=[n]) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"answers by status: {seen}")
    assert wrong == [], (seed, wrong[:3])
    assert seen.get(401, 0) > 0 and seen.get(400, 0) > 0 and seen.get(404, 0) > 0
    bundle = vault.client(oci.secrets.SecretsClient).get_secret_bundle(planted.id).data
    assert content_in(bundle) == CANARY.upper().encode()
    log = vault.log.read_bytes()
    assert CANARY.encode() not in log and CANARY.upper().encode() not in log
    assert b"panicked" not in log


def test_a_connection_that_says_nothing_hinders_nobody(vault):
    wire = Wire(vault)
    idle = [socket.create_connection((wire.host, wire.port)) for _ in range(200)]
    try:
        for connection in idle[::2]:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: ")
        target = f"/20180608/vaults/{vault.dev['vault_id']}"
        assert wire.send("GET", target, wire.signed("GET", target))[0] == 200
    finally:
        for connection in idle:
            connection.close()


def test_requests_in_a_row_get_their_own_answers(vault):
    wire = Wire(vault)
    good = f"/20180608/vaults/{vault.dev['vault_id']}"
    with socket.create_connection((wire.host, wire.port), timeout=10) as connection:
        requests = b"".join(
            wire.bytes_of("GET", target, wire.signed("GET", target)) for target in ["/nowhere", good])
        connection.sendall(requests)
        connection.shutdown(socket.SHUT_WR)
        status, _, rest = answer_of(connection)
    assert status == 404 and b"HTTP/1.1 200" in rest and vault.dev["vault_id"].encode() in rest
