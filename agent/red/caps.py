"""A bounded number of label values: the first ones have their name, the others share OTHER."""

from collections.abc import Callable, Hashable

OTHER = "_other"
_SAMPLES = 3


class Cap:
    """The first `limit` values of one kind. What is beyond is told of once, with samples."""

    def __init__(self, limit: int, what: str, instead: str) -> None:
        self.limit = limit
        self._what = what
        self._instead = instead
        self._known: set[Hashable] = set()
        self._beyond: list[str] = []
        self._told = False

    def __contains__(self, value: Hashable) -> bool:
        return value in self._known

    def admits(self, value: Hashable, name: str) -> bool:
        """Whether the value has its own name; a new one gets it while there is room."""
        if value in self._known:
            return True
        if len(self._known) < self.limit:
            self._known.add(value)
            return True
        if not self._told and len(self._beyond) < _SAMPLES and name not in self._beyond:
            self._beyond.append(name)
        return False

    def say(self, tell: Callable[[str], None]) -> None:
        """Tell of the first values that found no room, once."""
        if self._beyond and not self._told:
            self._told = True
            samples = ", ".join(self._beyond)
            tell(f"more than {self.limit} {self._what}; the others are counted as {OTHER}: {samples}. {self._instead}")
