"""A store in memory that outlives a relay, and can be told to be in trouble. Its books balance like the journal's."""

import asyncio
from collections import Counter

from agent.relay.store import LaneKey, Left


class Shelf:
    """`trouble` set by a test: nothing is written or read; what came meanwhile is written when it is cleared."""

    durable = True

    def __init__(self, *, delay=0.0):
        self.trouble = ""
        self.next_seq = 1
        self.delay = delay  # seconds until an entry is safe
        self.entries = {}
        self.owed = {}  # seq -> lanes
        self.waiting = {}
        self.accounts = {}
        self.transports = Counter()
        self.learnt = {}
        self.quarantined = []
        self.reads = []
        self._left = {}
        self._received = {}

    @property
    def bytes(self):
        return sum(entry.size for entry in self.entries.values())

    async def append(self, entry, lanes, received):
        self.waiting[entry.seq] = (entry, set(lanes), Counter({(entry.signal, to): n for to, n in received.items()}))
        if self.delay:
            await asyncio.sleep(self.delay)
        return await self.flush()

    async def flush(self):
        if self.trouble:
            return False
        await asyncio.sleep(0)
        self._write()
        return not self.trouble

    def _write(self):
        for seq, (entry, lanes, received) in list(self.waiting.items()):
            del self.waiting[seq]
            self.transports += received
            if lanes:
                self.entries[seq], self.owed[seq] = entry, lanes
                for lane in lanes:
                    self._account(lane)["accepted", ""] += entry.items

    def receive(self, signal, transport, items):
        self.transports[signal, transport] += items

    def settle(self, lane, entries, deltas):
        account = self._account(lane)
        for entry in entries:
            if entry.seq in self.waiting:
                self.waiting[entry.seq][1].remove(lane)
                account["accepted", ""] += entry.items
                continue
            owners = self.owed[entry.seq]
            owners.remove(lane)
            if not owners:
                del self.owed[entry.seq], self.entries[entry.seq]
        account.update(deltas)

    def _account(self, lane):
        return self.accounts.setdefault(lane, Counter())

    def on_disk(self, seq):
        return seq in self.entries

    async def read(self, lane, after, before, limit):
        await asyncio.sleep(0)
        if self.trouble:
            return []
        found, size = [], 0
        for seq in sorted(self.entries):
            if after < seq < before and lane in self.owed[seq] and (not found or size < limit):
                found.append(self.entries[seq])
                size += len(found[-1].body)
        self.reads.append(size)
        await asyncio.sleep(0)
        return found

    async def oldest(self, limit):
        await asyncio.sleep(0)
        if self.trouble:
            return []
        found, size = [], 0
        for seq in sorted(self.entries):
            if size < limit:
                size += len(self.entries[seq].body)
                found.append((self.entries[seq]._replace(body=b""), tuple(self.owed[seq])))
        await asyncio.sleep(0)
        return found

    def left(self):
        return self._left

    def received(self):
        return self._received

    def learn(self, lane, merge_bytes):
        self.learnt[lane] = merge_bytes

    def quarantine(self, lane, entry, reason):
        self.quarantined.append((lane, entry, reason))

    # -- for tests

    def again(self):
        """The same disk, as the next process finds it: what waited is gone."""
        shelf = Shelf()
        shelf.entries, shelf.accounts, shelf.learnt = dict(self.entries), self.accounts, self.learnt
        shelf.owed = {seq: set(lanes) for seq, lanes in self.owed.items()}
        shelf.next_seq = max(self.entries, default=0) + 1
        shelf.transports, shelf._received = self.transports, dict(self.transports)
        for lane in self.accounts:
            owed = [self.entries[seq] for seq in sorted(self.entries) if lane in self.owed[seq]]
            size = sum(len(entry.body) for entry in owed)
            items, at = sum(entry.items for entry in owed), owed[0].at if owed else 0.0
            shelf._left[lane] = Left(dict(self.accounts[lane]), len(owed), items, size, at, self.learnt.get(lane, 0))
        return shelf

    def forget(self):
        """The disk was exchanged for an empty one."""
        self.entries, self.owed, self.waiting = {}, {}, {}

    def balanced(self):
        """Whether accepted = settled + owed, for every lane."""
        return all(
            account["accepted", ""]
            == sum(number for (kind, _), number in account.items() if kind != "accepted")
            + sum(self.entries[seq].items for seq, lanes in self.owed.items() if lane in lanes)
            for lane, account in self.accounts.items()
        )


def lane(dest="gateway", signal="traces"):
    return LaneKey(signal, dest)
