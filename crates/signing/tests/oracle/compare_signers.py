"""Signs the same requests with Oracle's Python SDK and with ours: every header must be the same.

usage: compare_signers.py PATH-OF-THE-EXAMPLE-`sign`
"""

import base64
import email.utils
import json
import os
import random
import re
import string
import subprocess
import sys

import oci
from oci._vendor import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CASES = 1000
KEY_ID = ["ocid1.tenancy.oc1..t", "ocid1.user.oc1..u", "aa:bb"]


def request(chance):
    word = lambda letters, most: "".join(chance.choice(letters) for _ in range(chance.randrange(1, most)))
    method = chance.choice(["GET", "HEAD", "DELETE", "POST", "PUT", "PATCH"])
    target = "/" + word(string.ascii_letters + string.digits + "/-._~%2F", 40).replace("%", "%25")
    if chance.random() < 0.5:
        target += "?" + word(string.ascii_letters + "=&+%", 30).replace("%", "%2F")
    host = chance.choice(["127.0.0.1:8080", "vaults.us-ashburn-1.oci.oraclecloud.com"])
    body = bytes(chance.randrange(256) for _ in range(chance.randrange(300)))
    has_body = method in {"POST", "PUT", "PATCH"}
    return {
        "method": method, "target": target, "host": host,
        "body": base64.b64encode(body).decode() if has_body else None,
        "second": chance.randrange(1_600_000_000, 2_000_000_000), "key_id": "/".join(KEY_ID),
    }


def signed_by_the_sdk(case, signer):
    prepared = requests.Request(case["method"], f"http://{case['host']}/").prepare()
    prepared.url = f"http://{case['host']}{case['target']}"
    prepared.headers["date"] = email.utils.formatdate(case["second"], usegmt=True)
    prepared.headers["host"] = case["host"]
    if case["body"] is not None:
        prepared.body = base64.b64decode(case["body"])
        prepared.headers["content-type"] = "application/json"
        prepared.headers["content-length"] = str(len(prepared.body))
    return {name.lower(): value for name, value in signer.do_request_sign(prepared).headers.items()}


def attributes(value):
    return dict(re.findall(r'(\w+)="([^"]*)"', value))


def main():
    seed = int(os.environ.get("STRONGROOM_SEED", random.SystemRandom().randrange(2**32)))
    chance = random.Random(seed)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption()).decode()
    cases = [request(chance) for _ in range(CASES)]
    lines = "".join(json.dumps({**case, "pem": pem}) + "\n" for case in cases)
    ours = subprocess.run([sys.argv[1]], input=lines, capture_output=True, text=True, check=True)
    signer = oci.signer.Signer(*KEY_ID, None, private_key_content=pem)
    for case, line in zip(cases, ours.stdout.splitlines(), strict=True):
        mine = dict(json.loads(line))
        theirs = signed_by_the_sdk(case, signer)
        for name, value in mine.items():
            if name == "authorization":
                assert attributes(value) == attributes(theirs[name]), (seed, case, value, theirs[name])
            else:
                assert value == theirs[name], (seed, case, name, value, theirs[name])
    print(f"{CASES} requests signed alike by the SDK {oci.__version__} and by us (seed {seed})")


if __name__ == "__main__":
    main()
