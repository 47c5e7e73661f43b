"""What is not said yet: alerts that are silenced, and all of them while somebody else calls. Pure.

It stands between the alerts and the speaker and touches neither measurement nor state. What begins meanwhile is held
back, and told late if it still fires then; what was told before gets its end in any case.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from agent.alerting.row import Notice
from agent.alerting.silences import Silences


class Hush:
    """`step` is the only thing that moves it; times are Unix seconds."""

    def __init__(self, silences: Silences, keeps: Callable[[str], bool] = lambda _: False) -> None:
        """`keeps`: whether this receiver is told all the same, because it keeps to silences by itself."""
        self.held: dict[str, Notice] = {}  #: by the alert's key; its receivers are those that were not told
        self._silences, self._keeps = silences, keeps

    def step(self, notices: Sequence[Notice], now: float, *, quiet: bool = False) -> list[Notice]:
        """Take what the alerts have to say; returns what may be said now. `quiet`: nothing new at all."""
        said: list[Notice] = []
        for notice in notices:
            if notice.alert.firing:
                said += self._fires(notice, now, quiet=quiet)
            else:
                said += self._ends(notice)
        late = [each for notice in list(self.held.values()) for each in self._fires(notice, now, quiet=quiet)]
        return said + late

    def restore(self, held: Iterable[Notice], firing: Collection[str]) -> None:
        """Go on from what an earlier process held back, as far as it still fires (by key)."""
        self.held = {notice.alert.key: notice for notice in held if notice.alert.key in firing}

    def _fires(self, notice: Notice, now: float, *, quiet: bool) -> Iterator[Notice]:
        silenced = quiet or self._silences.matching(notice.alert.labels, now) is not None
        later = tuple(name for name in notice.receivers if silenced and (quiet or not self._keeps(name)))
        ready = tuple(name for name in notice.receivers if name not in later)
        if later:
            self.held[notice.alert.key] = replace(notice, receivers=later)
        else:
            self.held.pop(notice.alert.key, None)
        if ready or not silenced:
            yield replace(notice, receivers=ready)

    def _ends(self, notice: Notice) -> Iterator[Notice]:
        held = self.held.pop(notice.alert.key, None)
        told = tuple(name for name in notice.receivers if held is None or name not in held.receivers)
        if told or held is None:
            yield replace(notice, receivers=told)
