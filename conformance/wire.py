"""Requests made by hand, byte by byte, signed by the SDK's own signing library."""

import base64
import email.utils
import hashlib
import socket
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding


class Wire:
    def __init__(self, vault):
        config = vault.config()
        self.host, port = vault.dev["base_url"].removeprefix("http://").split(":")
        self.port = int(port)
        self.authority = f"{self.host}:{port}"
        self.key_id = f"{config['tenancy']}/{config['user']}/{config['fingerprint']}"
        with open(config["key_file"], "rb") as file:
            self.key = serialization.load_pem_private_key(file.read(), None)

    def signature(self, text):
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signature).decode()

    def signed(self, method, target, body=None, date_header="date", skew=0):
        """Returns the headers of a valid request as a list of pairs."""
        headers = [
            (date_header, email.utils.formatdate(time.time() + skew, usegmt=True)),
            ("host", self.authority),
        ]
        names = [date_header, "(request-target)", "host"]
        if body is not None:
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            headers += [
                ("content-length", str(len(body))), ("content-type", "application/json"),
                ("x-content-sha256", digest),
            ]
            names += ["content-length", "content-type", "x-content-sha256"]
        values = {**dict(headers), "(request-target)": f"{method.lower()} {target}"}
        text = "\n".join(f"{name}: {values[name]}" for name in names)
        headers.append(("authorization", self.authorization(" ".join(names), self.signature(text))))
        return headers

    def authorization(self, names, made, **change):
        parts = {
            "version": "1", "keyId": self.key_id, "algorithm": "rsa-sha256", "headers": names,
            "signature": made, **change,
        }
        return "Signature " + ",".join(f'{k}="{v}"' for k, v in parts.items() if v is not None)

    def bytes_of(self, method, target, headers, body=b""):
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers)
        return head.encode("latin-1", "replace") + b"\r\n" + (body or b"")

    def send(self, method, target, headers, body=b""):
        return self.exchange(self.bytes_of(method, target, headers, body))

    def exchange(self, request, secs=10):
        """Sends bytes on a connection of their own; returns status, headers and body."""
        with socket.create_connection((self.host, self.port), timeout=secs) as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            except TimeoutError:
                raise
            except OSError:
                pass  # refused before all of it was sent: the answer says why
            return answer_of(connection)


def answer_of(connection):
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not lines[0]:
        return None, {}, b""
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split(" ")[1]), headers, body
