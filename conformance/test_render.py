"""`strongroom render`: private from birth, whole at any instant, in safe places only."""

import base64
import ctypes
import json
import os
import pathlib
import secrets
import shutil
import socket
import stat
import struct
import subprocess
import threading
import time

import pytest

from vault import BINARY


def render(vault, template, output, *flags, **more):
    command = [str(BINARY), "render", str(template), "-o", str(output), *map(str, flags), "--data-dir", str(vault.directory)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **more)


def put(vault, name, value):
    assert vault.strongroom("put", f"secret://dev/{name}", stdin=value).returncode == 0


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture(scope="module")
def canary(vault):
    value = "canary-" + secrets.token_hex(12)
    put(vault, "render-canary", value.encode())
    put(vault, "render-json", json.dumps({"db": {"user": "it's", "password": value}}).encode())
    put(vault, "render-bytes", b"\xff\x00\xfe")
    return value


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "app.conf.tmpl"
    path.write_text('password = {{ secret("secret://dev/render-canary") }}\n')
    return path


def clean(done, canary):
    """Nothing of the value is told."""
    assert canary not in done.stderr.decode() and canary not in done.stdout.decode()
    assert base64.b64encode(canary.encode()).decode()[:-4] not in done.stderr.decode()
    return done


def files_with(canary, directory):
    return [path for path in directory.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()]


def test_a_file_is_made(vault, canary, template, tmp_path):
    output = tmp_path / "app.conf"
    done = clean(render(vault, template, output), canary)
    assert done.returncode == 0 and done.stdout == b"" and done.stderr == b""
    assert output.read_text() == f"password = {canary}\n" and mode(output) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["app.conf", "app.conf.tmpl"]
    assert render(vault, template, output, "--mode", "0640", umask=0o077).returncode == 0 and mode(output) == 0o640
    assert render(vault, template, output, umask=0).returncode == 0 and mode(output) == 0o600
    here = render(vault, template, "app.conf", cwd=tmp_path)
    assert here.returncode == 0 and output.read_text() == f"password = {canary}\n"


def test_filters_and_pointers(vault, canary, tmp_path):
    template, output = tmp_path / "t", tmp_path / "o"
    template.write_text(
        '{# secret("secret://dev/not-read") #}'
        '{{ secret("secret://dev/render-json#/db/user") | shell }} {{ secret("secret://dev/render-json#db.user") | json }}\n'
        '{{ secret("secret://dev/render-bytes") | base64 }} {{ secret("secret://dev/render-json#/db/password") | base64 }}\n'
        '{% for name in ["a", "b"] %}{{ name }}={{ secret("secret://dev/render-canary?version=1") }};{% endfor %}')
    assert render(vault, template, output).returncode == 0
    assert output.read_text() == (
        "'it'\\''s' \"it's\"\n" + base64.b64encode(b"\xff\0\xfe").decode() + " " + base64.b64encode(canary.encode()).decode()
        + f"\na={canary};b={canary};")


def test_an_owner_is_set_before_the_content(vault, canary, template, tmp_path):
    output = tmp_path / "app.conf"
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    assert render(vault, template, output, "--owner", "nobody:1").returncode == 0
    import pwd
    found = os.stat(output)
    assert (found.st_uid, found.st_gid) == (pwd.getpwnam("nobody").pw_uid, 1)
    # A directory of the file's owner is safe for that owner's file only.
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 1, 1)
    assert render(vault, template, home / "x", "--owner", "1").returncode == 0
    refused = render(vault, template, home / "x")
    assert refused.returncode == 1 and b"belongs to another user" in refused.stderr


def test_check_tells_and_makes_nothing(vault, canary, template, tmp_path):
    output = tmp_path / "app.conf"
    done = clean(render(vault, template, output, "--check"), canary)
    assert done.returncode == 5 and done.stdout.decode() == f"{output} would change\n" and not output.exists()
    render(vault, template, output)
    before = os.stat(output)
    done = clean(render(vault, template, output, "--check"), canary)
    assert done.returncode == 0 and done.stdout.decode() == f"{output} is as it should be\n"
    assert render(vault, template, output, "--check", "--mode", "0640").returncode == 5
    output.write_text("x" * before.st_size)
    assert render(vault, template, output, "--check").returncode == 5
    assert os.stat(output).st_ino == before.st_ino and output.read_text() == "x" * before.st_size


