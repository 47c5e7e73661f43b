"""Which version of the service sends spans, and since when. By itself: others read it where nothing else is needed."""

from typing import NamedTuple

from config.net.text import clean

QUIET = 60.0  #: seconds without a span of a version after which it is gone: old and new ones overlap for a moment
LENGTH = 128  #: characters of a version
_REMEMBERED = 8  # versions


class Release(NamedTuple):
    """`since`: Unix time of its first span here. `before`: the version that it took the place of; "" for the first."""

    version: str
    since: float
    before: str = ""


class Releases:
    """Follows the `service.version` of the file's own service. Two versions side by side are no deploy after deploy."""

    def __init__(self) -> None:
        self.newest: Release | None = None
        self._seen: dict[str, float] = {}  # Unix time of the last span; the one seen last comes last

    def see(self, text: str, now: float) -> None:
        """A body of spans of this version came at `now` (Unix time)."""
        version = clean(text, LENGTH)
        if not version:
            return
        fresh = self._lives(version, now)
        self._seen.pop(version, None)
        self._seen[version] = now
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        current = self.newest
        if current and (current.version == version or (fresh and self._lives(current.version, now))):
            return
        self.newest = Release(version, now, current.version if current else "")

    def _lives(self, version: str, now: float) -> bool:
        return now - self._seen.get(version, float("-inf")) < QUIET
