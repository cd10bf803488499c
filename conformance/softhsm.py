"""A real PKCS#11 token: SoftHSM2, in a directory of its own."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

MODULES = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"]
PIN = "87654321"


class SoftHsm:
    """A token labeled `strongroom`, and the file that tells the server of it."""

    def __init__(self, directory):
        assert shutil.which("softhsm2-util"), "softhsm2 is missing: apt-get install softhsm2"
        self.tokens = directory / "tokens"
        self.tokens.mkdir()
        self.conf = directory / "softhsm2.conf"
        self.conf.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": str(self.conf)}
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", "strongroom", "--pin", PIN, "--so-pin", "12345678"],
            check=True, capture_output=True, env={**os.environ, **self.environment})
        pin = directory / "pin"
        pin.touch(mode=0o600)
        pin.write_text(PIN + "\n")
        self.module = next(path for path in MODULES if os.path.exists(path))
        self.config = directory / "hsm.toml"
        self.config.write_text(f'module = "{self.module}"\ntoken = "strongroom"\npin_file = "{pin}"\n')

    def keys(self):
        """What the token says of its secret and private keys to another process, by their identifiers."""
        told = subprocess.run(
            [sys.executable, str(pathlib.Path(__file__).with_name("token_objects.py")), self.module, PIN],
            check=True, capture_output=True, text=True, env={**os.environ, **self.environment})
        return {key["id"]: key for key in json.loads(told.stdout)}

    def take_away(self):
        self.tokens.rename(self.tokens.with_name("away"))

    def bring_back(self):
        self.tokens.with_name("away").rename(self.tokens)
