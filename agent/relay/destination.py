"""One destination: a sender, and a lane for each signal that goes there."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from agent.relay.entry import Signal
from agent.relay.lane import Lane
from agent.relay.ledger import Account
from agent.relay.settings import Settings
from exporters.base import SpanSender

__all__ = ["Destination", "Settings"]

_logger = logging.getLogger(__name__)


class Destination:
    """The lanes of one upstream, which share its sender. `run` is a task for the life of the relay."""

    def __init__(self, name: str, sender: SpanSender, lanes: Mapping[Signal, Lane], clock: Callable[[], float]) -> None:
        self.name = name
        self.lanes = dict(lanes)
        self._sender = sender
        self.clock = clock

    @property
    def account(self) -> Account:
        """That of the spans."""
        return self.lanes[Signal.TRACES].account

    async def run(self) -> None:
        """Deliver for ever. Ends only by cancellation, or by an error that no sender may raise."""
        if len(self.lanes) == 1:
            return await next(iter(self.lanes.values())).run()
        async with asyncio.TaskGroup() as tasks:
            for signal, lane in self.lanes.items():
                tasks.create_task(lane.run(), name=f"relay {self.name} {signal}")
        return None

    def hurry(self) -> None:
        """The process ends soon."""
        for lane in self.lanes.values():
            lane.hurry()

    async def aclose(self) -> None:
        """Close the sender. Safe twice; what a plug-in raises then is told, and stops nobody."""
        try:
            await self._sender.aclose()
        except Exception:
            _logger.exception("the sender to %s could not be closed", self.name)
