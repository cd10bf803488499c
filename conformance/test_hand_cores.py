"""A process that crashes leaves no secret behind, and nobody looks into one that runs: agent and commands."""

import contextlib
import fcntl
import os
import pathlib
import resource
import secrets
import signal
import struct
import subprocess
import sys
import termios

import oci
import pytest

from test_identity import new_policy
from test_run import as_app, child_of, until
from vault import BINARY, Vault

CANARY = f"canary-{secrets.token_hex(16)}".encode()
REFERENCE = "secret://dev/core"
NOBODY = 65534
YAMA = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
# Where Yama watches, nobody looks into anybody's memory.
LOOKS = ["environ", "maps"] + ([] if YAMA.exists() and YAMA.read_text().strip() != "0" else ["mem"])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("cores") / "data")
    server.start()
    assert server.strongroom("put", REFERENCE, stdin=CANARY).returncode == 0
    yield server
    assert server.end() == 0


def crashed(process, directory):
    """Ends a process as a defect would, and returns what the core files hold."""
    process.send_signal(signal.SIGABRT)
    assert process.wait(timeout=20) == -signal.SIGABRT
    made = [path for path in directory.iterdir() if path.name.startswith("core")]
    contents = [path.read_bytes() for path in made]
    for path in made:
        path.unlink()
    return contents


@pytest.fixture
def cores(tmp_path):
    """Starts processes of which the kernel writes core files into the directory where they run: it does so of a process
    of somebody else's, and the value is in it."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    if pattern.startswith("|") or "/" in pattern:
        pytest.skip(f"core files go to {pattern}")
    unlimited = lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def start(*command, **more):
        return subprocess.Popen([str(word) for word in command], cwd=tmp_path, preexec_fn=unlimited, **more)

    program = "import sys, time; v = sys.stdin.read(); print(flush=True); time.sleep(60)"
    try:
        control = start(sys.executable, "-c", program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except subprocess.SubprocessError:
        pytest.skip("the limit of core files cannot be raised")
    control.stdin.write(CANARY)
    control.stdin.close()
    control.stdout.readline()
    contents = crashed(control, tmp_path)
    if not contents:
        pytest.skip("no core files are written here")
    assert any(CANARY in content for content in contents)
    return start


def agent_that_waits(cores, home, directory):
    (directory / "agent.toml").write_text(
        f'socket = "{directory}/socket"\n[[allow]]\nreferences = ["secret://dev/*"]\n[[secret]]\nreference = "{REFERENCE}"\n')
    with open(directory / "log", "wb") as log:
        agent = cores(BINARY, "agent", "--agent-config", directory / "agent.toml", "--data-dir", home.directory, stderr=log)
    until(lambda: b'"ready"' in (directory / "log").read_bytes(), "the agent")
    return agent


def get_that_waits(cores, home, directory):
    return read_slowly(cores, home, "--data-dir", home.directory)


def read_slowly(start, home, *flags):
    large = CANARY + b"x" * 20_000
    assert home.strongroom("put", "secret://dev/large", stdin=large).returncode == 0
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    process = start(BINARY, "get", "secret://dev/large", *flags, stdout=writer)
    until(lambda: struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, b"\0" * 4))[0] == 4096, "a full pipe")
    os.close(writer)
    return process


def run_that_waits(cores, home, directory):
    command = [BINARY, "run", "--mask", "--data-dir", home.directory, "--", "sleep", "60"]
    process = cores(*command, env={**os.environ, "V": REFERENCE})
    until(lambda: name_of(child_of(process)) == "sleep", "exec")
    return process


def name_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


@pytest.mark.parametrize("waits", [agent_that_waits, get_that_waits, run_that_waits])
def test_what_crashes_leaves_no_core_file(cores, home, tmp_path, waits):
    assert crashed(waits(cores, home, tmp_path), tmp_path) == []


@pytest.fixture
def nobody(home, tmp_path):
    """Starts commands as a user without rights, who may read what a policy says; only root can be somebody else for that."""
    other = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    for directory in [tmp_path, *tmp_path.parents]:
        if not directory.stat().st_mode & 0o001:
            directory.chmod(directory.stat().st_mode | 0o011)
    own, root = tmp_path / "nobody", home.directory.parent
    own.mkdir()
    flags = as_app(home)
    iam, tenancy = home.client(oci.identity.IdentityClient), home.dev["tenancy_id"]
    new_policy(iam, tenancy, "app", "Allow group app to read secret-family in tenancy", "Allow group app to use keys in tenancy")
    (own / "app.pem").write_bytes((root / "app.pem").read_bytes())
    (own / "config").write_text(pathlib.Path(flags[1]).read_text().replace(str(root), str(own)))
    (own / "agent.toml").write_text(f'socket = "{own}/socket"\n[[allow]]\nreferences = ["secret://dev/*"]\n')
    for path in [own, *own.iterdir()]:
        if other:
            os.chown(path, NOBODY, NOBODY)
        path.chmod(0o700)
    variables = {
        "PATH": os.environ["PATH"], "HOME": str(own), "STRONGROOM_VAULT_DEV": home.dev["vault_id"], "V": REFERENCE,
        "STRONGROOM_ENDPOINT": home.dev["base_url"], "OCI_CLI_CONFIG_FILE": str(own / "config")}
    with contextlib.ExitStack() as stack:
        def start(*command, **more):
            process = subprocess.Popen(
                [str(word) for word in command], env=variables, cwd="/", **other, **more)
            stack.callback(lambda: (process.kill(), process.wait()))
            return process

        start.own = own
        yield start


def test_no_other_process_of_the_same_user_looks_into_agent_and_commands(nobody, home):
    """Into the command of `run` they do: it is not ours. The kernel writes no core file of what they may not look into: this
    shows it where no core files are written for a test."""
    with open(nobody.own / "log", "wb") as log:
        agent = nobody(BINARY, "agent", "--agent-config", nobody.own / "agent.toml", stderr=log)
    run = nobody(BINARY, "run", "--", "sleep", "60")
    get = read_slowly(nobody, home)
    until(lambda: b'"ready"' in (nobody.own / "log").read_bytes(), "the agent")
    until(lambda: name_of(child_of(run)) == "sleep", "exec")

    def may_look(pid, name):
        told = nobody("head", "-c", "1", f"/proc/{pid}/{name}", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).communicate()[1]
        return b"Permission denied" not in told

    for name in LOOKS:
        for ours in (agent, run, get):
            assert not may_look(ours.pid, name), (name, ours.args)
        assert may_look(child_of(run), name), name
    limits = pathlib.Path(f"/proc/{agent.pid}/limits").read_text().splitlines()
    assert next(line for line in limits if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]
