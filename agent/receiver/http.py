"""OTLP over HTTP with binary protobuf: takes a request whole or refuses it with a reason its sender can read."""

import asyncio

from aiohttp import HttpVersion11, web

from agent.connections import Connections, Limits
from agent.receiver.admission import Budget, Busy, Share
from agent.receiver.validate import Invalid, count_spans
from agent.relay.relay import Refused, Relay
from config.net.inflate import Inflater, Malformed, TooLarge, encoding_of
from exporters.otlp.status import JSON, PROTOBUF, encode

SETTING = "traces.receive.http"  #: the key of the file that has the address
TRACES = "/v1/traces"
#: Bytes of a request, decompressed. OTLP recommends 64 MiB, which a sidecar of that size cannot hold; this is what gRPC
#: receivers have always taken, some ten thousand spans.
MAX_BODY = 4 * 1024 * 1024
BUDGET = 16 * 1024 * 1024  #: bytes of all requests that are being received
BODY_SECONDS = 5.0  #: for a whole body to arrive: senders are on this machine
QUIET_SECONDS = 75.0  #: a connection may rest between two exports: SDKs wait 5 s, some of them a minute
CONNECTIONS = 512  #: an SDK keeps one or two, and a service may have many processes
_SERVER = {"Server": "outrider"}  # not which version of what this is written in
RETRY_AFTER = "1"  #: seconds; SDKs give up after 10, so ask them back soon


def server(
    relay: Relay, *, max_body: int = MAX_BODY, budget: int = BUDGET, body_seconds: float = BODY_SECONDS
) -> Connections:
    """The OTLP listener's server. `max_body`: bytes of a body after decompression, never more than the relay queues."""
    receiver = OtlpHttp(relay, min(max_body, relay.capacity), Budget(budget), body_seconds)
    limits = Limits(CONNECTIONS, share=3 / 8, quiet=QUIET_SECONDS, lingering=1.0)
    return Connections(SETTING, receiver.answer, receiver.refuse, limits)


class OtlpHttp:
    """Answers requests. Each refusal is a google.rpc.Status in the encoding of the request, and is counted."""

    def __init__(self, relay: Relay, max_body: int, budget: Budget, body_seconds: float) -> None:
        self._relay = relay
        self._max_body = max_body
        self._budget = budget
        self._body_seconds = body_seconds

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """One path, one method."""
        if request.path != TRACES:
            text = f"only traces are taken here, by POST {TRACES}; other signals are disabled"
            return self.refuse(request, 404, text)
        if request.method != "POST":
            response = self.refuse(request, 405, f"use POST for {TRACES}")
            response.headers["Allow"] = "POST"
            return response
        return await self.traces(request)

    async def traces(self, request: web.BaseRequest) -> web.Response:
        """POST /v1/traces: 200 once every destination is owed the spans."""
        if request.content_type != PROTOBUF:
            return self.refuse(request, 415, _wanted(request.content_type))
        with self._budget.share() as share:
            try:
                body = await self._body(request, share)
                self._relay.submit(body, await count_spans(body))
            except Refused as refusal:
                # Its spans are counted already, as refused.
                return _answer(request, 503, f"not taken: {refusal}; send it again")
            except Busy:
                return self.refuse(request, 503, "too many bytes are being received; send it again")
            except LookupError as error:
                return self.refuse(request, 415, str(error))
            except TooLarge:
                return self.refuse(request, 413, f"the body has more than {self._max_body} bytes; send fewer spans")
            except (Malformed, Invalid) as error:
                return self.refuse(request, 400, f"not an ExportTraceServiceRequest: {error}")
            except (ConnectionError, web.RequestPayloadError):
                return self.refuse(request, 400, "the body ended before its end")
            except TimeoutError:
                return self.refuse(request, 408, f"the body did not arrive within {self._body_seconds:g} s")
        return web.Response(body=b"", content_type=PROTOBUF, headers=_SERVER)  # an empty message: everything was taken

    def refuse(self, request: web.BaseRequest, status: int, message: str) -> web.Response:
        """Say no to a request whose spans cannot be counted."""
        self._relay.ledger.refused_requests["http", str(status)] += 1
        return _answer(request, status, message)

    async def _body(self, request: web.BaseRequest, share: Share) -> bytes:
        """The decompressed body; what it takes is charged before it is read or made."""
        encoding = encoding_of(request.headers.get("Content-Encoding", ""))
        length = request.content_length or 0
        if length > self._max_body:
            raise TooLarge
        share.cover(length)
        if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        inflater = Inflater(encoding, self._max_body) if encoding else None
        body, arrived = bytearray(), 0
        async with asyncio.timeout(self._body_seconds):
            async for piece in request.content.iter_any():
                arrived += len(piece)
                if arrived > self._max_body:
                    raise TooLarge
                for part in inflater.feed(piece) if inflater else (piece,):
                    share.cover(len(body) + len(part))
                    if inflater and body:
                        await asyncio.sleep(0)  # the next slice of a body that inflates to many
                    body += part
        if inflater:
            inflater.finish()
        return bytes(body)


def _wanted(content_type: str) -> str:
    if content_type == JSON:
        return f"OTLP/JSON is not in this version; send {PROTOBUF} (OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)"
    return f"the content type must be {PROTOBUF}"


def _answer(request: web.BaseRequest, status: int, message: str) -> web.Response:
    body, content_type = encode(message, request.content_type)
    response = web.Response(status=status, body=body, content_type=content_type, headers=_SERVER)
    if status == 503:
        response.headers["Retry-After"] = RETRY_AFTER
    if not request.content.is_eof():
        response.force_close()
    return response
