"""OTLP over HTTP with binary protobuf: takes a request whole or refuses it with a reason its sender can read."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from agent.receiver.admission import Budget, Busy, Share
from agent.receiver.validate import Invalid, count_spans
from agent.relay.relay import Refused, Relay
from config.net.inflate import Inflater, Malformed, TooLarge, encoding_of
from exporters.otlp.status import JSON, PROTOBUF, encode

TRACES = "/v1/traces"
#: Bytes of a request, decompressed. OTLP recommends 64 MiB, which a sidecar of that size cannot hold; this is what gRPC
#: receivers have always taken, some ten thousand spans.
MAX_BODY = 4 * 1024 * 1024
BUDGET = 16 * 1024 * 1024  #: bytes of all requests that are being received
BODY_SECONDS = 5.0  #: for a whole body to arrive: senders are on this machine
_SERVER = {"Server": "outrider"}  # not which version of what this is written in
RETRY_AFTER = "1"  #: seconds; SDKs give up after 10, so ask them back soon


class _OurFaults(logging.Filter):
    """Lets pass what is a fault of ours: bytes that are not HTTP would fill the log at their sender's pace."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)


_logger = logging.getLogger(__name__)
_logger.addFilter(_OurFaults())

#: What `web.AppRunner` must be told beside the application. aiohttp's own decompression takes truncated bodies and
#: stalls on bombs. Lingering reads and forgets the rest of a refused body, or the reset of the closed connection would
#: overtake the answer.
RUNNER: Final[Mapping[str, Any]] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": 75.0,
    "lingering_time": 1.0,
    "logger": _logger,
}


def application(
    relay: Relay, *, max_body: int = MAX_BODY, budget: int = BUDGET, body_seconds: float = BODY_SECONDS
) -> web.Application:
    """The OTLP listener's application; run it with `web.AppRunner(application(...), **RUNNER)`.

    `max_body` is what a body may have after decompression, in bytes, and never more than the relay can queue.
    """
    receiver = OtlpHttp(relay, min(max_body, relay.capacity), Budget(budget), body_seconds)
    app = web.Application()
    app.router.add_post(TRACES, receiver.traces)
    app.router.add_route("*", TRACES, receiver.wrong_method)
    app.router.add_route("*", "/{path:.*}", receiver.not_found)
    return app


class OtlpHttp:
    """The handlers. Each refusal is a google.rpc.Status in the encoding of the request, and is counted."""

    def __init__(self, relay: Relay, max_body: int, budget: Budget, body_seconds: float) -> None:
        self._relay = relay
        self._max_body = max_body
        self._budget = budget
        self._body_seconds = body_seconds

    async def traces(self, request: web.Request) -> web.Response:
        """POST /v1/traces: 200 once every destination is owed the spans."""
        if request.content_type != PROTOBUF:
            return self._refuse(request, 415, _wanted(request.content_type))
        with self._budget.share() as share:
            try:
                body = await self._body(request, share)
                self._relay.submit(body, await count_spans(body))
            except Refused as refusal:
                # Its spans are counted already, as refused.
                return _answer(request, 503, f"not taken: {refusal}; send it again")
            except Busy:
                return self._refuse(request, 503, "too many bytes are being received; send it again")
            except LookupError as error:
                return self._refuse(request, 415, str(error))
            except TooLarge:
                return self._refuse(request, 413, f"the body has more than {self._max_body} bytes; send fewer spans")
            except (Malformed, Invalid) as error:
                return self._refuse(request, 400, f"not an ExportTraceServiceRequest: {error}")
            except (ConnectionError, web.RequestPayloadError):
                return self._refuse(request, 400, "the body ended before its end")
            except TimeoutError:
                return self._refuse(request, 408, f"the body did not arrive within {self._body_seconds:g} s")
        return web.Response(body=b"", content_type=PROTOBUF, headers=_SERVER)  # an empty message: everything was taken

    async def wrong_method(self, request: web.Request) -> web.Response:
        """Anything but POST."""
        response = self._refuse(request, 405, f"use POST for {TRACES}")
        response.headers["Allow"] = "POST"
        return response

    async def not_found(self, request: web.Request) -> web.Response:
        """Any other path."""
        return self._refuse(request, 404, f"only traces are taken here, by POST {TRACES}; other signals are disabled")

    async def _body(self, request: web.Request, share: Share) -> bytes:
        """The decompressed body; what it takes is charged before it is read or made."""
        encoding = encoding_of(request.headers.get("Content-Encoding", ""))
        length = request.content_length or 0
        if length > self._max_body:
            raise TooLarge
        share.cover(length)
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

    def _refuse(self, request: web.Request, status: int, message: str) -> web.Response:
        self._relay.ledger.refused_requests["http", str(status)] += 1
        return _answer(request, status, message)


def _wanted(content_type: str) -> str:
    if content_type == JSON:
        return f"OTLP/JSON is not in this version; send {PROTOBUF} (OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)"
    return f"the content type must be {PROTOBUF}"


def _answer(request: web.Request, status: int, message: str) -> web.Response:
    body, content_type = encode(message, request.content_type)
    response = web.Response(status=status, body=body, content_type=content_type, headers=_SERVER)
    if status == 503:
        response.headers["Retry-After"] = RETRY_AFTER
    if not request.content.is_eof():
        response.force_close()
    return response
