"""Servers in front of a vault, or in place of one, that go wrong in one way each."""

import contextlib
import datetime
import email.utils
import http.client
import http.server
import ipaddress
import socket
import ssl
import threading
import time
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


class Front(http.server.BaseHTTPRequestHandler):
    """Passes requests on, byte for byte, unless `change` answers them."""

    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        answer = self.server.change(self) if self.server.change else None
        if answer is None:
            answer = self.of_vault(body)
        status, headers, content = answer
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def of_vault(self, body):
        connection = http.client.HTTPConnection(self.server.behind.removeprefix("http://"), timeout=20)
        path = self.path if self.path.startswith("/") else "/" + self.path.split("/", 3)[3]
        connection.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, self.server.host if self.server.host and name.lower() == "host" else value)
        connection.endheaders(body)
        answer = connection.getresponse()
        kept = ("content-type", "opc-request-id", "opc-next-page", "date", "etag", "retry-after")
        headers = {name: value for name, value in answer.getheaders() if name.lower() in kept}
        return answer.status, headers, answer.read()

    def log_message(self, *_arguments):
        pass

    do_GET = do_POST = do_PUT = do_CONNECT = pass_on


@contextlib.contextmanager
def front(behind="", change=None, certificate=None, host=None):
    """Serves on a free port; yields the URL. `host` replaces the Host header of what is passed on."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
    server.daemon_threads = True
    server.behind, server.change, server.host = behind, change, host
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_arguments: None
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def error(status, code, message, **headers):
    content = f'{{"code": "{code}", "message": "{message}"}}'.encode()
    return status, {"content-type": "application/json", "opc-request-id": "R", **headers}, content


def page(status):
    return status, {"content-type": "text/html"}, b"<html>Please log in</html>"


def only(part, answer):
    """Answers so where the path has `part`, and leaves the rest to the vault."""
    return lambda request: answer if part in request.path else None


def once(answer):
    """Answers so to the first signed request, and leaves the rest to the vault."""
    left = [answer]
    return lambda request: left.pop() if left and request.headers.get("authorization") else None


def hours_ahead(hours):
    """A service whose clock is right, where this machine's is so many hours behind."""
    return lambda _: refuses_at(time.time() + hours * 3600)


def refuses_at(now):
    ahead = {"date": email.utils.formatdate(now, usegmt=True)}
    return error(401, "NotAuthenticated", "The required information to complete authentication was not provided.", **ahead)


@contextlib.contextmanager
def hangs_up():
    """Sends an alert to every TLS greeting: handshake failure."""
    alert = bytes([21, 3, 3, 0, 2, 2, 40])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        if connection.recv(4096):
                            connection.sendall(alert)
        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def silent():
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def deaf():
    """Takes no connections: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            waiting.append(one)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


def certificate(directory, *names, days=(-1, 10)):
    """A certificate for names, or this machine's, with its key, and the authority that issued it: two files."""
    names = names or ("127.0.0.1",)
    now = datetime.datetime.now(datetime.UTC)
    root = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    basic = x509.BasicConstraints(ca=True, path_length=None)
    made = builder(issuer, issuer, root.public_key(), now, (-400, 400)).add_extension(basic, True).sign(root, hashes.SHA256())
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    leaf = builder(subject, issuer, key.public_key(), now, days).add_extension(
        x509.SubjectAlternativeName([general_name(name) for name in names]), False).sign(root, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    both, authority = directory / f"{names[0]}{days[0]}.pem", directory / f"{names[0]}{days[0]}-authority.pem"
    both.write_bytes(private + leaf.public_bytes(pem))
    authority.write_bytes(made.public_bytes(pem))
    return both, authority


def general_name(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def builder(subject, issuer, key, now, days):
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1])))


def expired_machine(dev):
    """What a metadata service answers whose machine's certificate ran out yesterday."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    units = ["opc-certtype:instance", f"opc-compartment:{dev['compartment_id']}",
             f"opc-instance:{dev['instance_id']}", f"opc-tenant:{dev['tenancy_id']}"]
    with warnings.catch_warnings(action="ignore"):
        names = [(NameOID.COMMON_NAME, dev["instance_id"]), *((NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units)]
        subject = x509.Name([x509.NameAttribute(kind, text, _validate=False) for kind, text in names])
    now = datetime.datetime.now(datetime.UTC)
    made = builder(subject, subject, key.public_key(), now, (-3, -1)).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    answers = {
        "cert.pem": made.public_bytes(pem), "key.pem": private, "intermediate.pem": made.public_bytes(pem),
        "regionInfo": b'{"regionIdentifier": "us-ashburn-1", "regionKey": "IAD", "realmKey": "oc1", "realmDomainComponent": "oraclecloud.com"}',
    }
    return lambda request: (200, {}, answers[request.path.rsplit("/", 1)[1]])
