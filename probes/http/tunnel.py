"""The way through an HTTP proxy to an https target (RFC 9110 section 9.3.6)."""

import asyncio

from config.net.text import clean_bytes
from probes.base import ProbeFailed
from probes.reason import Reason

MAX_ANSWER = 16 * 1024  # bytes of the proxy's answer, headers and all


class Tunnel(asyncio.Protocol):
    """Reads the proxy's answer to CONNECT. `opened` is done when bytes go through, or failed with the reason."""

    def __init__(self, opened: asyncio.Future[None]) -> None:
        self.opened = opened
        self._answer = bytearray()

    @staticmethod
    def request(host: str, port: int, authorization: str) -> bytes:
        """The CONNECT request."""
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        credentials = f"Proxy-Authorization: {authorization}\r\n" if authorization else ""
        return f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{credentials}\r\n".encode("latin-1")

    def data_received(self, data: bytes) -> None:
        """Called by the transport."""
        self._answer += data
        if self.opened.done():
            return
        if b"\r\n\r\n" in self._answer:
            status = bytes(self._answer.split(b"\r\n", 1)[0]).split(b" ", 2)
            if len(status) > 1 and status[0].startswith(b"HTTP/1.") and status[1][:1] == b"2":
                self.opened.set_result(None)
            else:
                said = clean_bytes(b" ".join(status[1:]), 80)
                self.opened.set_exception(ProbeFailed(Reason.STATUS, f"the proxy refused: {said}"))
        elif len(self._answer) > MAX_ANSWER:
            self.opened.set_exception(ProbeFailed(Reason.PROTOCOL, "the proxy's answer does not end"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport."""
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError("the proxy closed the connection"))
