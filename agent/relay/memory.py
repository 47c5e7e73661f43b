"""The bodies that are held in memory: each of them once, however many lanes owe it, and bounded in bytes."""

from collections import OrderedDict
from collections.abc import Iterator

from agent.relay.entry import Entry

#: Bytes that an entry costs beside its body (object headers, the entry, its places), so that a million requests of one
#: tiny span cannot hold ten times the memory that was allowed.
OVERHEAD = 512


class Memory:
    """Counts what lanes hold. The oldest can be asked for, as that one leaves first; `limit` is in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._held: OrderedDict[int, Entry] = OrderedDict()
        self._owners: dict[int, int] = {}  # of entries that more than one lane holds

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Entry]:
        """Oldest first; nothing may be held or released meanwhile."""
        return iter(self._held.values())

    def room(self, size: int) -> bool:
        """Whether a body of `size` bytes can be held now."""
        return self.bytes + size + (len(self._held) + 1) * OVERHEAD <= self.limit

    def hold(self, entry: Entry, owners: int) -> None:
        """So many lanes hold it from now on."""
        self._held[entry.seq] = entry
        if owners > 1:
            self._owners[entry.seq] = owners
        self.bytes += entry.size

    def release(self, seq: int) -> None:
        """One lane less holds it."""
        owners = self._owners.get(seq, 1)
        if owners > 1:
            self._owners[seq] = owners - 1
        else:
            self.forget(seq)

    def forget(self, seq: int) -> None:
        """It counts no longer, whoever still holds it: what is on its way upstream stays until it is there."""
        entry = self._held.pop(seq, None)
        self._owners.pop(seq, None)
        if entry is not None:
            self.bytes -= entry.size

    def oldest(self) -> Entry | None:
        """The first that would leave."""
        return next(iter(self._held.values()), None)
