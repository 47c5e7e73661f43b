"""A sender of well-formed and of other requests."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp
from google.rpc.status_pb2 import Status

from agent.receiver.http import OtlpHttp

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """The message of the Status in the body, which must be one, in either encoding."""
        if self.headers["Content-Type"] == JSON:
            found = json.loads(self.body)["message"]
        else:
            assert self.headers["Content-Type"] == PROTOBUF
            found = Status.FromString(self.body).message
        assert found
        return found


@dataclass
class Client:
    """Speaks to one receiver."""

    relay: Any
    session: aiohttp.ClientSession
    port: int
    receiver: OtlpHttp

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def received(self) -> int:
        """Spans taken in protobuf over HTTP."""
        return self.relay.ledger.received["http"]

    @property
    def bodies(self) -> list[bytes]:
        """What a keeping relay was given."""
        return [kept.body for kept in self.relay.kept]

    def refused(self, status: int | str, transport: str = "http") -> int:
        """Requests refused with this status."""
        return self.relay.ledger.refused_requests[transport, str(status)]

    async def post(self, body, *, path="/v1/traces", method="POST", **headers) -> Answer:
        """One request; header names with underscores. None leaves one out."""
        wanted = {"Content-Type": PROTOBUF} | {name.replace("_", "-"): value for name, value in headers.items()}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        skip = [name for name in ("Content-Type",) if name not in wanted]
        async with self.session.request(
            method, self.url + path, data=body, headers=wanted, skip_auto_headers=skip
        ) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def raw(self, *parts: bytes, pause: float = 0.0, half_close: bool = False) -> bytes:
        """Bytes as they are, with a pause between the parts; everything that comes back until the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            if half_close:
                writer.write_eof()
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


def head(length: int | str, *lines: str, version: str = "1.1") -> bytes:
    """The head of a POST to /v1/traces."""
    more = "".join(f"{line}\r\n" for line in lines)
    return (
        f"POST /v1/traces HTTP/{version}\r\nHost: localhost\r\nContent-Type: {PROTOBUF}\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode()
