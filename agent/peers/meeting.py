"""The loop that looks at the peers, as the file in force wants it: started, moved, stopped; its token rotated."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from agent.guard import Guard
from agent.readiness.fleet import Fleet
from config.sections.readiness import Peers as Options
from exporters.base import Sample

if TYPE_CHECKING:
    from agent.peers.refresh import Peers
    from agent.tokens import Tokens

_TASK = "peers"


class Meeting:
    """`own`: the document of this replica. `shared`: shared probes with their timeouts. `heard`: called every round."""

    def __init__(
        self,
        guard: Guard,
        fleet: Fleet,
        *,
        own: Callable[[], Mapping[str, Any]],
        shared: Callable[[], Mapping[str, float]],
        wants_out: Callable[[], bool],
        heard: Callable[[], None],
    ) -> None:
        self._guard, self._fleet = guard, fleet
        self._own, self._shared, self._wants_out, self._heard = own, shared, wants_out, heard
        self._place: tuple[Options, str, int] | None = None
        self._peers: Peers | None = None
        self.tokens: Tokens | None = None  #: who may read what this replica tells; None without peers

    async def swap(self, options: Options | None, service: str, port: int) -> list[str]:
        """Look as these options say; returns what changed, in sentences. A new token alone restarts nothing."""
        place = (replace(options, token=None), service, port) if options else None
        if options and self.tokens is not None:
            self.tokens.rotate(options.token)
        if place == self._place:
            return []
        before, self._place = self._place, place
        await self.aclose()
        if options is None:
            self._fleet.configure(None)
            self.tokens = None
            return ["peers stopped"]
        from agent.peers.open import peers  # noqa: PLC0415 - only where there are peers
        from agent.tokens import Tokens  # noqa: PLC0415

        self.tokens = self.tokens or Tokens(options.token)
        self._peers = peers(
            options,
            service=service,
            port=port,
            fleet=self._fleet,
            own=self._own,
            shared=self._shared,
            wants_out=self._wants_out,
            heard=self._heard,
            tokens=self.tokens,
        )
        self._guard.start(_TASK, self._peers.run)
        return ["peers restarted" if before else "peers started"]

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page."""
        return self._peers.samples() if self._peers else ()

    async def aclose(self) -> None:
        """Stop looking, and say goodbye where others would wait for us. Safe twice."""
        leaving, self._peers = self._peers, None
        if leaving is not None:
            await self._guard.stop(_TASK)
            await leaving.aclose()
