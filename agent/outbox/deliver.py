"""All receivers of one agent."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agent.alerting.engine import Notice
from agent.outbox.broken import broken, mended
from agent.outbox.channel import Channel, Sent
from agent.outbox.dead import DeadLetters
from agent.outbox.store import Entry, Kind
from exporters.base import Alert, Notifier, Sample

if TYPE_CHECKING:
    from agent.outbox.letters import Letters

_log = logging.getLogger(__name__)


class Outbox:
    """One `Channel` and one task per receiver. A receiver that hangs or refuses holds up no other."""

    def __init__(
        self,
        receivers: Mapping[str, Notifier[Any]],
        *,
        before: "Outbox | None" = None,
        letters: "Letters | None" = None,
        labels: Callable[[], Mapping[str, str]] = dict,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`before`: the outbox in force until now; what waits there goes to the receivers of the same names.

        `letters` keeps what waits over a restart; what an earlier process left goes to the receivers that `before` has
        not. `labels` are for the outbox's own alert, on a receiver that is broken.
        """
        self._letters, self._labels, self._clock = letters, labels, clock
        self._broken: dict[str, Alert] = dict(before._broken) if before else {}  # noqa: SLF001 - our own kind
        self.dead: DeadLetters = before.dead if before else DeadLetters()
        self.channels = {
            name: Channel(name, notifier, letters=letters, standing=self._standing, dead=self.dead, clock=clock)
            for name, notifier in receivers.items()
        }
        if letters:
            self._broken |= letters.broken()
            letters.retain({name: channel.kind for name, channel in self.channels.items()})
        for name, channel in self.channels.items():
            if before is not None and name in before.channels:
                channel.adopt(before.channels[name])
            elif letters:
                channel.restore(letters.claim(name, channel.kind))
        if before is not None:
            before._letters = None  # noqa: SLF001 - what is left there is lost
        for name in self._broken.keys() - self.channels.keys():
            self._tell_others(name, mended(self._broken.pop(name), clock(), "was taken out of the file"))

    def post(self, notice: Notice) -> None:
        """Accept a notice; never blocks."""
        if not notice.receivers:
            said = notice.alert.annotations.get("summary", notice.alert.name)
            _log.warning("nobody is told, because no route takes this alert: %s", said)
        for name in notice.receivers:
            channel = self.channels.get(name)
            if channel is not None:
                channel.put(notice.alert)

    def spoken(self, receiver: str) -> bool:
        """Whether one replica is to tell this receiver for all of them."""
        channel = self.channels.get(receiver)
        return channel is not None and channel.notifier.spoken and not channel.notifier.lease

    def waits(self, key: str) -> bool:
        """Whether what is to be said of this alert has not reached every receiver that one replica tells for all."""
        return any(channel.box.holds(key) for name, channel in self.channels.items() if self.spoken(name))

    @property
    def oldest(self) -> float:
        """Seconds that the alert has waited, for whatever receiver, that has waited longest; 0 when none does."""
        return max((channel.oldest for channel in self.channels.values()), default=0.0)

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
            if (waiting := channel.box.waiting) and self._letters and not self._letters.trouble:
                _log.warning("receiver %s is closed; %d of its alerts are kept for the next start", name, waiting)
            elif waiting:
                _log.warning("receiver %s is closed, and %d of its alerts were never sent", name, waiting)
            try:
                await channel.notifier.aclose()
            except Exception:  # noqa: BLE001 - whatever one raises, the others must be closed
                _log.exception("receiver %s did not close", name)

    def samples(self) -> Iterator[tuple[str, list[Sample]]]:
        """`outrider_notifications_*` and `outrider_outbox_*`, every outcome from the start."""
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
        yield "outrider_outbox_oldest_seconds", [Sample((channel.name,), channel.oldest) for channel in channels]

    def _standing(self, name: str, reason: str) -> None:
        """A receiver refused for good, or took something: the others learn of it once per episode."""
        if reason and name not in self._broken:
            self._broken[name] = broken(name, reason, self._labels(), self._clock())
            self._tell_others(name, self._broken[name])
        elif not reason and name in self._broken:
            self._tell_others(name, mended(self._broken.pop(name), self._clock()))

    def _tell_others(self, name: str, alert: Alert) -> None:
        for other, channel in self.channels.items():
            if other != name:
                channel.put(alert)
        if self._letters:
            entry = Entry(alert, alert.started_at) if alert.firing else None
            self._letters.note(name, Kind.BROKEN, {alert.key: entry})
