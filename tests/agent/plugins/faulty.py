"""Plug-ins as nobody should write them. The probe reads a file that says what goes wrong at the next attempt."""

import asyncio
import sys
import time
from pathlib import Path

from outrider import Measurement, Notifier, Options, Permanent, Probe, Secret


class FaultyOptions(Options, frozen=True):
    """`orders`: a file whose content says how to fail."""

    orders: str
    token: Secret = Secret("")


class Faulty(Probe[FaultyOptions]):
    """Obeys its orders."""

    options_type = FaultyOptions

    async def check(self, attempt):
        order = Path(self.options.orders).read_text()
        if order == "raise":
            raise RuntimeError(f"an attempt with {self.options!r} went wrong")
        if order == "exit":
            sys.exit(3)
        if order == "nothing":
            return None
        if order == "stay":
            await _stay()
        if order == "block":
            time.sleep(1.0)  # noqa: ASYNC251 - the fault that is meant
        return Measurement()


class Greedy(Faulty):
    """Cannot even be closed."""

    async def aclose(self):
        await _stay()


class Hanging(Notifier[Options]):
    """Never comes back."""

    async def notify(self, alerts):
        await _stay()


class Raising(Notifier[Options]):
    """Has a bug."""

    async def notify(self, alerts):
        raise KeyError("a bug")


class Cancelling(Notifier[Options]):
    """Lets a cancellation out that nobody asked for."""

    async def notify(self, alerts):
        raise asyncio.CancelledError


class Unmade(Notifier[Options]):
    """Cannot even be made."""

    def __init__(self, options):
        super().__init__(options)
        raise KeyError("a bug")

    async def notify(self, alerts):
        """Never called."""


class SenderOptions(Options, frozen=True):
    """`orders` as above; `taken`: a file that gets a byte per delivered request."""

    orders: str
    taken: str


class Sender:
    """A sender of spans with a bug that goes away."""

    options_type = SenderOptions

    def __init__(self, options):
        self.options = options

    async def send(self, body, signal="traces", headers=()):
        order = Path(self.options.orders).read_text()
        if order == "raise":
            raise RuntimeError("a bug")
        if order == "cancel":
            raise asyncio.CancelledError
        if order == "refuse":
            raise Permanent("invalid")
        from exporters.base import Delivery

        with Path(self.options.taken).open("ab") as taken:
            taken.write(body)
        return Delivery()

    async def aclose(self):
        """Nothing to give back."""


async def _stay():
    """Ignore every request to end, for as long as the process lives."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue
