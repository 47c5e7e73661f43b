"""OTLP over gRPC: takes a request whole, or refuses it with a code that its sender knows what to make of."""

import asyncio
import base64
import logging
import time
from collections.abc import Mapping
from typing import Any

from agent.receiver.admission import Budget, Busy, Share
from agent.receiver.intake import Circle, Intake, Taken
from agent.receiver.limits import Limits
from agent.receiver.validate import Invalid, request_type
from agent.relay.entry import HOPS, Signal
from agent.relay.relay import Refused
from agent.sparing import SparingLog
from agent.tokens import Tokens
from config.net.grpc_core import grpc
from config.sections.traces import Receive
from exporters.otlp import retryinfo
from exporters.otlp.grpc import METHODS
from exporters.otlp.status import answer, status

SETTING = "traces.receive.grpc"  #: the key of the file that has the address
MESSAGE_SECONDS = 5.0  #: for a whole message to arrive: senders are on this machine
PATIENCE = 1.0  #: seconds that a call waits for room in the budget, before its message is read
RETRY_AFTER = 1.0  #: seconds; SDKs give up after 10, so ask them back soon
CALLS = 512  #: calls at once; further ones are asked back

_Codes = grpc.StatusCode
_GRACE = 0.05  # seconds in which the library cancels a call whose message it has refused
_LOOK_EVERY = 0.005  # seconds between two looks for room: the budget is everyone's, and tells nobody


class _No(Exception):  # noqa: N818 - the answer
    """The call is not taken. `after`: seconds until it should come back, None: never."""

    def __init__(self, code: Any, text: str, after: float | None = None, *, counted: bool = False) -> None:
        super().__init__(text)
        self.code, self.text, self.after, self.counted = code, text, after, counted


