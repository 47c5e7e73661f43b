"""The agent's own heartbeat: whoever waits for it calls a person when it stays away.

It goes out only while objectives are evaluated and alerts leave, so it proves more than that a process is there. A
missing one is not sent later: what it would say is not true any more.
"""

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from agent.guard import Guard
from config.net.text import clean
from config.sections.heartbeat import Heartbeat
from exporters.base import Permanent, Retryable, Sample
from exporters.notify.post import Poster

log = logging.getLogger(__name__)

FIRST = 1.0  #: seconds until the first one: objectives are evaluated by then
SPREAD = 10.0  #: seconds over which agents that start together spread it


class Beat(StrEnum):
    """What became of one heartbeat; the label `outcome` of `outrider_heartbeats_sent_total`."""

    OK = "ok"
    FAILED = "failed"
    WITHHELD = "withheld"


class Heart:
    """Beats while a heartbeat is configured: `configure` for each plan, `aclose` once the tasks have ended."""

    def __init__(
        self,
        guard: Guard,
        withheld: Callable[[], str],
        says: Callable[[], Mapping[str, object]],
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`withheld`: why none may be sent now, "" where one may. `says`: what the one who waits is told besides."""
        self._guard, self._withheld, self._says, self._chance = guard, withheld, says, chance
        self._options: Heartbeat | None = None
        self._poster: Poster | None = None
        self._counts: Counter[Beat] = Counter()
        self._last = Beat.OK

    async def configure(self, options: Heartbeat | None) -> list[str]:
        """Put these options in force; None: no heartbeat. Returns what changed, in sentences."""
        if options == self._options:
            return []
        what = "stopped" if options is None else "started" if self._options is None else "restarted"
        await self._guard.stop("heartbeat")
        await self.aclose()
        self._options = options
        if options is not None:
            self._guard.start("heartbeat", self.run)
        return [f"heartbeat {what}"]

    async def run(self) -> None:
        """Beat, for ever."""
        options, loop = self._options, asyncio.get_running_loop()
        if options is None:
            return
        due = loop.time() + FIRST + self._chance() * min(SPREAD, options.interval)
        while True:
            await asyncio.sleep(due - loop.time())
            await self._beat(options)
            due = max(due + options.interval, loop.time())

    async def _beat(self, options: Heartbeat) -> None:
        if why := self._withheld():
            self._note(Beat.WITHHELD, why)
            return
        try:
            await self._send(options)
        except (Retryable, Permanent) as error:
            self._note(Beat.FAILED, clean(str(error)))
        else:
            self._note(Beat.OK)

    async def _send(self, options: Heartbeat) -> None:
        if self._poster is None:
            timeout = min(options.timeout, options.interval)
            self._poster = Poster(headers=options.headers, tls=options.tls, timeout=timeout)
        if options.method == "GET":
            await self._poster.get(options.url)
        else:
            await self._poster.post(options.url, json.dumps(self._says()).encode())

    def _note(self, beat: Beat, why: str = "") -> None:
        """Count it, and tell the log where it is otherwise than the one before."""
        self._counts[beat] += 1
        before, self._last = self._last, beat
        if beat is before:
            return
        if beat is Beat.OK:
            log.info("the heartbeat is sent again")
        else:
            log.warning("the heartbeat %s: %s", "failed" if beat is Beat.FAILED else "is withheld", why)

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page; nothing where there is no heartbeat."""
        if self._options is not None:
            yield "outrider_heartbeats_sent_total", [Sample((beat.value,), self._counts[beat]) for beat in Beat]

    async def aclose(self) -> None:
        """Close the connection. Safe twice."""
        poster, self._poster = self._poster, None
        if poster is not None:
            await poster.aclose()
