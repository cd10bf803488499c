"""Unmistakable values go through every command of the hand and every way in which it fails: they come out where they
are asked for, and nowhere else."""

import concurrent.futures
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import time

import oci
import pytest

from canaries import CUT_SHORT, Box, Stub, broken_answers
from proxy import Proxy
from test_agent_files import hook, of, table
from test_at_rest import spellings
from test_identity import new_policy
from test_run import as_app, child_of, until
from vault import BINARY, Vault

PRINT = "import base64, os, sys; v = os.environb[b'V']; [o.buffer.write(v + b' ' + base64.b64encode(v) + b'\\n') for o in (sys.stdout, sys.stderr)]"


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    made = Box(tmp_path_factory.mktemp("canaries"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("OCI_", "XDG_", "STRONGROOM_")) and name != "STRONGROOM_BIN"]:
            patch.delenv(name)
        for name, value in {"HOME": made.root / "home", "TMPDIR": made.root / "tmp", "STRONGROOM_LOG": "trace", "CANARY_MARK": made.mark}.items():
            patch.setenv(name, str(value))
        patch.chdir(made.root / "cwd")
        made.vault = Vault(made.root / "data")
        made.vault.start()
        patch.setenv("STRONGROOM_DATA_DIR", str(made.vault.directory))
        made.app = ["--endpoint", made.vault.dev["base_url"], *as_app(made.vault)]
        for name in ("text", "json", "binary"):
            made.hand("put", f"secret://dev/{name}", stdin=made.canaries[name])
        made.watcher.start()
        yield made
        made.watcher.over.set()
        made.watcher.join()
        for agent in made.agents:
            agent.process.kill()
            agent.process.wait()
        assert made.vault.end() == 0
    assert made.found() == [], "after the end"


def test_the_scanner_finds_what_there_is(box, tmp_path):
    """Every spelling in a file, in what is printed, in arguments, and in an environment."""
    control = Box(tmp_path)
    control.watcher.mark = b"CANARY_MARK=" + control.mark.encode()
    control.watcher.start()
    for number, spelling in enumerate(spelling for canary in control.canaries.values() for spelling in set(spellings(canary))):
        path = tmp_path / "cwd" / str(number)
        path.write_bytes(b"x" + spelling + b"x")
        assert any(place == str(path) for place, *_ in control.found()), spelling
        path.unlink()
    assert control.found() == []
    piece = control.canaries["piece"].decode()
    control.hand("get", f"secret://dev/{piece}", code=1)
    assert {place.split(" of ")[0] for place, *_ in control.found()} >= {"standard error"}
    for arguments, variables, kind in [([piece], {}, "arguments"), ([], {"STRONGROOM_PROFILE": piece}, "environment of ours")]:
        control.outputs.clear()
        control.watcher.seen.clear()
        process = subprocess.Popen(
            [str(BINARY), "run", "--", sys.executable, "-c", "import time; time.sleep(60)", *arguments], env={**os.environ, "CANARY_MARK": control.mark, **variables})
        until(lambda: [place for place, *_ in control.found() if place == kind], kind)
        process.kill()
        process.wait()
    control.watcher.over.set()


