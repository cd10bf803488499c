"""Reads secrets from the Strongroom agent of this machine. Standard library only; copy it where you need it."""

import http.client
import os
import socket
import urllib.parse

SOCKET = os.environ.get("STRONGROOM_AGENT_SOCKET", "/run/strongroom/agent.sock")


class SecretError(Exception):
    """The agent did not give the secret; the message holds nothing of it."""


class _OverSocket(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def secret(reference, *, path=SOCKET, timeout=10):
    """Returns the content of `secret://vault/name[?stage=…|version=…][#pointer]` as bytes.

    Ask for it each time it is needed: the agent has it in memory, and knows of a new version within a second.
    """
    connection = _OverSocket(path, timeout)
    try:
        connection.request("GET", "/v1/secrets?" + urllib.parse.urlencode({"ref": reference}))
        answer = connection.getresponse()
        content = answer.read()
    except OSError as error:
        raise SecretError(f"no answer from the agent at {path}: {error}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise SecretError(f"cannot read {reference}: {content.decode(errors='replace').strip()}")
    return content
