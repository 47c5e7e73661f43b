"""One small HTTP request to a running agent, with the standard library alone: 100 ms and no aiohttp.

Used by commands that a kubelet or a container engine starts every few seconds.
"""

import argparse
import socket
import time
from urllib.parse import urlsplit

from agent.cli import UNREACHABLE, USAGE, Stop, addresses

PUBLIC = "http://127.0.0.1:9740"  #: the default of listen.public, asked from this machine
ADMIN = "http://127.0.0.1:9741"  #: the default of listen.admin
LONGEST = 1_048_576  #: bytes of an answer that are read


def add_arguments(parser: argparse.ArgumentParser, default: str, setting: str, timeout: float = 2.0) -> None:
    """Where the agent is: a URL, or the file that says so."""
    where = f"what the running agent left in ${addresses.VARIABLE} or {addresses.FOLDER}, else {default}"
    parser.add_argument("url", nargs="?", default="", help=f"where the agent listens (default: {where})")
    add_other_arguments(parser, setting, timeout)


def add_other_arguments(parser: argparse.ArgumentParser, setting: str, timeout: float) -> None:
    """The same for a command that finds the URL among its words."""
    parser.add_argument("-c", "--config", metavar="FILE", help=f"take {setting} from this file instead")
    parser.add_argument(
        "--timeout", type=float, default=timeout, metavar="SECONDS", help=f"give up after (default: {timeout:g})"
    )


def address(args: argparse.Namespace, default: str, setting: str) -> str:
    """The base URL to ask: as given, as the file says, as the running agent left it, or the default."""
    if args.url:
        return str(args.url)
    if not args.config:
        return addresses.find(setting) or default
    from agent.cli.open import open_plan  # reads YAML: 200 ms and 34 MB, so no hook of ours goes this way

    listen = open_plan(args.config).plan.file.listen
    return addresses.url(listen.public if setting == "listen.public" else listen.admin)


def ask(method: str, base: str, path: str, timeout: float, head: str = "", body: str = "") -> tuple[int, str]:
    """The status and the body of one answer. `head`: further lines of it. Raises Stop when nobody answers."""
    try:
        with _connect(base, timeout) as sock:
            host = "localhost" if base.startswith("unix:") else urlsplit(base).netloc
            sent = body.encode()
            first = f"{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {len(sent)}\r\n{head}\r\n"
            sock.sendall(first.encode() + sent)
            return _read(sock, time.monotonic() + timeout)
    except OSError as error:
        why = error.strerror or str(error) or "no answer in time"
        raise Stop(f"no agent answers at {base}: {why}", UNREACHABLE) from None


def _connect(base: str, timeout: float) -> socket.socket:
    if base.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        try:
            sock.connect(base.removeprefix("unix:"))
        except OSError:
            sock.close()
            raise
        return sock
    parts = urlsplit(base if "//" in base else f"http://{base}")
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port:
        raise Stop(f"{base!r} is not an address of an agent; write http://HOST:PORT or unix:/PATH", USAGE)
    return socket.create_connection((parts.hostname, port), timeout)


def _read(sock: socket.socket, until: float) -> tuple[int, str]:
    answer = b""
    while len(answer) < LONGEST and (chunk := sock.recv(LONGEST)):
        answer += chunk
        sock.settimeout(max(0.001, until - time.monotonic()))  # an answer that drips in is none
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise OSError("what answers there does not speak HTTP")
    return int(words[1]), body.decode(errors="replace")
