"""Asking the service itself, as its clients do: the smoke test of a deploy gate. Standard library alone."""

import http.client
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from agent.cli import USAGE, Stop
from agent.cli.progress import printable
from outrider import __version__

LONGEST = 65_536  #: bytes of a body that are read


@dataclass(slots=True)
class Smoke:
    """One path of the service, and how its requests went. Good is 2xx and 3xx; nothing is followed."""

    url: str
    parts: SplitResult
    requests: int = 0
    slowest: float = 0.0  # seconds

    def ask(self, timeout: float) -> str:
        """One request over a new connection; what is wrong with it in a sentence, or ""."""
        self.requests += 1
        began = time.monotonic()
        try:
            status = self._status(timeout)
        except (OSError, http.client.HTTPException) as error:
            late = time.monotonic() - began >= timeout
            why = f"no whole answer within {timeout:g} s" if late else printable(str(error)) or type(error).__name__
            return f"{self.url} failed: {why}"
        self.slowest = max(self.slowest, time.monotonic() - began)
        return "" if 200 <= status < 400 else f"{self.url} answered {status}"

    def _status(self, timeout: float) -> int:
        https = self.parts.scheme == "https"
        connect = http.client.HTTPSConnection if https else http.client.HTTPConnection
        connection = connect(self.parts.hostname or "", self.parts.port, timeout=timeout)
        began = time.monotonic()
        try:
            connection.connect()
            # The timeout is for one read; this one is for all: what drips in ends too.
            late = threading.Timer(max(0.01, began + timeout - time.monotonic()), _cut, [connection.sock])
            late.start()
            try:
                path = self.parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
                connection.request("GET", path, headers={"User-Agent": f"outrider-gate/{__version__}", "Accept": "*/*"})
                answer = connection.getresponse()
                answer.read(LONGEST)
                if time.monotonic() - began >= timeout:  # what was cut off looks like an end
                    raise TimeoutError
                return answer.status
            finally:
                late.cancel()
        finally:
            connection.close()


def smokes(paths: list[str], base: str) -> list[Smoke]:
    """What to ask, from the options. Raises Stop when an option is no URL, or a path without a base."""
    return [_smoke(path, base) for path in paths]


def _smoke(path: str, base: str) -> Smoke:
    if "://" not in path and not base:
        raise Stop(f"--smoke {path}: say where the service is with --smoke-base http://HOST:PORT", USAGE)
    url = path if "://" in path else urljoin(f"{base.rstrip('/')}/", path.lstrip("/"))
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and url.isprintable()
    except ValueError:
        fits = None
    if not fits or " " in url:
        raise Stop(f"--smoke {printable(url)!r} is not a URL; write http://HOST:PORT/PATH", USAGE)
    if parts.username is not None:
        raise Stop("--smoke: a user and password in the URL would not be sent; take a path that needs none", USAGE)
    return Smoke(url, parts)


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
