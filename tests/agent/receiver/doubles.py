"""What stands behind a receiver in its own tests: a relay that keeps what it gets, and no processing."""

from typing import NamedTuple

from agent.receiver.intake import Intake, Processed
from agent.relay.entry import Signal
from agent.relay.ledger import Ledger
from agent.relay.relay import Refused


class Kept(NamedTuple):
    """One request as the relay got it."""

    signal: Signal
    body: bytes
    items: int
    headers: dict[str, str]
    transport: str


class KeepingRelay:
    """Takes everything, or refuses everything for the reason in `refusal`."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.kept: list[Kept] = []
        self.refusal = ""

    async def submit(self, signal, body, items, headers, *, transport, sampled=0) -> None:
        incoming = self.ledger.incoming[signal]
        if self.refusal:
            incoming.refused[self.refusal] += items
            raise Refused(self.refusal)
        incoming.received[transport] += items
        self.kept.append(Kept(signal, body, items, dict(headers), transport))


class AsItCame:
    """Forwards the bytes that came, whatever is invalid in them."""

    async def apply(self, signal, body, items, invalid) -> Processed:
        return Processed(body, items - len(invalid))


def intake(relay=None, signals=(Signal.TRACES,)) -> Intake:
    """The real one, in front of these."""
    return Intake(relay or KeepingRelay(), AsItCame(), signals=signals)
