"""Keys are where neither a core file nor a debugger finds them."""

import os
import shutil
import struct
import subprocess

import pytest

from test_kms_crypto import Crypto, unwrapped


def dump(vault, directory):
    """Writes the process's memory, mappings that ask to be left out included."""
    assert shutil.which("gcore"), "gcore is missing: apt-get install gdb"
    done = subprocess.run(
        ["gcore", "-a", "-o", str(directory / "core"), str(vault.process.pid)],
        capture_output=True, text=True, timeout=120, check=False)
    path = directory / f"core.{vault.process.pid}"
    assert path.exists(), done.stderr
    content = path.read_bytes()
    path.unlink()
    return memory_of(content)


def memory_of(core):
    """The mapped memory of a core file, without the notes, in which idle threads' registers are."""
    (table,), (count,) = struct.unpack_from("<Q", core, 32), struct.unpack_from("<H", core, 56)
    heads = [struct.unpack_from("<IIQQQQ", core, table + 56 * number) for number in range(count)]
    return b"".join(core[start : start + size] for kind, _, start, _, _, size in heads if kind == 1)


def pieces(key):
    """A key, and its halves: a copy that is cut by a page or by a register still shows."""
    half = len(key) // 2
    return [key, key[:half], key[half:]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read another process's memory")
def test_no_key_is_in_a_dump(own_vault, tmp_path):
    own_vault.start()
    kms = Crypto(own_vault)
    key = kms.shaped("AES", 32)
    for number in range(50):
        kms.decrypt(key, kms.encrypt(key, b"x").ciphertext)
        own_vault.new_secret(f"s{number}")
    root = (own_vault.directory / "root.key").read_bytes()[-32:]
    exported = unwrapped(kms, key)
    work = lambda: kms.decrypt(key, kms.encrypt(key, b"x").ciphertext)
    assert stays_clean(own_vault, tmp_path, [root, exported], work)


def stays_clean(vault, directory, keys, work):
    """Tells whether no key is in memory. A copy that a thread left a moment ago is gone when the
    thread has worked on; one that is kept stays."""
    for _ in range(4):
        content = dump(vault, directory)
        assert b"strongroom" in content
        if not any(piece in content for key in keys for piece in pieces(key)):
            return True
        for _ in range(200):
            work()
    return False


def test_no_core_file(own_vault):
    own_vault.start()
    limits = open(f"/proc/{own_vault.process.pid}/limits").read()
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"]