@pytest.mark.parametrize("content, code, said", [
    ('{{ secret("secret://dev/render-canry") }}', 1, "did you mean secret://dev/render-canary"),
    ('\n\n{{ secret("secret://dev/render-canary#/x") }}', 1, "line 3"),
    ('{{ secret("secret://prod/x") }}', 3, "STRONGROOM_VAULT_PROD"),
    ('{{ secret("render-canary") }}', 2, "error[bad-reference]"),
    ('{{ secret("secret://dev/" ~ secret("secret://dev/render-canary")) }}', 2, "error[bad-reference]"),
    ('{% set n = secret("secret://dev/render-canary") %}{{ secret(n) }}', 1, "one literal string"),
    ('{{ secret("secret://dev/render-canary") + 1 }}', 1, "line 1"),
    ('{{ secret("secret://dev/render-canary").missing }}', 1, "undefined value"),
    ('{{ secret("secret://dev/render-canary") }}\n{{ env("HOME") }}', 1, "line 2: env is unknown"),
    ('{{ secret("secret://dev/render-canary") | exec }}', 1, "filter exec is unknown"),
    ('{{ secret("secret://dev/render-canary") }}{% include "/etc/passwd" %}', 1, "line 1"),
    ('{{ secret("secret://dev/render-canary") }}{{ secret("secret://dev/render-bytes") }}', 1, "not UTF-8"),
    ('{{ secret("secret://dev/render-canary") ', 1, "line 1"),
    ("\udcff", 3, "not UTF-8"),
])
def test_templates_that_cannot_be_rendered(vault, canary, tmp_path, content, code, said):
    template, output = tmp_path / "t", tmp_path / "o"
    template.write_bytes(os.fsencode(content))
    output.write_text("old")
    done = clean(render(vault, template, output), canary)
    assert done.returncode == code and said in done.stderr.decode(), done.stderr
    assert done.stdout == b"" and output.read_text() == "old" and not files_with(canary, tmp_path)


@pytest.mark.parametrize("flags", [
    ["--mode", "0644"], ["--mode", "0604"], ["--mode", "0601"], ["--mode", "0777"], ["--mode", "4600"], ["--mode", "0200"],
    ["--mode", "rw"], ["--owner", "no-such-user"], ["--owner", "root:no-such-group"], ["--owner", ":"], ["--force"],
])
def test_flags_that_make_no_sense(vault, template, tmp_path, flags):
    done = render(vault, template, tmp_path / "o", *flags)
    assert done.returncode == 2 and not (tmp_path / "o").exists(), done.stderr


def test_templates_that_are_not_there_or_too_large(vault, tmp_path):
    assert render(vault, tmp_path / "none", tmp_path / "o").returncode == 3
    large = render(vault, "/dev/zero", tmp_path / "o")
    assert large.returncode == 3 and b"larger than" in large.stderr
    assert render(vault, tmp_path, tmp_path / "o").returncode == 3


def test_places_that_are_not_safe(vault, canary, template, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("old")
    (tmp_path / "link").symlink_to(victim)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "way").symlink_to(tmp_path)
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "socket"))
    for name, said in [
        ("link", "symbolic link"), ("dangling", "symbolic link"), ("way/x", "symbolic link"), ("directory", "is a directory"),
        ("fifo", "neither a file"), ("socket", "neither a file"), ("directory/../x", "`..`"), ("../x", "`..`"),
    ]:
        path = str(tmp_path) + "/" + name
        done = clean(render(vault, template, path), canary)
        assert done.returncode == 1 and "error[unsafe-place]" in done.stderr.decode() and said in done.stderr.decode(), name
    for path, word in [("/dev/null", "unsafe-place"), (tmp_path / "none" / "x", "no-output"), ("/proc/x", "no-output"),
                       (victim / "x", "no-output")]:
        done = clean(render(vault, template, path), canary)
        assert done.returncode == 1 and f"error[{word}]" in done.stderr.decode(), done.stderr
    assert victim.read_text() == "old" and not files_with(canary, tmp_path)
    unix.close()


def test_directories_that_others_may_change(vault, canary, template, tmp_path):
    loose = tmp_path / "loose"
    (loose / "below").mkdir(parents=True)
    for bits, code in [(0o770, 1), (0o707, 1), (0o1777, 0), (0o755, 0)]:
        os.chmod(loose, bits)
        for path in [loose / "x", loose / "below" / "x"]:
            done = clean(render(vault, template, path), canary)
            assert done.returncode == code and (code == 0 or b"may be written by others" in done.stderr)


def test_another_name_of_the_file_keeps_the_old_content(vault, canary, template, tmp_path):
    output, other = tmp_path / "o", tmp_path / "other"
    output.write_text("old")
    os.link(output, other)
    os.chmod(other, 0o666)
    assert render(vault, template, output).returncode == 0
    assert other.read_text() == "old" and canary in output.read_text() and mode(output) == 0o600


def test_a_full_disk_leaves_the_old_file(vault, canary, template, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", disk], capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("may not mount")
    try:
        template.write_text('{{ secret("secret://dev/render-canary") }}' + "x" * 100_000)
        (disk / "o").write_text("old")
        done = clean(render(vault, template, disk / "o"), canary)
        assert done.returncode == 1 and b"error[no-output]" in done.stderr
        assert (disk / "o").read_text() == "old" and os.listdir(disk) == ["o"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_limit_on_file_size_leaves_the_old_file(vault, canary, template, tmp_path):
    import resource
    template.write_text('{{ secret("secret://dev/render-canary") }}' + "x" * 100_000)
    output = tmp_path / "o"
    output.write_text("old")
    done = clean(render(vault, template, output, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))), canary)
    assert done.returncode != 0 and output.read_text() == "old" and not files_with(canary, tmp_path)


