"""`strongroom run`: values in the command's environment and nowhere else, signals, codes, masks, restarts."""

import base64
import contextlib
import json
import os
import pathlib
import pty
import secrets
import signal
import socket
import subprocess
import sys
import termios
import time

import oci
import pytest
from oci.identity import models

from proxy import Proxy
from test_identity import new_group, new_key, new_policy, new_user
from vault import BINARY, Vault

PRINT = "import os; print(os.environ['V'], end='')"


def line(vault, *flags):
    return [str(BINARY), "run", "--data-dir", str(vault.directory), *map(str, flags), "--"]


def run(vault, *command, flags=(), **variables):
    return subprocess.run(
        [*line(vault, *flags), *map(str, command)], capture_output=True, timeout=60, check=False,
        env={**os.environ, **variables})


def python(vault, program, *arguments, **more):
    return run(vault, sys.executable, "-c", program, *arguments, **more)


@contextlib.contextmanager
def started(vault, *command, flags=(), variables=None, **more):
    process = subprocess.Popen(
        [*line(vault, *flags), *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, **(variables or {})}, **more)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def put(vault, name, value):
    assert vault.strongroom("put", f"secret://dev/{name}", stdin=value).returncode == 0


@pytest.fixture(scope="module")
def canary(vault):
    value = "canary-" + secrets.token_hex(12)
    put(vault, "run-canary", value.encode())
    put(vault, "run-json", json.dumps({"db": {"user": "app", "a/b": "slash " + value, "n": [1, 2.50]}}).encode())
    return value


def until(condition, what="condition"):
    for _ in range(600):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not in time: {what}")


