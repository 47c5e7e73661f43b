"""How often each path was asked, and what became of it: who hammers us, and who asks in vain."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from exporters.base import Sample

OTHER = "other"  #: every path that does not exist, together: a scanner must not grow our series


@dataclass(slots=True)
class Counted:
    """Requests by path, as in the table of routes, and status. Outlives a listener that moves."""

    _counts: dict[tuple[str, int], int] = field(default_factory=dict)

    def add(self, path: str, status: int) -> None:
        """One request was answered."""
        key = (path, status)
        self._counts[key] = self._counts.get(key, 0) + 1

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page."""
        counts = self._counts.items()
        yield "outrider_http_requests_total", [Sample((path, str(status)), count) for (path, status), count in counts]
