"""The loop that looks at the other replicas, again and again."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable

from agent.peers.way import Hearing, Way
from agent.readiness.fleet import Fleet
from exporters.base import Sample

log = logging.getLogger(__name__)

_SPREAD = 0.1  # replicas that started together must not ask together


class Peers:
    """Looks every `refresh` seconds, at once when it starts; `fleet` knows the rest. `run` is a guarded task."""

    def __init__(
        self,
        way: Way,
        hearing: Hearing,
        refresh: float,
        *,
        service: str,
        wants_out: Callable[[], bool],
        heard: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._way, self._hearing = way, hearing
        self._refresh = refresh
        self._service = service
        self._wants_out, self._heard = wants_out, heard
        self._clock, self._chance = clock, chance
        self._isolated_since: float | None = None

    @property
    def fleet(self) -> Fleet:
        """What is known of the others."""
        return self._hearing.fleet

    @property
    def trouble(self) -> str:
        """What the newest request that failed met with, for people; "" when there was none."""
        return self._hearing.trouble

    async def run(self) -> None:
        """Look for ever. Nothing that a peer does ends it."""
        while True:
            began = self._clock()
            await self._way.look(self._hearing)
            now = self._clock()
            self._tell(now)
            self._heard()
            spread = 1 + _SPREAD * (2 * self._chance() - 1)
            await asyncio.sleep(max(self._refresh * _SPREAD, began + self._refresh * spread - now))

    async def aclose(self) -> None:
        """Say goodbye where others would wait for us, and close what was opened. Safe twice; stop `run` first."""
        await self._way.aclose()

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page."""
        now, fleet = self._clock(), self.fleet
        counts = self._hearing.counts.items()
        yield "outrider_peer_requests_total", [Sample((outcome,), count) for outcome, count in counts]
        yield "outrider_peers_known", [Sample((), fleet.size(now) - 1)]
        yield "outrider_peers_fresh", [Sample((), len(fleet.fresh(now)))]
        yield "outrider_peers_isolated", [Sample((), float(fleet.isolated(now)))]
        yield "outrider_peer_info", [Sample((self._service, fleet.identity), 1.0)]
        yield "outrider_peer_wants_out", [Sample((), float(self._wants_out()))]

    def _tell(self, now: float) -> None:
        """One line when the last voice falls silent, one when the first is heard again."""
        self.fleet.members(now)  # whoever has been silent for long is forgotten
        isolated = self.fleet.isolated(now)
        if isolated and self._isolated_since is None:
            self._isolated_since = now
            others, said = self.fleet.size(now) - 1, f" ({self.trouble})" if self.trouble else ""
            log.warning(
                "peers: none of %d other replicas answers%s; whatever is shared is taken to be down for everyone",
                others,
                said,
            )
        elif not isolated and self._isolated_since is not None:
            log.info("peers: other replicas are heard again, after %.0f s", now - self._isolated_since)
            self._isolated_since = None
