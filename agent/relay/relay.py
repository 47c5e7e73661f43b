"""The relay: takes a request once, owes it to every destination, and says at the end what became of it."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping

from agent.relay.destination import Destination, Settings
from agent.relay.ledger import Account, Ledger
from agent.relay.queue import OVERHEAD, Entry, Queue
from exporters.base import Sample, SpanSender

QUEUE_BYTES = 16 * 1024 * 1024  #: default capacity of each destination's queue

_logger = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818 - what happened to the request
    """The request is not taken, and nothing of it is kept. `reason` is one of ledger.REFUSED."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Relay:
    """Fan-out over per-destination queues of the same bytes.

    A request is taken by all destinations or by none: a sender that is told 503 will send it again, and must not make
    duplicates at those that took it. So a destination that stays down until its queue is full holds up the others.

    Life of a destination: `add`; run its `run()` as a task; end that task; `remove`. Life of the relay: `drain` while
    the tasks run; end them; `aclose`.
    """

    def __init__(
        self,
        senders: Mapping[str, SpanSender],
        *,
        queue_bytes: int = QUEUE_BYTES,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.capacity = queue_bytes - OVERHEAD  #: bytes of the largest body that can ever be taken
        self.ledger = Ledger()
        self.destinations: dict[str, Destination] = {}
        self._settings = settings or Settings()
        self._queue_bytes = queue_bytes
        self._clock = clock
        self._chance = chance
        self._stopping = False
        for name, sender in senders.items():
            self.add(name, sender)

    def add(self, name: str, sender: SpanSender) -> Destination:
        """One more destination, owed every request from now on, and what was kept for one of its name."""
        account = self.ledger.accounts.get(name) or Account(Queue(self._queue_bytes, self._clock))
        destination = Destination(name, sender, account, self._settings, clock=self._clock, chance=self._chance)
        self.destinations[name] = destination
        self.ledger.accounts[name] = account
        return destination

    async def remove(self, name: str, *, keep: bool = False) -> None:
        """Close a destination whose task has ended.

        `keep`: its queue and numbers are for the next of that name, and what comes meanwhile is queued for it too.
        """
        destination = self.destinations.pop(name)
        if not keep:
            _tell(name, self.ledger.accounts.pop(name), destination.abandon("removed"))
        await destination.aclose()

    def submit(self, body: bytes, spans: int, transport: str = "http") -> None:
        """Take a valid request with that many spans; when this returns it is owed to every destination.

        Raises Refused, and then no destination has it.
        """
        accounts = self.ledger.accounts.values()
        if refusal := self._refusal(len(body)):
            self.ledger.refused[refusal] += spans
            raise Refused(refusal)
        self.ledger.received[transport] += spans
        if not spans:
            return  # an empty envelope is a success, and nobody's business
        entry = Entry(body, spans, self._clock())
        for account in accounts:
            account.accepted += spans
            account.queue.put(entry)

    def _refusal(self, size: int) -> str:
        """Why a body of this size cannot be taken; "" when it can."""
        if self._stopping:
            return "stopping"
        if not self.ledger.accounts:
            return "no_destination"  # between two configurations: whoever said yes now would owe it to nobody
        full = not all(account.queue.has_room(size) for account in self.ledger.accounts.values())
        return "queue_full" if full else ""

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """The outrider_otlp_* metrics."""
        return self.ledger.samples()

    def pipeline(self) -> dict[str, object]:
        """For the API: what came in, and where each destination stands."""
        return {
            "received_spans": dict(self.ledger.received),
            "refused_spans": dict(self.ledger.refused),
            "destinations": {name: destination.view() for name, destination in self.destinations.items()},
        }

    async def drain(self, seconds: float) -> bool:
        """Take nothing more, and deliver what is queued within `seconds`. Returns whether all of it was settled."""
        self._stopping = True
        for destination in self.destinations.values():
            destination.hurry()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for account in self.ledger.accounts.values():
                    await account.queue.empty.wait()
        return not any(account.queue.spans for account in self.ledger.accounts.values())

    async def aclose(self) -> None:
        """Close every sender, and give up what is left: counted, and told in one line each. Safe twice."""
        self._stopping = True
        for name, destination in self.destinations.items():
            if not destination.closed:
                _tell(name, destination.account, destination.abandon("shutdown"))
                await destination.aclose()


def _tell(name: str, account: Account, left: int) -> None:
    _logger.log(
        logging.WARNING if left else logging.INFO,
        "traces to %s: accepted %d spans, delivered %d, refused upstream %d, dropped %d at the end",
        name,
        account.accepted,
        account.delivered,
        account.rejected.total(),
        left,
    )