class OtlpGrpc:
    """Answers calls. What the file says of their senders may change while it listens, except `tls`.

    A larger limit is in force when the listener is opened anew.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        limits: Limits,
        budget: Budget,
        receive: Receive,
        message_seconds: float = MESSAGE_SECONDS,
        patience: float = PATIENCE,
    ) -> None:
        self._intake = intake
        self._budget = budget
        self._seconds = message_seconds
        self._patience = patience
        self._tokens = Tokens(receive.token)
        self._calls = 0
        self._taking: set[asyncio.Task[Taken]] = set()
        self._log = SparingLog(logging.getLogger(__name__))
        self.change(limits, receive)

    def change(self, limits: Limits, receive: Receive) -> None:
        """Put other settings in force, from the next call on."""
        self.max_body = limits.max_body
        # How large a message is shows when it is there, so while it is read it counts as the largest.
        self._turn = asyncio.Semaphore(max(1, min(8, limits.memory // limits.max_body)))
        self._tokens.rotate(receive.token)
        self._passed = frozenset(name.lower() for name in (*receive.pass_headers, HOPS))

    async def answer(self, signal: Signal | None, context: Any) -> bytes:
        """One call, to whatever method: the bytes of the response, or the end of the call with a code and words."""
        self._calls += 1
        try:
            return await self._answer(signal, context)
        except Exception as error:  # noqa: BLE001 - gRPC would tell its text to strangers
            no = error if isinstance(error, _No) else self._fault(error)
            if not no.counted:
                self._count(no.code)
            await context.abort(no.code, no.text, _advice(no))
        except asyncio.CancelledError:
            # Its sender gave up; or the library did, as the message was above the limit or not what it said.
            self._count(_Codes.CANCELLED)
            raise
        finally:
            self._calls -= 1
        raise AssertionError  # abort raises

    async def settled(self) -> None:
        """Wait for requests whose senders do not wait any more."""
        while self._taking:
            await asyncio.wait(self._taking)

    def trouble(self, text: str) -> None:
        """A file of `tls` cannot be used. May be called in any thread."""
        self._tell(logging.WARNING, "tls files", text)

    async def _answer(self, signal: Signal | None, context: Any) -> bytes:
        if signal is None:
            raise _No(_Codes.UNIMPLEMENTED, f"only {', '.join(METHODS.values())} are here")
        if signal not in self._intake.signals:
            text = f"{signal} are disabled here; to have them carried, write `pass_through: [{signal}]` under `traces`"
            raise _No(_Codes.UNIMPLEMENTED, text)
        metadata = context.invocation_metadata()
        if not self._tokens.accepts(next((value for key, value in metadata if key == "authorization"), None)):
            raise _No(_Codes.UNAUTHENTICATED, "send the metadata `authorization: Bearer TOKEN`, with the right token")
        if self._calls > CALLS:
            raise _No(_Codes.UNAVAILABLE, "too many calls are waiting; send it again", RETRY_AFTER)
        share = self._budget.share()
        body = await self._message(context, share)
        # A sender whose deadline passes must not leave half of a request behind: it is taken to the end, in a task.
        task = asyncio.create_task(self._take(signal, body, self._passed_on(metadata), share))
        self._taking.add(task)
        task.add_done_callback(self._done)
        return answer(*await asyncio.shield(task))

    async def _message(self, context: Any, share: Share) -> bytes:
        """The call's one message, inflated. `share` holds what it takes, which was charged before it was read."""
        reading = False
        try:
            async with asyncio.timeout(self._patience) as limit, self._turn:
                with self._budget.share() as largest:
                    await self._room(largest)
                    reading = True
                    limit.reschedule(asyncio.get_running_loop().time() + self._seconds)
                    body: bytes = await context.read()
                if body is not grpc.aio.EOF and len(body) <= self.max_body:
                    share.cover(len(body))  # there is room, of what was given back just now
                    return body
        except TimeoutError:
            if not reading:
                text = "too many bytes are being received; send it again"
                raise _No(_Codes.UNAVAILABLE, text, RETRY_AFTER) from None
            raise _No(_Codes.DEADLINE_EXCEEDED, f"the message did not arrive within {self._seconds:g} s") from None
        if body is not grpc.aio.EOF:
            raise _No(_Codes.RESOURCE_EXHAUSTED, f"the message has more than {self.max_body} bytes; send fewer at once")
        # None was sent. Or the library refused it, tells its sender why, and us by a cancellation.
        await asyncio.sleep(_GRACE)
        raise _No(_Codes.INVALID_ARGUMENT, "the call has no message")

    async def _room(self, share: Share) -> None:
        """Hold room for the largest message; until there is some, the sender waits with its own."""
        while True:
            try:
                return share.cover(self.max_body)
            except Busy:
                await asyncio.sleep(_LOOK_EVERY)

    async def _take(self, signal: Signal, body: bytes, headers: Mapping[str, str], share: Share) -> Taken:
        with share:
            try:
                return await self._intake.take(signal, body, "grpc", headers)
            except Refused as refusal:
                # Its items are counted already, as refused.
                text = f"not taken: {refusal}; send it again"
                raise _No(_Codes.UNAVAILABLE, text, RETRY_AFTER, counted=True) from None
            except Invalid as error:
                name = request_type(signal).DESCRIPTOR.name
                raise _No(_Codes.INVALID_ARGUMENT, f"not an {name}: {error}") from None
            except Circle as error:
                raise _No(_Codes.INVALID_ARGUMENT, str(error)) from None
            except Exception as error:
                raise self._fault(error) from error

    def _fault(self, error: Exception) -> _No:
        """It is ours. The sender learns that it was one, the log learns which."""
        self._tell(logging.ERROR, type(error).__name__, "a request could not be answered", error)
        return _No(_Codes.INTERNAL, "this request could not be answered: the agent's log says why")

    def _done(self, task: asyncio.Task[Taken]) -> None:
        self._taking.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting any more; that is no reason for a warning

    def _passed_on(self, metadata: Any) -> Mapping[str, str]:
        """The metadata that goes along."""
        found: dict[str, list[str]] = {}
        for key, value in metadata:
            if key in self._passed:
                found.setdefault(key, []).append(
                    base64.b64encode(value).decode() if isinstance(value, bytes) else value
                )
        return {key: ", ".join(values) for key, values in found.items()}

    def _count(self, code: Any) -> None:
        self._intake.relay.ledger.refused_requests["grpc", code.name.lower()] += 1

    def _tell(self, level: int, kind: str, text: str, error: BaseException | None = None) -> None:
        self._log.write(level, kind, f"{SETTING}: {text}", time.monotonic(), error)


def _advice(no: _No) -> tuple[tuple[str, bytes], ...]:
    """Trailing metadata that says when to come back, where each kind of client looks for it."""
    if no.after is None:
        return ()
    whole = status(no.code.value[0], no.text, no.after).SerializeToString()
    return (retryinfo.DETAILS, whole), (retryinfo.LEGACY, retryinfo.made(no.after).SerializeToString())