class Racer(threading.Thread):
    """Opens whatever appears in a directory as soon as it does."""

    def __init__(self, directory, whole):
        super().__init__(daemon=True)
        self.directory, self.whole = directory, whole
        self.loose, self.partial, self.opened, self.over = [], [], 0, False
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.notify = self.libc.inotify_init1(os.O_NONBLOCK)
        create, moved_to, attributes, modify = 0x100, 0x80, 0x4, 0x2
        self.libc.inotify_add_watch(self.notify, os.fsencode(directory), create | moved_to | attributes | modify)

    def run(self):
        while not self.over:
            try:
                events = os.read(self.notify, 65536)
            except BlockingIOError:
                self.look("o")
                continue
            while events:
                length = struct.unpack_from("iIII", events)[3]
                self.look(os.fsdecode(events[16:16 + length].rstrip(b"\0")))
                events = events[16 + length:]

    def look(self, name):
        try:
            fd = os.open(self.directory / name, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return
        self.opened += 1
        bits = stat.S_IMODE(os.fstat(fd).st_mode)
        content = os.read(fd, 1 << 20)
        os.close(fd)
        if bits & 0o077:
            self.loose.append((name, oct(bits)))
        if not self.whole(content):
            self.partial.append((name, len(content)))


RENDERS = int(os.environ.get("STRONGROOM_RENDERS", "200"))


def test_no_instant_shows_a_loose_or_partial_file(vault, canary, tmp_path):
    """200 renders against a thread that opens what appears; more with STRONGROOM_RENDERS."""
    directory, template = tmp_path / "d", tmp_path / "t"
    directory.mkdir()
    template.write_text('begin {{ secret("secret://dev/render-canary") }}' + "x" * 200_000 + " end")
    whole = f"begin {canary}".encode() + b"x" * 200_000 + b" end"
    racer = Racer(directory, lambda content: content == whole)
    racer.start()
    began = time.monotonic()
    script = f'i=0; while [ $i -lt {RENDERS} ]; do "$@" || exit 1; i=$((i+1)); done'
    command = [str(BINARY), "render", str(template), "-o", str(directory / "o"), "--data-dir", str(vault.directory)]
    done = subprocess.run(["sh", "-c", script, "sh", *command], check=False, umask=0, timeout=36_000)
    racer.over = True
    racer.join()
    print(f"{RENDERS} renders in {time.monotonic() - began:.0f} s, {racer.opened} opens by the racer: "
          f"{len(racer.loose)} beyond 0600, {len(racer.partial)} partial")
    assert done.returncode == 0 and racer.loose == [] and racer.partial == [] and racer.opened > RENDERS / 4
    assert os.listdir(directory) == ["o"]


def test_a_link_that_is_swapped_in_is_never_followed(vault, canary, template, tmp_path):
    """The name, and a directory above it, turn into links and back while files are rendered."""
    victim, outside = tmp_path / "victim", tmp_path / "outside"
    outside.mkdir()
    victim.write_text("untouched")
    place, aside = tmp_path / "place", tmp_path / "aside"
    place.mkdir()
    over, swaps = threading.Event(), []

    def swap():
        while not over.is_set():
            os.symlink(victim, place / "new")
            os.rename(place / "new", place / "o")
            time.sleep(0.0005)
            os.rename(place, aside)
            os.symlink(outside, place)
            time.sleep(0.0005)
            os.unlink(place)
            os.rename(aside, place)
            os.unlink(place / "o")
            time.sleep(0.0005)
            swaps.append(len(ends))

    ends = []
    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    for _ in range(100):
        ends.append(clean(render(vault, template, place / "o"), canary).returncode)
    assert thread.is_alive()
    over.set()
    thread.join()
    print(f"{len(swaps)} swaps during {len(set(swaps))} renders, of which {ends.count(0)} wrote a file")
    assert set(ends) == {0, 1} and len(set(swaps)) > 50
    assert victim.read_text() == "untouched" and os.listdir(outside) == []


def test_a_killed_render_leaves_the_old_file_or_the_new(vault, canary, template, tmp_path):
    """Killed from its first instant to twice the time that it takes."""
    output = tmp_path / "o"
    command = [str(BINARY), "render", str(template), "-o", str(output), "--data-dir", str(vault.directory)]
    began = time.monotonic()
    subprocess.run(command, check=True)
    took = time.monotonic() - began
    left = []
    for step in range(40):
        output.write_text("old")
        process = subprocess.Popen(command)
        time.sleep(step / 20 * took)
        process.kill()
        process.wait()
        left.append(output.read_text())
    print(f"{left.count('old')} of {len(left)} kills came before the new file")
    assert set(left) == {"old", f"password = {canary}\n"}
