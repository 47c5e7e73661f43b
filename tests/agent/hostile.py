"""Servers that do their worst to whoever connects, on threads of their own so that a test may block meanwhile."""

import contextlib
import gzip
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Play = Callable[[socket.socket], None]

FLOOD = 1 << 30  # bytes
OK = b"HTTP/1.1 200 OK\r\n"
AUTHENTICATED = b"R\x00\x00\x00\x08\x00\x00\x00\x00"  # PostgreSQL: AuthenticationOk


@contextlib.contextmanager
def serving(play: Play) -> Iterator[int]:
    """Play to every client that has said something; gives the port."""
    clients: list[socket.socket] = []

    def attend(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            if client.recv(65536):
                play(client)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                clients.append(client)
                threading.Thread(target=attend, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for client in clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)


def hang(client: socket.socket) -> None:
    """Listen, and say nothing."""
    while client.recv(65536):
        pass


def reset(client: socket.socket) -> None:
    """RST instead of an answer."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says(*parts: bytes, then: Play | None = None) -> Play:
    """These bytes, then something else or the end."""

    def play(client: socket.socket) -> None:
        client.sendall(b"".join(parts))
        if then:
            then(client)

    return play


def refusing_tls(play: Play) -> Play:
    """PostgreSQL without TLS: say so, let the client log in, then play."""

    def answer(client: socket.socket) -> None:
        client.sendall(b"N")
        if client.recv(65536):
            client.sendall(AUTHENTICATED)
            play(client)

    return answer


def drips(client: socket.socket) -> None:
    """One byte now and then, for ever."""
    while True:
        client.sendall(b"1")
        time.sleep(0.05)


def floods(client: socket.socket) -> None:
    """1 GiB as fast as it is taken."""
    block = b"\x01" * 262_144
    for _ in range(FLOOD // len(block)):
        client.sendall(block)


def bomb() -> bytes:
    """1 MiB of gzip that would become 1 GiB: one compressed block over and over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(b"\0" * 65_536) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"\0" * 1_048_576) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * (FLOOD // 1_048_576)


class Answers(ThreadingHTTPServer):
    """A well-behaved HTTP server that keeps what it was sent. `status` may be changed while it runs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.status = 200
        self.bodies: list[bytes] = []
        self.heads: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def messages(self) -> list[dict]:
        """The bodies as JSON."""
        return [json.loads(body) for body in self.bodies if body]


class _Answering(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.server.heads.append(dict(self.headers))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - http.server's own name

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def answering() -> Iterator[Answers]:
    """A server of that kind, while the block runs."""
    with Answers() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
