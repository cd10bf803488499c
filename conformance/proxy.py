"""A proxy in front of a vault, which remembers what was asked and can be cut."""

import dataclasses
import http.client
import http.server
import threading
import time
import urllib.parse


@dataclasses.dataclass
class Call:
    path: str
    began: float
    ended: float = None
    status: int = None


class Proxy:
    """Passes requests on; those whose path begins with `hidden` are 404, and all are dropped while it is cut.

    Of `refusals` each is a path's beginning and the status that the next call there is answered with.
    """

    def __init__(self, vault, hidden=None):
        self.calls, self.is_cut, self.refusals = [], False, []
        proxy, upstream = self, urllib.parse.urlparse(vault.dev["base_url"])

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                if hidden is not None and self.path.startswith(hidden):
                    self.send_error(404)
                    return
                for path, status in proxy.refusals:
                    if self.path.startswith(path):
                        proxy.refusals.remove((path, status))
                        self.send_error(status)
                        return
                call = Call(self.path, time.monotonic())
                proxy.calls.append(call)
                try:
                    if not proxy.is_cut:
                        self.pass_on(call)
                except (OSError, http.client.HTTPException):
                    pass
                finally:
                    call.ended = call.ended or time.monotonic()

            def pass_on(self, call):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                there = http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=60)
                there.request(self.command, self.path, body, dict(self.headers))
                answer = there.getresponse()
                content = answer.read()
                there.close()
                if proxy.is_cut:
                    return
                # Whoever has the answer may call again before this thread goes on.
                call.ended = time.monotonic()
                call.status = answer.status
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reads(self):
        """The calls for contents, so far."""
        return [call for call in list(self.calls) if "/secretbundles/" in call.path]

    def end(self):
        self.server.shutdown()
        self.server.server_close()
