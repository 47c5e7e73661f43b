"""All receivers of one agent."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from agent.alerting.engine import Notice
from agent.outbox.channel import Channel, Sent
from exporters.base import Notifier, Sample

_log = logging.getLogger(__name__)


class Outbox:
    """One `Channel` and one task per receiver. A receiver that hangs or refuses holds up no other."""

    def __init__(self, receivers: Mapping[str, Notifier[Any]], *, before: "Outbox | None" = None) -> None:
        """`before`: the outbox in force until now; what waits there goes to the receivers of the same names."""
        self.channels = {name: Channel(name, notifier) for name, notifier in receivers.items()}
        for name, channel in self.channels.items():
            if before is not None and name in before.channels:
                channel.adopt(before.channels[name])

    def post(self, notice: Notice) -> None:
        """Accept a notice; never blocks."""
        if not notice.receivers:
            said = notice.alert.annotations.get("summary", notice.alert.name)
            _log.warning("nobody is told, because no route takes this alert: %s", said)
        for name in notice.receivers:
            channel = self.channels.get(name)
            if channel is not None:
                channel.put(notice.alert)

    async def run(self) -> None:
        """Deliver, for ever."""
        async with asyncio.TaskGroup() as group:
            for name, channel in self.channels.items():
                group.create_task(channel.run(), name=f"receiver {name}")

    async def flush(self, seconds: float) -> bool:
        """Before the end, while `run` still runs: wait until everything is said; False when time ran out."""
        try:
            async with asyncio.timeout(seconds):
                for channel in self.channels.values():
                    await channel.idle()
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        """Close every notifier, also when one of them fails to; what was never said is told in the log. Safe twice."""
        for name, channel in self.channels.items():
            if waiting := channel.box.waiting:
                _log.warning("receiver %s is closed, and %d of its alerts were never sent", name, waiting)
            try:
                await channel.notifier.aclose()
            except Exception:  # noqa: BLE001 - whatever one raises, the others must be closed
                _log.exception("receiver %s did not close", name)

    def samples(self) -> Iterator[tuple[str, list[Sample]]]:
        """`outrider_notifications_*`, every outcome from the start."""
        channels = self.channels.values()
        yield (
            "outrider_notifications_total",
            [
                Sample((channel.name, outcome.value), channel.counts[outcome])
                for channel in channels
                for outcome in Sent
            ],
        )
        yield "outrider_notifications_waiting", [Sample((channel.name,), channel.box.waiting) for channel in channels]
