"""A receiver in a thread, for tests that wait for a real agent: it answers as it is told and remembers what it got."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple


class Got(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


@dataclass
class Hook:
    """`status` and `answer` are what the next requests get."""

    url: str = ""
    status: int = 200
    answer: bytes = b"ok"
    got: list[Got] = field(default_factory=list)


class _Answers(BaseHTTPRequestHandler):
    hook: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hook.got.append(Got(self.command, self.path, headers, body))
        self.send_response(self.hook.status)
        self.send_header("Content-Length", str(len(self.hook.answer)))
        self.end_headers()
        self.wfile.write(self.hook.answer)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hook() -> Iterator[Hook]:
    """Listens on a free port until the end."""
    one = Hook()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"hook": one}))
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    one.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield one
    finally:
        server.shutdown()
        server.server_close()