def runs(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def child_of(process):
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return int(until(lambda: children.read_text().split(), "a child")[0])


def test_references_become_values(vault, canary, tmp_path):
    assert python(vault, PRINT, V="secret://dev/run-canary").stdout.decode() == canary
    assert python(vault, PRINT, V="secret://dev/run-canary?version=1").stdout.decode() == canary
    assert python(vault, PRINT, V="secret://dev/run-canary?stage=current").stdout.decode() == canary
    for pointer, expected in [
        ("#/db/user", "app"), ("#db.user", "app"), ("#/db/a~1b", "slash " + canary), ("#/db/n", "[1, 2.5]"), ("#/db/n/0", "1"),
    ]:
        assert python(vault, PRINT, V="secret://dev/run-json" + pointer).stdout.decode() == expected, pointer
    for untouched in ["x secret://dev/run-canary", "SECRET://dev/run-canary", "", vault.dev["secret_id"]]:
        assert python(vault, PRINT, V=untouched).stdout.decode() == untouched
    # Without a reference no vault is needed.
    alone = [str(BINARY), "run", "--data-dir", str(tmp_path), "--", "echo", "hello"]
    assert subprocess.run(alone, capture_output=True, timeout=60, check=True).stdout == b"hello\n"


def test_bytes_that_are_no_text(vault):
    value = bytes(range(1, 256))
    put(vault, "run-bytes", value)
    program = "import os, sys; sys.stdout.buffer.write(os.environb[b'V'])"
    assert python(vault, program, V="secret://dev/run-bytes").stdout == value
    put(vault, "run-nul", b"canary-nul\0")
    refused = python(vault, "print('started')", V="secret://dev/run-nul")
    assert refused.returncode == 1 and b"error[unfit-value]: cannot set variable `V`" in refused.stderr
    assert refused.stdout == b"" and b"canary-nul" not in refused.stderr


def test_arguments_are_passed_as_they_are(vault, canary):
    arguments = ["a b", "'", '"', "$V", "`id`", "", "*", "--mask", "--", "secret://dev/run-canary", "\n", "\udcff"]
    program = "import os, sys; sys.stdout.buffer.write(b'|'.join(map(os.fsencode, sys.argv[1:])))"
    done = python(vault, program, *arguments, V="secret://dev/run-canary")
    assert done.stdout == b"|".join(map(os.fsencode, arguments))


def test_a_file_of_variables(vault, canary, tmp_path):
    path = tmp_path / "app.env"
    path.write_text(
        "# comment\n\nexport V=secret://dev/run-canary # why\n"
        "QUOTED='a # $b'\nDOUBLE=\"x\\n\\\"y\\\"\"\nEMPTY=\nUSER_NAME=\"secret://dev/run-json#/db/user\"\r\n")
    program = "import os; print([os.environ[n] for n in ('V', 'QUOTED', 'DOUBLE', 'EMPTY', 'USER_NAME', 'W')])"
    done = python(vault, program, flags=["--env-file", path], V="secret://dev/run-absent", W="secret://dev/run-json#/db/user")
    assert done.stdout.decode().strip() == repr([canary, "a # $b", 'x\n"y"', "", "app", "app"])


@pytest.mark.parametrize("content, said", [
    ("A=1\nB\n", "line 2: it is not of the form KEY=VALUE"),
    ("A=1\nB=2\nA=hunter2\n", "line 3: `A` is set in line 1 already"),
    ("\n\n1A=hunter2\n", "line 3: the name before ="),
    ("A B=hunter2\n", "line 1: the name before ="),
    ("=hunter2", "line 1: the name before ="),
    ("A='hunter2", "line 1: the quote ' is not closed"),
    ('A="hunter2', 'line 1: the quote " is not closed'),
    ("A='hunter2'x", "line 1: something follows the closing quote"),
    ('A="hunter2\\q"', "line 1: after \\ comes one of"),
    ("A=hunter2\0", "line 1: a variable cannot hold a NUL"),
])
def test_lines_that_are_no_variables(vault, tmp_path, content, said):
    path = tmp_path / "bad.env"
    path.write_text(content)
    done = run(vault, "touch", tmp_path / "started", flags=["--env-file", path])
    assert done.returncode == 3 and said in done.stderr.decode() and "hunter2" not in done.stderr.decode()
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("reference, code, word, said", [
    ("secret://dev/run-canry", 1, "missing-or-hidden", "did you mean secret://dev/run-canary"),
    ("secret://dev/nothing-like-it", 1, "missing-or-hidden", "strongroom ls secret://dev"),
    ("secret://dev/run-canary?version=9", 1, "missing-or-hidden", "404"),
    ("secret://dev/run-canary?stage=pending", 1, "missing-or-hidden", "404"),
    ("secret://dev/run-canary#/x", 1, "bad-pointer", "not JSON"),
    ("secret://dev/run-json#/db/none", 1, "bad-pointer", "nothing there"),
    ("secret://dev/run-canary?stage=x", 2, "bad-reference", "stage is one of"),
    ("secret://dev/", 2, "bad-reference", "characters"),
    ("secret://dev/a b", 2, "bad-reference", "characters"),
    ("secret://", 2, "bad-reference", "name is missing"),
    ("secret://prod/x", 3, "unknown-vault", "STRONGROOM_VAULT_PROD"),
    ("secret://dev/run-json#", 2, "bad-reference", "nothing follows"),
])
def test_what_cannot_be_read_starts_nothing(vault, canary, tmp_path, reference, code, word, said):
    done = run(vault, "touch", tmp_path / "started", V=reference, W="secret://dev/run-canary")
    told = done.stderr.decode()
    assert done.returncode == code, told
    assert f"error[{word}]" in told and said in told and "variable `V`" in told and reference in told
    assert canary not in told and done.stdout == b"" and not (tmp_path / "started").exists()


def test_every_reference_that_fails_is_told(vault, canary):
    done = run(vault, "true", A="secret://dev/run-no-1", B="secret://dev/run-canary", C="secret://dev/run-no-2",
               D="secret://dev/run-no-1#x")
    told = done.stderr.decode()
    assert done.returncode == 1 and told.count("error[missing-or-hidden]") == 3
    assert all(f"variable `{name}`" in told for name in "ACD") and "variable `B`" not in told


def as_app(server):
    """Makes a user of a group `app`, and returns the arguments that call as it; no policy speaks of the group yet."""
    iam, tenancy = server.client(oci.identity.IdentityClient), server.dev["tenancy_id"]
    group, user = new_group(iam, tenancy, "app"), new_user(iam, tenancy, "app-prod")
    iam.add_user_to_group(models.AddUserToGroupDetails(user_id=user.id, group_id=group.id))
    private, public = new_key()
    fingerprint = iam.upload_api_key(user.id, models.CreateApiKeyDetails(key=public)).data.fingerprint
    (server.directory.parent / "app.pem").touch(0o600)
    (server.directory.parent / "app.pem").write_text(private)
    config = server.directory.parent / "app.config"
    config.write_text(f"[DEFAULT]\nuser={user.id}\nfingerprint={fingerprint}\ntenancy={tenancy}\n"
                      f"key_file={server.directory.parent / 'app.pem'}\nregion={server.config()['region']}\n")
    return ["--config-file", str(config)]


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """A vault, and the arguments with which a user whom no policy names calls it."""
    server = Vault(tmp_path_factory.mktemp("limited") / "data")
    server.start()
    server.as_app = [*as_app(server), "--endpoint", server.dev["base_url"]]
    iam, tenancy = server.client(oci.identity.IdentityClient), server.dev["tenancy_id"]
    server.policy = lambda name, *statements: new_policy(iam, tenancy, name, *statements)
    yield server
    assert server.end() == 0


def test_what_is_forbidden_starts_nothing(limited, tmp_path):
    put(limited, "forbidden", b"canary-forbidden")
    refer = {"V": "secret://dev/forbidden"}
    hidden = run(limited, "touch", tmp_path / "started", flags=limited.as_app, **refer)
    assert hidden.returncode == 1 and b"error[missing-or-hidden]" in hidden.stderr and b"did you mean" not in hidden.stderr
    limited.policy("family", "Allow group app to read secret-family in compartment sample")
    denied = run(limited, "touch", tmp_path / "started", flags=limited.as_app, **refer)
    assert denied.returncode == 1 and b"error[missing-key-permission]" in denied.stderr
    assert b"fix: strongroom why " in denied.stderr and b"canary" not in denied.stderr + hidden.stderr
    assert not (tmp_path / "started").exists()
    limited.policy("keys", "Allow group app to use keys in compartment sample")
    assert python(limited, PRINT, flags=limited.as_app, **refer).stdout == b"canary-forbidden"


def test_who_may_not_read_descriptions_polls(limited):
    """The feed tells this user of nothing, for it may read contents alone."""
    limited.policy("bundles", "Allow group app to read secret-bundles in compartment sample where target.secret.name = 'plain'")
    limited.policy("narrow", "Deny group app to read secrets in compartment sample where target.secret.name = 'plain'")
    put(limited, "plain", b"first")
    flags = [*limited.as_app, "--on-change", "restart", "--on-change-every", "1s"]
    with started(limited, sys.executable, "-c", SHOW + WAIT, flags=flags, variables={"V": "secret://dev/plain"}) as process:
        assert process.stdout.readline() == b"first\n"
        put(limited, "plain", b"second")
        assert process.stdout.readline() == b"second\n"


def test_who_may_read_descriptions_no_longer_polls_from_then_on(limited):
    put(limited, "narrowed", b"first")
    flags = [*limited.as_app, "--on-change", "restart", "--on-change-every", "1s"]
    with started(limited, sys.executable, "-c", SHOW + WAIT, flags=flags, variables={"V": "secret://dev/narrowed"}) as process:
        assert process.stdout.readline() == b"first\n"
        put(limited, "narrowed", b"second")
        assert process.stdout.readline() == b"second\n"
        limited.policy("narrowed", "Deny group app to read secrets in compartment sample where target.secret.name = 'narrowed'")
        time.sleep(3)
        put(limited, "narrowed", b"third")
        assert process.stdout.readline() == b"third\n"


def test_without_a_vault_nothing_starts(vault, tmp_path):
    flags = ["--endpoint", "http://127.0.0.1:1"]
    done = run(vault, "touch", tmp_path / "started", flags=flags, V="secret://dev/sample")
    assert done.returncode == 4 and b"error[unreachable]" in done.stderr
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("arguments", [
    [], ["--"], ["true"], ["--mask", "yes", "--", "true"], ["--on-change", "reload", "--", "true"],
    ["--on-change-every", "0s", "--", "true"], ["--on-change-every", "5", "--", "true"], ["--grace", "-1s", "--", "true"],
    ["--env-file", "--", "true"], ["--shell", "--", "true"],
])
def test_command_lines_that_make_no_sense(arguments):
    done = subprocess.run([str(BINARY), "run", *arguments], capture_output=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr


def test_codes_are_passed_on(vault):
    for code in [0, 1, 5, 70, 255]:
        assert run(vault, "sh", "-c", f"exit {code}").returncode == code
    for number in [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV]:
        assert run(vault, "sh", "-c", f"kill -{int(number)} $$").returncode == 128 + number
    missing = run(vault, "no-such-program")
    assert missing.returncode == 127 and b"error[no-command]: cannot start `no-such-program`" in missing.stderr
    assert run(vault, "/etc/passwd").returncode == 126


def test_signals_are_passed_on(vault):
    program = (
        "import signal, sys, time\n"
        "for s in ('TERM', 'INT', 'HUP', 'USR1', 'USR2', 'QUIT', 'WINCH'):\n"
        "    signal.signal(getattr(signal, 'SIG' + s), lambda n, f: print(n, flush=True))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(0.1)\n")
    with started(vault, sys.executable, "-c", program, start_new_session=True) as process:
        assert process.stdout.readline() == b"ready\n"
        for name in ["TERM", "INT", "HUP", "USR1", "USR2", "QUIT", "WINCH"]:
            number = getattr(signal, "SIG" + name)
            process.send_signal(number)
            assert process.stdout.readline() == f"{int(number)}\n".encode(), name
        os.kill(child_of(process), signal.SIGKILL)
        assert process.wait(timeout=20) == 137


def test_an_ignored_signal_stays_ignored(vault):
    program = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    done = subprocess.run(["nohup", *line(vault), sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    assert done.stdout == b"True\n"


def test_a_killed_run_leaves_no_command(vault):
    for how in [signal.SIGKILL, signal.SIGABRT]:
        with started(vault, "sleep", "600") as process:
            child = child_of(process)
            until(lambda: pathlib.Path(f"/proc/{child}/comm").read_text() == "sleep\n", "exec")
            process.send_signal(how)
            process.wait(timeout=20)
            until(lambda: not runs(child), "the end of the command")


def test_values_are_nowhere_else(vault, canary):
    with started(vault, "sleep", "600", variables={"V": "secret://dev/run-canary"}) as process:
        child = child_of(process)
        until(lambda: pathlib.Path(f"/proc/{child}/comm").read_text() == "sleep\n", "exec")
        assert canary.encode() in pathlib.Path(f"/proc/{child}/environ").read_bytes()
        assert canary.encode() not in pathlib.Path(f"/proc/{process.pid}/environ").read_bytes()
        for pid in [child, process.pid]:
            assert canary.encode() not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()


def test_what_the_command_sees_of_credentials(vault):
    program = "import os; print(sorted(n for n in os.environ if n.startswith(('STRONGROOM_', 'OCI_'))))"
    known = {"STRONGROOM_DATA_DIR": str(vault.directory), "OCI_CLI_PROFILE": "DEFAULT", "OCI_TTL": "1",
             "STRONGROOM_VAULT_X": vault.dev["vault_id"]}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("STRONGROOM_", "OCI_"))}
    by_environment = [str(BINARY), "run", "--", sys.executable, "-c", program]
    done = subprocess.run(by_environment, capture_output=True, env={**clean, **known}, timeout=60, check=True)
    assert done.stdout.decode().strip() == repr(sorted(known))
    by_flag = [*line(vault), sys.executable, "-c", program]
    done = subprocess.run(by_flag, capture_output=True, env={**clean, **known}, timeout=60, check=True)
    assert done.stdout.decode().strip() == repr(["OCI_TTL"])


def test_output_is_masked_however_it_is_cut(vault, canary):
    encoded = base64.b64encode(canary.encode()).decode()
    program = (
        "import os, sys, time\n"
        "v = os.environ['V']\n"
        "for s in (v, sys.argv[1]):\n"
        "    for i in range(0, len(s), 5):\n"
        "        for out in (sys.stdout, sys.stderr): out.write(s[i:i + 5]); out.flush()\n"
        "        time.sleep(0.01)\n"
        "    for out in (sys.stdout, sys.stderr): out.write('|'); out.flush()\n"
        "print('end', v[:-1] + '#', v + v)\n")
    done = python(vault, program, encoded, flags=["--mask"], V="secret://dev/run-canary")
    assert done.stdout.decode() == f"***|***|end {canary[:-1]}# ******\n" and done.stderr.decode() == "***|***|"


def test_masked_output_comes_at_once_and_whole(vault, canary):
    program = "import sys; print('name? ', end='', flush=True); sys.stdin.read(1)"
    with started(vault, sys.executable, "-c", program, flags=["--mask"], variables={"V": "secret://dev/run-canary"},
                 stdin=subprocess.PIPE) as process:
        assert process.stdout.read(6) == b"name? "
    lines = python(vault, "for i in range(200000): print(i)", flags=["--mask"], V="secret://dev/run-canary").stdout
    assert lines == b"".join(b"%d\n" % number for number in range(200000))


def test_short_values_are_told_not_masked(vault):
    put(vault, "run-short", b"abc")
    done = python(vault, PRINT, flags=["--mask"], V="secret://dev/run-short")
    assert done.stdout == b"abc" and b"warning[short-value]: the value of variable `V`" in done.stderr


def test_a_reader_that_goes_away(vault, canary):
    with started(vault, "yes", flags=["--mask"], variables={"V": "secret://dev/run-canary"}) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 128 + signal.SIGPIPE


def test_a_reader_that_reads_nothing_keeps_nobody_from_the_end(vault, canary):
    """The command is full of what nobody takes: one signal ends it, and `run` with it."""
    variables = {"V": "secret://dev/run-canary"}
    with started(vault, "sh", "-c", "yes", flags=["--mask"], variables=variables) as process:
        assert process.stdout.read(2) == b"y\n"
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 128 + signal.SIGTERM
    lines = "for i in range(20000): print(i)"
    with started(vault, sys.executable, "-c", lines, flags=["--mask"], variables=variables) as process:
        time.sleep(5)
        assert process.poll() is None, "a slow reader has all the time there is"
        assert process.stdout.read() == b"".join(b"%d\n" % number for number in range(20000))
        assert process.wait(timeout=20) == 0


SHOW = "import os, signal, time\nprint(os.environ['V'], flush=True)\n"
WAIT = "while True: time.sleep(0.1)\n"


def test_a_new_version_restarts_the_command(vault):
    put(vault, "run-change", b"first")
    flags = ["--on-change", "restart", "--on-change-every", "600s"]
    with started(vault, sys.executable, "-c", SHOW + WAIT, flags=flags, variables={"V": "secret://dev/run-change"}) as process:
        assert process.stdout.readline() == b"first\n"
        first = child_of(process)
        began = time.monotonic()
        put(vault, "run-change", b"second")
        assert process.stdout.readline() == b"second\n"
        assert time.monotonic() - began < 30 and not runs(first)
        put(vault, "run-other", b"x")
        time.sleep(1)
        second = child_of(process)
        process.terminate()
        assert process.wait(timeout=20) == 128 + signal.SIGTERM and not runs(second)


def test_polling_finds_a_new_version(vault):
    """A feed that tells nothing: the endpoint in between knows OCI's calls only, as Oracle's does."""
    put(vault, "run-poll", b"first")
    proxy = Proxy(vault, hidden="/_strongroom/")
    flags = ["--on-change", "restart", "--on-change-every", "1s", "--endpoint", proxy.url]
    with started(vault, sys.executable, "-c", SHOW + WAIT, flags=flags, variables={"V": "secret://dev/run-poll"}) as process:
        assert process.stdout.readline() == b"first\n"
        put(vault, "run-poll", b"second")
        assert process.stdout.readline() == b"second\n"
    proxy.end()


def test_a_refusal_of_the_feed_is_not_its_end(vault):
    put(vault, "run-feed", b"first")
    proxy = Proxy(vault)
    proxy.refusals.append(("/_strongroom/", 401))
    flags = ["--on-change", "restart", "--on-change-every", "600s", "--endpoint", proxy.url]
    with started(vault, sys.executable, "-c", SHOW + WAIT, flags=flags, variables={"V": "secret://dev/run-feed"}) as process:
        assert process.stdout.readline() == b"first\n"
        began = time.monotonic()
        put(vault, "run-feed", b"second")
        assert process.stdout.readline() == b"second\n"
        proxy.refusals.append(("/_strongroom/", 400))
        until(lambda: not proxy.refusals, "the refusal")
        put(vault, "run-feed", b"third")
        assert process.stdout.readline() == b"third\n" and time.monotonic() - began < 60
    proxy.end()


def test_a_signal_before_there_is_a_command_starts_none(vault, tmp_path):
    """The vault takes the connection and answers nothing."""
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
        mark = tmp_path / str(number)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(20)
            flags = ["--endpoint", f"http://127.0.0.1:{silent.getsockname()[1]}"]
            with started(vault, "touch", mark, flags=flags, variables={"V": "secret://dev/run-any"}) as process:
                connection, _ = silent.accept()
                process.send_signal(number)
                assert process.wait(timeout=5) == 128 + number and not mark.exists()
                connection.close()


def test_grace_is_over_at_last(vault):
    put(vault, "run-grace", b"first")
    flags = ["--on-change", "restart", "--grace", "1s"]
    stubborn = SHOW + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT
    with started(vault, sys.executable, "-c", stubborn, flags=flags, variables={"V": "secret://dev/run-grace"}) as process:
        assert process.stdout.readline() == b"first\n"
        time.sleep(0.5)
        put(vault, "run-grace", b"second")
        assert process.stdout.readline() == b"second\n"


def test_a_new_version_sends_hup(vault):
    put(vault, "run-hup", b"first")
    program = "import signal\nsignal.signal(signal.SIGHUP, lambda n, f: print('hup', flush=True))\n" + SHOW + WAIT
    flags = ["--on-change", "hup"]
    with started(vault, sys.executable, "-c", program, flags=flags, variables={"V": "secret://dev/run-hup"}) as process:
        assert process.stdout.readline() == b"first\n"
        child = child_of(process)
        put(vault, "run-hup", b"second")
        assert process.stdout.readline() == b"hup\n" and child_of(process) == child


def test_what_hup_tells_of_is_masked_and_what_was_before_still_is(vault):
    put(vault, "run-hup-mask", b"first-canary")
    shown = "import signal, sys\nsignal.signal(signal.SIGHUP, lambda n, f: print('hup', sys.argv[1], os.environ['V'], flush=True))\n"
    flags, variables = ["--mask", "--on-change", "hup"], {"V": "secret://dev/run-hup-mask"}
    with started(vault, sys.executable, "-c", shown + SHOW + WAIT, "second-canary", flags=flags, variables=variables) as process:
        assert process.stdout.readline() == b"***\n"
        put(vault, "run-hup-mask", b"second-canary")
        assert process.stdout.readline() == b"hup *** ***\n"


def test_a_secret_that_goes_keeps_the_command(vault):
    put(vault, "run-gone", b"canary-gone")
    flags = ["--on-change", "restart", "--on-change-every", "1s"]
    with started(vault, sys.executable, "-c", SHOW + WAIT, flags=flags, variables={"V": "secret://dev/run-gone"}) as process:
        assert process.stdout.readline() == b"canary-gone\n"
        child = child_of(process)
        assert vault.strongroom("rm", "secret://dev/run-gone").returncode == 0
        told = process.stderr.readline() + process.stderr.readline()
        assert b"warning[not-watched]" in told and b"canary-gone" not in told and runs(child)


def test_a_terminal_tells_the_command_once(vault):
    program = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, lambda n, f: print('int', flush=True))\n"
        "print(open('/dev/tty').isatty(), flush=True)\n"
        "time.sleep(1.5)\nprint('end', flush=True)\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(str(BINARY), [*line(vault), sys.executable, "-c", program])
    attributes = termios.tcgetattr(terminal)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
    seen = b""
    while b"True" not in seen:
        seen += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    with contextlib.suppress(OSError):
        while more := os.read(terminal, 1024):
            seen += more
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert seen.count(b"int") == 1 and b"end" in seen, seen