def test_commands_that_succeed(box):
    """put, get, versions, ls, promote, rollback, rm, restore, generate, rotate, retire, env."""
    text, piece = box.canaries["text"], box.canaries["piece"]
    file = box.root / "cwd" / "value"
    file.write_bytes(text)
    box.asked.add(file)
    assert box.hand("get", "secret://dev/text", asked=True).stdout == text
    assert box.hand("get", "secret://dev/binary", asked=True).stdout == box.canaries["binary"]
    assert box.hand("get", "secret://dev/json#db.password", asked=True).stdout == piece
    box.hand("get", "--json", "secret://dev/json", asked=True)
    box.hand("put", "secret://dev/life", "--from-file", file)
    box.hand("put", "--json", "secret://dev/life", stdin=piece)
    box.hand("put", "secret://dev/life", "--stage", "pending", stdin=text + b"2")
    for arguments in [
        ("ls",), ("ls", "--json"), ("versions", "secret://dev/life"), ("versions", "secret://dev/life", "--json"),
        ("versions", "secret://dev/life", "--consumers"), ("promote", "secret://dev/life"), ("rollback", "secret://dev/life"),
        ("promote", "secret://dev/life?version=1", "--json"), ("put", "secret://dev/life"),
        ("rm", "secret://dev/life?version=3"), ("restore", "secret://dev/life?version=3"),
        ("rm", "secret://dev/life"), ("restore", "secret://dev/life"), ("retire", "secret://dev/life", "--within", "1h"),
        ("retire", "secret://dev/life", "--never"), ("env",), ("env", "--for", "python"),
    ]:
        box.hand(*arguments, stdin=piece)
    box.hand("generate", "secret://dev/made", "--passphrase", "--length", "30")
    box.hand("generate", "secret://dev/bytes", "--bytes", "512", "--json")
    box.hand("generate", "secret://dev/ssh", "--ssh-key", "2048")
    box.hand("rotate", "secret://dev/made")
    for reference in ["made", "made?version=1", "bytes", "ssh#privateKey"]:
        box.canaries[reference] = box.hand("get", f"secret://dev/{reference}", asked=True).stdout
    assert len(box.canaries) == 8 and box.found() == []


def test_run_and_render(box):
    piece, output = box.canaries["piece"], box.root / "cwd" / "made.conf"
    template = box.root / "cwd" / "template"
    template.write_text('{{ secret("secret://dev/json#db.password") | json }} {{ secret("secret://dev/binary") | base64 }}')
    refer = {"V": "secret://dev/json#db.password"}
    assert piece in box.hand("run", "--", sys.executable, "-c", "import os; print(os.environ['V'])", asked=True, **refer).stdout
    masked = box.hand("run", "--mask", "--", sys.executable, "-c", PRINT, **refer)
    assert masked.stdout == b"*** ***\n" and masked.stderr == b"*** ***\n"
    assert box.hand("run", "--mask", "--", sys.executable, "-c", PRINT, V="secret://dev/binary").stdout == b"*** ***\n"
    box.hand("render", template, "-o", output, "--check", code=5)
    box.hand("render", template, "-o", output)
    box.asked.add(output)
    assert piece in output.read_bytes()
    box.hand("render", template, "-o", output, "--check")
    process = subprocess.Popen([str(BINARY), "run", "--on-change", "restart", "--", "sleep", "600"], env={**os.environ, **refer})
    child = child_of(process)
    until(lambda: pathlib.Path(f"/proc/{child}/comm").read_text() == "sleep\n", "exec")
    until(lambda: any(kind == "environment of a command" and piece in content for kind, content in list(box.watcher.seen)), "the watcher")
    box.canaries["newer"] = f"newer-{secrets.token_hex(16)}".encode()
    newer = json.dumps({"db": {"password": box.canaries["newer"].decode()}}).encode()
    box.hand("put", "secret://dev/json", stdin=newer)
    until(lambda: child_of(process) != child, "the restart")
    box.hand("rm", "secret://dev/json")
    time.sleep(0.5)
    process.terminate()
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    box.hand("restore", "secret://dev/json")
    box.hand("rollback", "secret://dev/json")
    assert box.found() == []


