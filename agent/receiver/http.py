"""OTLP over HTTP, protobuf and JSON: takes a request whole, or refuses it with a reason that its sender can read."""

import json
from collections.abc import Mapping

from aiohttp import web
from multidict import CIMultiDict

from agent.connections import Connections
from agent.connections import Limits as ConnectionLimits
from agent.receiver.admission import Budget, Busy
from agent.receiver.body import UnknownEncoding, read_body
from agent.receiver.cors import Cors
from agent.receiver.intake import Circle, Intake, Taken
from agent.receiver.limits import Limits
from agent.receiver.validate import Invalid, request_type
from agent.relay.entry import HOPS, Signal
from agent.relay.relay import Refused
from agent.tokens import Tokens
from config.net.inflate import Malformed, TooLarge
from config.sections.traces import Receive
from exporters.otlp.status import JSON, PROTOBUF, answer, encode

SETTING = "traces.receive.http"  #: the key of the file that has the address
BODY_SECONDS = 5.0  #: for a whole body to arrive: senders are on this machine
LINGERING_SECONDS = 2.0  #: for the rest of a refused body, which is thrown away
QUIET_SECONDS = 75.0  #: a connection may rest between two exports: SDKs wait 5 s, some of them a minute
CONNECTIONS = 512  #: an SDK keeps one or two, and a service may have many processes
BUFFER = 128 * 1024  #: bytes of a connection in the kernel, so that hundreds of uploads are not hundreds of MiB
RETRY_AFTER = 1  #: seconds; SDKs give up after 10, so ask them back soon
_SERVER = {"Server": "outrider"}  # not which version of what this is written in
_TAKEN = {kind: CIMultiDict({"Content-Type": kind, **_SERVER}) for kind in (PROTOBUF, JSON)}
_REJECTED = {
    Signal.TRACES: "rejectedSpans",
    Signal.METRICS: "rejectedDataPoints",
    Signal.LOGS: "rejectedLogRecords",
}


