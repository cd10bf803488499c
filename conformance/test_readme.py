"""What README.md and the greeting of `dev` tell a newcomer to paste works as it stands there."""

import os
import re
import subprocess
import sys

from vault import BINARY, OCI, ROOT


def shell(script, vault, **more):
    keep = {"HOME": str(vault.directory), "SUPPRESS_LABEL_WARNING": "True", **more}
    path = f"{BINARY.parent}:{OCI.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", script], capture_output=True, text=True, env={**keep, "PATH": path}, timeout=120,
        check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_greeting_can_be_pasted(vault):
    greeting = vault.log.read_text()
    oci_line = next(line for line in greeting.splitlines() if line.startswith("  oci "))
    assert shell(oci_line, vault) == "hello from strongroom"
    get_line = next(line for line in greeting.splitlines() if line.startswith("  strongroom get"))
    assert shell(get_line, vault) == "hello from strongroom"


def test_the_first_secret_of_the_readme(vault):
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## A first secret\n.*?\n\n((?:    [^\n]*\n)+)", readme, re.S).group(1)
    script = "\n".join(line[4:] for line in block.splitlines())
    printed = shell(script, vault, STRONGROOM_DATA_DIR=str(vault.directory))
    assert "correct horse" in printed and "version 2" in printed and '"secret-name": "db-password"' in printed


def test_the_command_and_the_file_of_the_readme(vault, tmp_path):
    readme = (ROOT / "README.md").read_text()
    blocks = [re.search(rf"## {title}\n.*?\n\n((?:    [^\n]*\n)+)", readme, re.S).group(1)
              for title in ("To an application", "In a file")]
    lines = [line[4:] for block in blocks for line in block.splitlines()]
    script = "\n".join(["printf 'correct horse' | strongroom put secret://dev/db-password", f"cd {tmp_path}", *lines])
    printed = shell(script, vault, STRONGROOM_DATA_DIR=str(vault.directory))
    assert "connecting with ***" in printed and "correct horse" not in printed and "app.conf is as it should be" in printed
    assert (tmp_path / "app.conf").read_text() == 'password = "correct horse"\n'
    assert (tmp_path / "app.conf").stat().st_mode & 0o777 == 0o600


def test_the_agent_of_the_readme(vault, tmp_path):
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## For a whole machine\n.*?\n\n((?:    [^\n]*\n)+)", readme, re.S).group(1)
    script = "\n".join(["printf 'correct horse' | strongroom put secret://dev/db-password", f"cd {tmp_path}",
                        *(line[4:] for line in block.splitlines())])
    printed = shell(script, vault, STRONGROOM_DATA_DIR=str(vault.directory))
    assert printed.endswith("ready\ncorrect horsecorrect horse"), printed
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600


def test_the_first_key_of_the_readme(vault, tmp_path):
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## A first key\n.*?\n\n((?:    [^\n]*\n)+)", readme, re.S).group(1)
    script = "\n".join(["eval \"$(strongroom env --for cli)\"", f"cd {tmp_path}", *(line[4:] for line in block.splitlines())])
    assert shell(script, vault, STRONGROOM_DATA_DIR=str(vault.directory)) == "data key"


def test_the_machine_of_the_readme(vault, tmp_path):
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## As a machine\n.*?\n\n((?:    [^\n]*\n)+)", readme, re.S).group(1)
    script = "\n".join(["eval \"$(strongroom env --for cli)\"", f"cd {tmp_path}", *(line[4:] for line in block.splitlines())])
    assert shell(script, vault, STRONGROOM_DATA_DIR=str(vault.directory)) == "hello from strongroom"


def test_the_policies_of_the_readme(vault, tmp_path):
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## Before a policy is in force\n.*?\n\n((?:    [^\n]*\n)+)", readme, re.S).group(1)
    script = "\n".join(["eval \"$(strongroom env --for cli)\"", f"cd {tmp_path}", *(line[4:] for line in block.splitlines())])
    printed = shell(script, vault, STRONGROOM_DATA_DIR=str(vault.directory))
    assert "error[any-user-unbounded]" in printed and "there are findings" in printed
    assert "became allowed" in printed and "there is a difference" in printed
    assert "denied: GetSecretBundle in strict semantics" in printed and "where they differ:" in printed
    assert (tmp_path / "tenancy.json").stat().st_mode & 0o777 == 0o600


def test_the_code_of_the_readme(vault, tmp_path):
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## Before code is committed\n.*?\n\n((?:    [^\n]*\n)+)", readme, re.S).group(1)
    script = "\n".join([f"cd {tmp_path}", *(line[4:] for line in block.splitlines())])
    printed = shell(script, vault)
    assert "warning[readable-before-chmod]" in printed and "there are findings" in printed
    assert 'f = os.fdopen(os.open("key.pem", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w")' in printed


def test_the_plan_of_the_readme(vault, tmp_path):
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## How long to cache\n.*?\n\n((?:    [^\n]*\n)+)", readme, re.S).group(1)
    script = "\n".join([f"cd {tmp_path}", *(line[4:] for line in block.splitlines())])
    printed = shell(script, vault)
    assert printed.startswith("720,000 reads in 30 days") and "would be 720; " in printed and "$2.16" in printed
    assert (tmp_path / "plan.svg").read_text().startswith("<svg ")


def test_the_python_of_the_readme(vault):
    readme = (ROOT / "README.md").read_text()
    program = re.search(r"```python\n(.*?)```", readme, re.S).group(1)
    environment = {**os.environ, "STRONGROOM_DATA_DIR": str(vault.directory)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60,
        check=False)
    assert done.stdout == "hello from strongroom\n", done.stderr


def test_the_doctor_of_the_readme(vault):
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## Why can it not be read\?\n.*?\n\n((?:    [^\n]*\n)+)", readme, re.S).group(1)
    script = "\n".join(["printf 'correct horse' | strongroom put secret://dev/db-password", *(line[4:] for line in block.splitlines())])
    printed = shell(script, vault, STRONGROOM_DATA_DIR=str(vault.directory))
    assert "healthy: the secret can be read" in printed and "fault[secret-absent]" in printed
    assert "fix: secret://dev/db-password, which is there" in printed and printed.endswith("a fault was found\n")
