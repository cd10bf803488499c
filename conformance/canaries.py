"""Unmistakable values, and everything that came out of the commands that had them."""

import base64
import contextlib
import http.server
import json
import os
import pathlib
import secrets
import subprocess
import threading

from test_agent import Agent
from test_at_rest import spellings
from vault import BINARY


class Watcher(threading.Thread):
    """Looks at argument lists and environments of all processes that have the mark in their environment."""

    def __init__(self, mark):
        super().__init__(daemon=True)
        self.mark, self.over = f"CANARY_MARK={mark}".encode(), threading.Event()
        self.seen = set()

    def run(self):
        while not self.over.wait(0.01):
            for entry in os.listdir("/proc"):
                if entry.isdigit() and int(entry) != os.getpid():
                    with contextlib.suppress(OSError):
                        self.look(pathlib.Path("/proc") / entry)

    def look(self, process):
        environ = (process / "environ").read_bytes()
        if self.mark not in environ:
            return
        line = (process / "cmdline").read_bytes()
        ours = os.readlink(process / "exe") == str(BINARY.resolve())
        # What `run` starts is ours for a moment, with the environment that the command is to have.
        is_command = not ours or line.split(b"\0")[1:2] == [b"launch"]
        self.seen.add(("arguments", line))
        self.seen.add(("environment of " + ("a command" if is_command else "ours"), environ))


class Box:
    """Empty directories, a vault, canaries, and all that came out."""

    def __init__(self, root):
        self.root, self.mark = root, secrets.token_hex(8)
        for name in ("home", "tmp", "cwd"):
            (root / name).mkdir()
        self.canaries = {
            "text": b'canary "' + secrets.token_hex(16).encode() + b"\" & \\ / + \xc3\xa4",
            "piece": f"piece-{secrets.token_hex(16)}".encode(),
            "binary": b"\xff\xfe" + bytes(1 + byte % 255 for byte in secrets.token_bytes(32)) + b"\x80",
        }
        self.canaries["json"] = json.dumps({"db": {"user": "app", "password": self.canaries["piece"].decode()}}).encode()
        self.outputs, self.asked, self.agents = [], set(), []
        self.watcher = Watcher(self.mark)

    def agent(self, name, **more):
        (self.root / name).mkdir()
        self.agents.append(Agent(self.vault, self.root / name, **more))
        return self.agents[-1]

    def hand(self, *arguments, code=0, asked=False, stdin=b"", stdout=subprocess.PIPE, **variables):
        """Runs a command; what it prints is looked at later, but for standard output if the value is asked for."""
        done = subprocess.run(
            [str(BINARY), *map(str, arguments)], input=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=60,
            check=False, env={**os.environ, **variables})
        assert done.returncode == code, (arguments, done.returncode, done.stderr)
        self.outputs.append((f"standard error of {arguments}", done.stderr))
        if not asked:
            self.outputs.append((f"standard output of {arguments}", done.stdout or b""))
        return done

    def places(self):
        """Everything that must not hold a canary."""
        yield from self.outputs
        for kind, content in list(self.watcher.seen):
            if kind != "environment of a command":
                yield kind, content
        for path in self.root.rglob("*"):
            if path.is_file() and path not in self.asked:
                yield str(path), path.read_bytes()

    def found(self):
        needles = [(name, spelling) for name, canary in self.canaries.items() for spelling in set(spellings(canary))]
        return [(place, name, spelling) for place, content in self.places() for name, spelling in needles if spelling in content]


class Stub:
    """Answers every request with the same bytes."""

    def __init__(self):
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.wfile.write(stub.answer)
                self.close_connection = True

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


def broken_answers(canary):
    """Bundles with something wrong, as bytes of HTTP."""
    def answer(body, status="200 OK", length=0, kind="application/json", more=""):
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body) + length}\r\n{more}connection: close\r\n\r\n"
        return head.encode() + body

    def bundle(**change):
        content = {"contentType": "BASE64", "content": base64.b64encode(canary).decode(), **change.pop("content", {})}
        whole = {"secretId": "ocid1.vaultsecret.oc1.iad.x.y", "versionNumber": 1, "stages": ["CURRENT"], "secretBundleContent": content}
        return json.dumps({**whole, **change}).encode()

    text, good = canary.decode(), bundle()
    yield from [
        answer(good[:-9]), answer(good + b"}"), answer(good, length=50), answer(good, length=-20), answer(canary), answer(b""),
        answer(bundle(content={"contentType": "PLAIN", "content": text})), answer(bundle(content={"content": text})),
        answer(bundle(content={"content": base64.b64encode(canary).decode() + "="})), answer(bundle(content={"content": [text]})),
        answer(bundle(content={"contentType": text})), answer(bundle(versionNumber=text)), answer(bundle(versionNumber=-1)),
        answer(bundle(stages=text)), answer(bundle(secretId={"x": text})), answer(bundle(secretBundleContent=text)),
        answer(bundle(metadata=text)), answer(good.replace(b'"versionNumber"', b'"' + canary + b'"')), answer(good.replace(b"BASE64", b"\xff\xfe")),
        answer(b"[" * 5000 + good), answer(b"<html>" + good, kind="text/html"), answer(good, status="500 Broken"), answer(good, status="502 Bad"),
        answer(canary, status="400 Bad"), answer(good, status="404 Gone"), answer(good, status="302 Found", more=f"location: /{text}\r\n"),
        answer(good, status="200 OK", more="transfer-encoding: chunked\r\n"), answer(good, more="content-encoding: gzip\r\n").replace(b"BASE64", b"BASE6"),
        b"HTTP/1.1 200 OK\r\n" + canary + b"\r\n\r\n" + good, canary + b"\r\n\r\n" + good,
    ]


# Of those answers, the ones whose bytes are no HTTP.
CUT_SHORT = {2, 26, 27, 28, 29}
