"""How many bytes of unfinished requests may be held at once: charged before they are read."""

from types import TracebackType
from typing import Self


class Busy(Exception):  # noqa: N818 - the answer to a request
    """There is no room for this request now; there will be when others are done."""


class Budget:
    """Bytes that all requests being received share."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0

    def share(self) -> "Share":
        """The part of one request: `with budget.share() as share`. It is given back at the end."""
        return Share(self)


class Share:
    """What one request holds of the budget."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._size = 0

    def cover(self, size: int) -> None:
        """Hold at least `size` bytes. Raises Busy, and then holds what it held before."""
        more = size - self._size
        if more <= 0:
            return
        if self._budget.used + more > self._budget.capacity:
            raise Busy
        self._budget.used += more
        self._size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.used -= self._size
        self._size = 0