class OtlpHttp:
    """Answers requests. Each refusal is a google.rpc.Status in the encoding of the request, and is counted.

    It may outlive its listener, and what the file says of its senders may change while it listens.
    """

    def __init__(
        self, intake: Intake, *, limits: Limits, budget: Budget, receive: Receive, body_seconds: float = BODY_SECONDS
    ) -> None:
        self._intake = intake
        self._budget = budget
        self._body_seconds = body_seconds
        self._tokens = Tokens(receive.token)
        self.change(limits, receive)

    def change(self, limits: Limits, receive: Receive) -> None:
        """Put other settings in force, from the next request on. The budget is whoever's gave it."""
        self._limits = limits
        self._tokens.rotate(receive.token)
        self._cors = Cors(receive.cors, receive.pass_headers)
        self._passed = tuple(dict.fromkeys(name.lower() for name in (*receive.pass_headers, HOPS)))
        self._traces_path = receive.traces_path
        self._paths = {f"/v1/{signal}": signal for signal in (Signal.METRICS, Signal.LOGS)}
        self._paths[receive.traces_path] = Signal.TRACES

    def connections(self) -> Connections:
        """The server of a listener."""
        limits = ConnectionLimits(
            CONNECTIONS, share=3 / 8, quiet=QUIET_SECONDS, lingering=LINGERING_SECONDS, buffer=BUFFER
        )
        return Connections(SETTING, self.answer, self.refuse, limits)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Whatever was asked, by whatever method, at whatever path."""
        response = await self._answer(request)
        if self._cors:
            self._cors.mark(request, response)
        return response

    def refuse(self, request: web.BaseRequest, status: int, message: str) -> web.Response:
        """Say no to a request whose spans cannot be counted."""
        self._intake.relay.ledger.refused_requests[_transport(request), str(status)] += 1
        return _refusal(request, status, message)

    def handshake_failed(self) -> None:
        """A client that was to speak TLS did not, or had no certificate."""
        self._intake.relay.ledger.refused_requests["http", "tls"] += 1

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        signal = self._paths.get(request.path)
        if signal is None:
            return self.refuse(request, 404, f"nothing is taken at this path; POST spans to {self._traces_path}")
        if request.method != "POST":
            return self._other_method(request)
        if signal not in self._intake.signals:
            text = f"{signal} are disabled here; to have them carried, write `pass_through: [{signal}]` under `traces`"
            return self.refuse(request, 404, text)
        if not self._tokens.accepts(request.headers.get("Authorization")):
            response = self.refuse(request, 401, "send the header `authorization: Bearer TOKEN`, with the right token")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        if request.content_type not in {PROTOBUF, JSON}:
            return self.refuse(request, 415, f"the content type must be {PROTOBUF} or {JSON}")
        return await self._take(request, signal)

    def _other_method(self, request: web.BaseRequest) -> web.Response:
        if request.method == "OPTIONS" and self._cors:
            if self._cors.allows(request):
                return self._cors.preflight()
            return self.refuse(request, 403, "pages of this origin may not send; add it to `traces.receive.cors`")
        response = self.refuse(request, 405, f"use POST for {request.path}")
        response.headers["Allow"] = "POST"
        return response

    async def _take(self, request: web.BaseRequest, signal: Signal) -> web.Response:
        """200 once every destination is owed what is in it."""
        limit = self._limits.max_body
        try:
            with self._budget.share() as share:
                if request.content_type == JSON:
                    from agent.receiver.json_ids import MAX_JSON, convert  # noqa: PLC0415 - only where JSON is sent

                    limit = min(limit, MAX_JSON)
                    text = await read_body(request, share, limit, self._body_seconds)
                    body, ignored = await convert(text, signal)
                    share.cover(len(body))
                else:
                    body, ignored = await read_body(request, share, limit, self._body_seconds), ""
                taken = await self._intake.take(signal, body, _transport(request), self._passed_on(request))
        except Refused as refusal:
            # Its items are counted already, as refused.
            return _refusal(request, 503, f"not taken: {refusal}; send it again")
        except _FAULTS as error:
            return self.refuse(request, *self._blame(error, request, signal, limit))
        return _success(request, signal, taken, ignored)

    def _blame(self, error: Exception, request: web.BaseRequest, signal: Signal, limit: int) -> tuple[int, str]:
        """The status, and the words, for what is wrong with a request."""
        match error:
            case Busy():
                return 503, "too many bytes are being received; send it again"
            case UnknownEncoding():
                return 415, str(error)
            case TooLarge():
                other = " or use protobuf" if request.content_type == JSON and limit < self._limits.max_body else ""
                return 413, f"the body has more than {limit} bytes; send fewer {signal} at once{other}"
            case Malformed() | Invalid():
                return 400, f"not an {request_type(signal).DESCRIPTOR.name}: {error}"
            case Circle() | UnfitHeaderError():
                return 400, str(error)
            case TimeoutError():
                return 408, f"the body did not arrive within {self._body_seconds:g} s"
            case _:
                return 400, "the body ended before its end"

    def _passed_on(self, request: web.BaseRequest) -> Mapping[str, str]:
        """The headers that go along. Raises UnfitHeaderError."""
        found = {}
        for name in self._passed:
            if values := request.headers.getall(name, None):
                found[name] = text = ", ".join(values)
                if not (text.isascii() and text.isprintable()):
                    raise UnfitHeaderError(f"the header {name} is not printable ASCII, and cannot be passed on")
        return found


class UnfitHeaderError(ValueError):
    """A header that is to be passed on, and that no other server would take."""


_FAULTS = (
    *(Busy, UnknownEncoding, TooLarge, Malformed, Invalid, Circle, UnfitHeaderError),
    *(ConnectionError, TimeoutError, web.RequestPayloadError),
)


def _transport(request: web.BaseRequest) -> str:
    return "json" if request.content_type == JSON else "http"


def _success(request: web.BaseRequest, signal: Signal, taken: Taken, ignored: str) -> web.Response:
    """An empty response, unless something was left out, or there is a warning."""
    message = "; ".join(filter(None, (taken.message, ignored)))
    if request.content_type == PROTOBUF:
        return web.Response(body=answer(taken.rejected, message), headers=_TAKEN[PROTOBUF])
    said: dict[str, object] = {}
    if taken.rejected or message:
        said = {"partialSuccess": {_REJECTED[signal]: str(taken.rejected), "errorMessage": message}}
    return web.Response(body=json.dumps(said).encode(), headers=_TAKEN[JSON])


def _refusal(request: web.BaseRequest, status: int, message: str) -> web.Response:
    after = RETRY_AFTER if status == 503 else None
    body, content_type = encode(message, request.content_type, after)
    response = web.Response(status=status, body=body, content_type=content_type, headers=_SERVER)
    if after is not None:
        response.headers["Retry-After"] = str(after)
    if not request.content.is_eof():
        response.force_close()
    return response