TEMPLATES = [
    '{{ secret("secret://dev/text") + 1 }}', '{{ secret("secret://dev/text").missing }}', '{{ secret("secret://dev/text").missing.more }}',
    '{{ secret("secret://dev/text") }}{{ secret("secret://dev/binary") }}', '{{ secret("secret://dev/text") | nothing }}',
    '{{ secret("secret://dev/text") }}{% include secret("secret://dev/text") %}', '{{ secret("secret://dev/text")() }}',
    '{% for a in secret("secret://dev/text") %}{{ a / 0 }}{% endfor %}', '{{ {}[secret("secret://dev/text")].x }}',
    '{{ secret("secret://dev/text") is nothing }}', '{{ secret("secret://dev/text") | replace }}', '{{ [] | join(secret("secret://dev/text"), 1) }}',
    '{% set n = secret("secret://dev/text") %}{{ secret(n) }}', '{{ secret("secret://dev/text") | json(indent=secret("secret://dev/text")) }}',
    '{{ secret("secret://dev/text") * 100000000 }}', '{{ secret("secret://dev/text") < 1 }}{{ nothing }}', '{{ -secret("secret://dev/text") }}',
    '{% for a in range(10000000) %}{{ secret("secret://dev/text") }}{% endfor %}', '{{ secret("secret://dev/json#db.nothing") }}',
    '{{ secret("secret://dev/json#/db/password/0") }}', '{{ secret("secret://dev/text#a") }}', '{{ secret("secret://dev/text") ',
]


def test_templates_and_places_that_fail_after_the_secret_was_read(box):
    template, output = box.root / "cwd" / "bad", box.root / "cwd" / "never"
    for text in TEMPLATES:
        template.write_text(text)
        box.hand("render", template, "-o", output, code=1)
    template.write_text('{{ secret("secret://dev/text") }}')
    (box.root / "cwd" / "link").symlink_to(output)
    (box.root / "cwd" / "loose").mkdir()
    (box.root / "cwd" / "loose").chmod(0o777)
    for place in ["/dev/full", "/proc/x", box.root / "cwd" / "link", box.root / "cwd" / "none" / "x", template / "x", box.root / "cwd" / "loose" / "x"]:
        box.hand("render", template, "-o", place, code=1)
    with open("/dev/full", "wb") as full:
        box.hand("get", "secret://dev/text", code=1, stdout=full)
        box.hand("get", "--json", "secret://dev/text", code=1, stdout=full)
    assert not output.exists() and box.found() == []


WAYS = ["get", "run", "render"]


