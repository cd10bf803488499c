"""The recipes of docs/applications.md, as far as they can be run without Docker, Kubernetes and systemd's PID 1."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest
import yaml

from test_agent import Agent
from test_run import child_of, until
from vault import BINARY, ROOT

PAGE = (ROOT / "docs" / "applications.md").read_text()


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.S)


@pytest.fixture
def application(vault, tmp_path):
    """An environment file, a vault's alias, a secret, and a program that tells what it has."""
    done = vault.strongroom("put", "secret://dev/db", stdin=b'{"user": "app", "password": "c4n4ry"}')
    assert done.returncode == 0
    (tmp_path / "strongroom.env").write_text(
        f"STRONGROOM_DATA_DIR={vault.directory}\nSTRONGROOM_VAULT_PROD={vault.dev['vault_id']}\n")
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nprintf "%s|%s" "$*" "$PGPASSWORD$DB_PASSWORD"\n')
    program.chmod(0o755)
    return program


def here(text, tmp_path, program, *names):
    for name in names:
        text = re.sub(rf"(/usr/local/bin/|(?<=\"|\s)){name}\b", str(program), text)
    return text.replace("/usr/local/bin/strongroom", str(BINARY)).replace("/etc/app/", f"{tmp_path}/")


def test_the_line_of_cron(application, tmp_path):
    line = blocks("cron")[0].strip()
    schedule, user, command = re.fullmatch(r"((?:\S+ +){5}) *(\S+)  (.*)", line).groups()
    assert user == "app" and len(schedule.split()) == 5 and "%" not in command
    command = here(command, tmp_path, application, "backup")
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False,
                          env={"HOME": str(tmp_path), "LOGNAME": "app", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"})
    assert (done.returncode, done.stdout) == (0, "--nightly|c4n4ry"), done.stderr


def units():
    for text in blocks("ini"):
        path, rest = text.split("\n", 1)
        yield path.removeprefix("# "), rest


def value_of(unit, name):
    return re.findall(rf"^{name}=(.*)$", unit, re.M)


def test_the_service_of_systemd(application, tmp_path):
    unit = dict(units())["/etc/systemd/system/app.service"]
    environment = dict(line.split("=", 1) for line in value_of(unit, "Environment"))
    environment |= dict(line.split("=", 1) for line in (tmp_path / "strongroom.env").read_text().splitlines())
    assert environment.pop("STRONGROOM_AUTH") == "instance_principal"
    command = here(value_of(unit, "ExecStart")[0], tmp_path, application, "app").split()
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"], **environment}, check=False)
    assert (done.returncode, done.stdout) == (0, "--listen 0.0.0.0:8080|c4n4ry"), done.stderr


def test_the_file_before_the_start(application, vault, tmp_path):
    unit = dict(units())["/etc/systemd/system/app.service.d/secrets.conf"]
    (tmp_path / "app.conf.tmpl").write_text("password = {{ secret('secret://prod/db#password') }}\n")
    (tmp_path / "run").mkdir(mode=0o700)
    command = here(value_of(unit, "ExecStartPre")[0], tmp_path, application).replace("/run/app", f"{tmp_path}/run")
    environment = dict(line.split("=", 1) for line in (tmp_path / "strongroom.env").read_text().splitlines())
    subprocess.run(command.split(), env={"PATH": os.environ["PATH"], **environment}, check=True)
    assert (tmp_path / "run" / "app.conf").read_text() == "password = c4n4ry\n"


def test_systemd_takes_the_units(tmp_path):
    for path, text in units():
        if path.endswith(".conf"):
            continue
        text = re.sub(r"(?<==)/usr/local/bin/\S+", "/bin/true", text).replace("User=app\n", "")
        (tmp_path / path.split("/")[-1]).write_text(text)
    for path in (ROOT / "deploy").glob("strongroom-agent.*"):
        text = path.read_text().replace("/usr/local/bin/strongroom", "/bin/true")
        (tmp_path / path.name).write_text(re.sub(r"^(Socket)?(User|Group)=strongroom\n", "", text, flags=re.M))
    made = sorted(tmp_path.iterdir())
    assert len(made) == 5
    # What other units of this machine lack is not ours to tell.
    done = subprocess.run(["systemd-analyze", "verify", *made], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if any(path.name in line for path in made)]
    assert ours == [], done.stderr


def test_the_entrypoint_of_the_image(application, vault, tmp_path):
    image = blocks("dockerfile")[0]
    words = lambda name: json.loads(re.search(rf"^{name} (\[.*\])$", image, re.M).group(1))
    name, value = re.search(r"^ENV (\w+)=(\S+)$", image, re.M).groups()
    folder = tmp_path / "bin"
    folder.mkdir()
    shutil.copy(BINARY, folder / "strongroom")
    shutil.copy(application, folder / "app")
    environment = {"PATH": f"{folder}:/usr/bin:/bin", name: value, "STRONGROOM_DATA_DIR": str(vault.directory),
                   "STRONGROOM_VAULT_PROD": vault.dev["vault_id"]}
    done = subprocess.run([*words("ENTRYPOINT"), *words("CMD")], env=environment, capture_output=True, text=True, check=False,
                          executable=folder / "strongroom")
    assert (done.returncode, done.stdout) == (0, "|c4n4ry"), done.stderr


# Machines may forbid namespaces of processes to all but root.
@pytest.mark.skipif(os.getuid() != 0, reason="only root makes a namespace of processes")
def test_it_is_the_first_process_of_a_container(vault):
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", str(BINARY), "run", "--data-dir", str(vault.directory),
               "--", "sh", "-c", 'trap "exit 7" TERM; echo "$$ $V"; while :; do sleep 0.05; done']
    running = subprocess.Popen(command, env={**os.environ, "V": "secret://dev/sample"}, stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline().endswith("hello from strongroom\n")
    os.kill(child_of(running), signal.SIGTERM)
    assert running.wait(timeout=20) == 7


def test_the_sidecar_of_kubernetes(vault, tmp_path):
    config, deployment = yaml.safe_load_all((ROOT / "deploy" / "kubernetes-sidecar.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    sidecar, = pod["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    has_token = lambda container: any("serviceaccount" in mount["mountPath"] for mount in container["volumeMounts"])
    assert pod["automountServiceAccountToken"] is False and has_token(sidecar)
    assert not any(has_token(container) for container in pod["containers"]), "the application could read everything itself"
    assert pod["securityContext"]["runAsUser"] == 1000 and "uid = 1000" in config["data"]["agent.toml"]
    text = config["data"]["agent.toml"].replace("/run/strongroom", str(tmp_path)).replace("uid = 1000", f"uid = {os.getuid()}")
    (tmp_path / "agent.toml").write_text(text)
    assert vault.strongroom("put", "secret://dev/app-db", stdin=b"x").returncode == 0
    put = lambda words: [word.replace("/etc/strongroom", str(tmp_path)).replace("strongroom", str(BINARY), 1)
                         if number == 0 else word.replace("/etc/strongroom", str(tmp_path)) for number, word in enumerate(words)]
    environment = vault.environment(STRONGROOM_VAULT_PROD=vault.dev["vault_id"], STRONGROOM_DATA_DIR=str(vault.directory))
    probe = lambda: subprocess.run(put(sidecar["startupProbe"]["exec"]["command"]), capture_output=True, text=True, check=False)
    assert probe().returncode == 4
    agent = subprocess.Popen(put(sidecar["command"]), env=environment, stderr=subprocess.DEVNULL)
    try:
        until(lambda: probe().returncode == 0, "ready")
        assert probe().stdout == "ready\n"
    finally:
        agent.terminate()
        assert agent.wait(timeout=20) == 0


def test_a_probe_tells_what_is_missing(vault, tmp_path):
    agent = Agent(vault, tmp_path, tables=f'[[file]]\npath = "{tmp_path}/x"\nreference = "secret://dev/not-there"\n')
    try:
        done = subprocess.run([str(BINARY), "agent", "--probe", "--agent-config", agent.config], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "files are missing" in done.stderr
    finally:
        assert agent.end() == 0