def test_references_values_and_vaults_that_fail(box):
    """Absent, denied, unreachable, with a pointer to nothing, too large, no text, no command."""
    text = box.canaries["text"]

    def read(way, code, reference, *flags):
        if way == "get":
            box.hand("get", reference, *flags, code=code)
        elif way == "run":
            box.hand("run", *flags, "--", "true", code=code, V=reference, W="secret://dev/text")
        else:
            template = box.root / "cwd" / f"one-{code}"
            template.write_text('{{ secret("%s") }}' % reference)
            box.hand("render", template, "-o", box.root / "cwd" / "never", *flags, code=code)

    for reference in ["absent", "text?version=9", "text#a", "json#db.nothing", "json#/db/password/x", "binary#a", "text?stage=pending"]:
        for way in WAYS:
            read(way, 1, "secret://dev/" + reference)
    down = ["--endpoint", "http://127.0.0.1:1"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        away = [pool.submit(read, way, 4, "secret://dev/text", *down) for way in WAYS]
        away.append(pool.submit(box.hand, "put", "secret://dev/text", *down, code=4, stdin=text))
    assert [one.exception() for one in away] == [None] * 4
    denied = box.hand("get", "secret://dev/text", *box.app, code=1).stderr.decode()
    box.hand("put", "secret://dev/text", *box.app, code=1, stdin=text)
    iam, tenancy = box.vault.client(oci.identity.IdentityClient), box.vault.dev["tenancy_id"]
    new_policy(iam, tenancy, "family", "Allow group app to read secret-family in tenancy")
    for way in WAYS:
        read(way, 1, "secret://dev/text", *box.app)
    box.hand("why", denied.partition("request: ")[2].split()[0])
    box.hand("why", "nothing/like/it", code=1)
    box.hand("put", "secret://dev/large", code=1, stdin=text * 1000)
    box.hand("put", "secret://dev/empty", code=1, stdin=b"")
    box.hand("put", "secret://dev/text", "--stage", "nothing", code=2, stdin=text)
    box.hand("put", "secret://dev/text", "--from-file", box.root / "cwd", code=1, stdin=text)
    box.hand("put", "secret://prod/text", code=3, stdin=text)
    box.hand("put", "secret://dev/nul", stdin=text + b"\0")
    box.hand("run", "--", "true", code=1, V="secret://dev/nul")
    box.hand("run", "--", "no-such-program", code=127, V="secret://dev/text")
    (box.root / "cwd" / "variables").write_bytes(b"A='" + text.replace(b"'", b"") + b"\n")
    box.asked.add(box.root / "cwd" / "variables")
    box.hand("run", "--env-file", box.root / "cwd" / "variables", "--", "true", code=3, V="secret://dev/text")
    assert box.found() == []


def test_answers_that_are_broken(box):
    """What a server sends that is no bundle is not repeated."""
    canary = box.canaries["broken"] = f"broken-{secrets.token_hex(16)}".encode()
    stub, template = Stub(), box.root / "cwd" / "broken"
    template.write_text('{{ secret("secret://dev/x") }}')
    flags = ["--endpoint", stub.url]
    stub.answer = next(broken_answers(canary))
    agent = box.agent("stubbed", kind="development", flags=flags)
    commands = [
        ("get", "secret://dev/x"), ("run", "--", "true"), ("render", template, "-o", box.root / "cwd" / "never"), ("versions", "secret://dev/x")]
    for number, stub.answer in enumerate(broken_answers(canary)):
        command, *arguments = commands[number % len(commands)]
        # A body that breaks off looks like a server that is away.
        box.hand(command, *flags, *arguments, code=4 if number in CUT_SHORT else 1, V="secret://dev/x")
        status, body, headers = agent.read("secret://dev/x")
        assert status in (404, 502)
        box.outputs.append((f"the agent's answer {number}", body + str(headers).encode()))
    assert agent.end() == 0
    stub.end()
    assert box.found() == []


def test_the_agent(box):
    """Through socket and HTTP, in three dialects, refused, with a vault that is away, and in its log and metrics."""
    piece, directory, proxy = box.canaries["piece"], box.root / "agent", Proxy(box.vault)
    tables = '\n[[secret]]\nreference = "secret://dev/text"\n'
    lifetimes = 'consumer = "web-1"\nttl = "1s"\nstale_if_error = "2s"'
    agent = box.agent("agent", more=lifetimes, tables=tables, flags=["--endpoint", proxy.url])
    box.canaries["token"] = (directory / "token").read_bytes()
    box.asked.add(directory / "token")

    def asked(answer, content=None):
        assert answer[0] == 200 and content in (None, answer[1])
        box.outputs.append(("headers of an answer", str(answer[2:]).encode()))

    def refused(answer, status):
        assert answer[0] == status, answer
        box.outputs.append(("an answer", str(answer[1:]).encode() + answer[1]))

    for name in ("text", "json", "binary"):
        asked(agent.read("secret://dev/" + name), box.canaries[name])
        asked(agent.read("secret://dev/" + name, format="json"))
    asked(agent.read("secret://dev/json#db.password"), piece)
    token = box.canaries["token"].decode()
    aws = lambda target, token=token: agent.over_http(target, token=False, X_Aws_Parameters_Secrets_Token=token)
    kv = lambda target, token=token: agent.over_http(target, token=False, X_Vault_Token=token)
    asked(agent.over_http("/v1/secrets?ref=secret://dev/text"), box.canaries["text"])
    asked(aws("/secretsmanager/get?secretId=prod/db"))
    asked(kv("/v1/secret/data/app"))
    for reference, status in [("json#db.nothing", 400), ("text#a", 400), ("json#/db/password/0", 400), ("binary#a", 400), ("absent", 404),
                              ("text?version=9", 404)]:
        refused(agent.read("secret://dev/" + reference), status)
        refused(agent.read("secret://dev/" + reference, format="json"), status)
    for ask, target in [(aws, "/secretsmanager/get?secretId=prod/db&versionId=9"), (kv, "/v1/secret/data/app?version=9"), (kv, "/v1/secret/data/none")]:
        refused(ask(target), 404)
        refused(ask(target, piece.decode()), 403)
    refused(agent.over_http("/v1/secrets?ref=secret://dev/text", token=piece.decode()), 403)
    refused(agent.over_http("/v1/secrets?ref=secret://dev/text", Origin=piece.decode()), 400)
    refused(agent.ask("/v1/secrets?ref=secret://dev/text", method="POST"), 405)
    agent.process.send_signal(signal.SIGHUP)
    proxy.is_cut = True
    for name in ("text", "json"):
        until(lambda: agent.read("secret://dev/" + name)[0] == 502, "the end of what may be stale")
    for answer in [agent.read("secret://dev/json"), aws("/secretsmanager/get?secretId=prod/db"), kv("/v1/secret/data/app")]:
        refused(answer, 502)
    for path in ("/metrics", "/health", "/ready"):
        box.outputs.append((path, agent.ask(path)[1]))
    assert agent.end() == 0
    proxy.end()
    log = (directory / "agent.log").read_text()
    assert '"level":"TRACE"' in log and '"message":"read"' in log
    assert any(kind == "arguments" and line.split(b"\0")[1] == b"agent" for kind, line in box.watcher.seen)
    assert box.found() == []


def test_files_and_commands_of_the_agent(box):
    """Kept, replaced, not made, taken away; told to a command that goes well and to one that fails."""
    directory, piece = box.root / "kept", box.canaries["piece"]
    for name in ("kept", "kept/loose"):
        (box.root / name).mkdir()
    (directory / "loose").chmod(0o777)
    box.hand("put", "secret://dev/kept", stdin=box.canaries["json"])
    program = hook(directory, f'{{ env; echo "$0" "$@"; cat; }} >> {directory}/heard\nexit $1\n')
    part, whole = directory / "part", directory / "whole"
    (directory / "whole.tmpl").write_text('{{ secret("secret://dev/kept#db.password") | json }}')
    tables = table(part, of("kept#db.password"), on_change=[str(program), "0"], when_refused="remove")
    tables += table(whole, f'template = "{directory}/whole.tmpl"', on_change=[str(program), "3"])
    tables += table(directory / "loose" / "x", of("text"))
    tables += f'\n[[command]]\nreferences = ["secret://dev/kept"]\nrun = ["{program}", "0"]\n'
    for number, text in enumerate(TEMPLATES[:4]):
        (directory / f"bad-{number}.tmpl").write_text(text)
        tables += table(directory / f"bad-{number}", f'template = "{directory}/bad-{number}.tmpl"')
    agent = box.agent("keeper", tables=tables, more='stale_if_error = "1m"')
    box.asked |= {directory / "part", directory / "whole", box.root / "keeper" / "token"}
    log = lambda: (box.root / "keeper" / "agent.log").read_text()
    heard = lambda: (directory / "heard").read_text() if (directory / "heard").exists() else ""
    until(lambda: part.exists() and whole.exists() and log().count("not kept") == 5, "the files")
    assert part.read_bytes() == piece and json.loads(whole.read_bytes()) == piece.decode()
    box.canaries["replaced"] = f"replaced-{secrets.token_hex(16)}".encode()
    newer = json.dumps({"db": {"password": box.canaries["replaced"].decode()}}).encode()
    box.hand("put", "secret://dev/kept", stdin=newer)
    until(lambda: heard().count("hook 0\n") == 2 and heard().count("hook 3\n") >= 2, "the commands")
    assert part.read_bytes() == box.canaries["replaced"] and "exit status: 3" in log()
    box.hand("put", "secret://dev/kept", stdin=box.canaries["text"])
    until(lambda: log().count("not kept") >= 7, "files that cannot be made")
    box.outputs.append(("metrics", agent.ask("/metrics")[1]))
    box.hand("rm", "secret://dev/kept")
    until(lambda: not part.exists(), "the removal")
    assert agent.end() == 0
    assert not (directory / "loose" / "x").exists() and box.found() == []
