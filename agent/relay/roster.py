"""Which lanes there are, what belongs to each, and what becomes of that when its destination goes."""

import logging
from collections.abc import Callable

from agent.relay.caps import Caps
from agent.relay.entry import Signal
from agent.relay.ledger import ITEMS, Account, Ledger
from agent.relay.memory import Memory
from agent.relay.queue import Queue
from agent.relay.store import LaneKey, Store

_READ = 1024 * 1024  # bytes of what nobody came back for, read at once

_logger = logging.getLogger(__name__)


class Roster:
    """Opens and closes accounts. `grace`: seconds for which a lane's queue on disk waits for its destination.

    `clock` is in seconds, `wall` gives Unix time.
    """

    def __init__(
        self,
        ledger: Ledger,
        memory: Memory,
        store: Store,
        caps: Caps,
        grace: float,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.owners: dict[Signal, tuple[LaneKey, ...]] = {}  #: the lanes that owe what comes now
        self._ledger = ledger
        self._memory = memory
        self._store = store
        self._caps = caps
        self._grace = grace
        self._clock = clock
        self._wall = wall
        self._forget_at: dict[LaneKey, float] = {}
        self._restore()

    def account(self, key: LaneKey) -> Account:
        """The account of a lane that works from now on: the one it had, or a new one."""
        self._forget_at.pop(key, None)
        account = self._ledger.lanes.get(key)
        if account is None:
            account = self._ledger.gone.pop(key, None) or Account(Queue(self._memory, self._wall))
            self._ledger.lanes[key] = account
        elif account.learnt:  # from the upstream that this one takes the place of
            account.learnt = 0
            self._store.learn(key, 0)
        self._owe()
        return account

    def leave(self, key: LaneKey) -> None:
        """Nobody works for this lane any more: it owes nothing of what comes from now on."""
        self.end(key, "removed")
        account = self._ledger.lanes.pop(key)
        account.queue.park()
        if account.queue.items:
            self._ledger.gone[key] = account
            self._forget_at[key] = self._clock() + self._grace
        self._owe()

    def end(self, key: LaneKey, reason: str) -> None:
        """Its worker has ended: give up what is in memory only, and tell what became of everything."""
        account = self._ledger.lanes[key]
        account.queue.release()
        held = account.queue.in_memory_before()
        unwritten = [entry for entry in held if not self._store.on_disk(entry.seq)]
        self._caps.drop(key, unwritten, reason, quietly=True)  # the line below has the number
        _tell(key, account)

    async def forget(self) -> None:
        """Give up what nobody came back for in time."""
        for key in [key for key, at in self._forget_at.items() if self._clock() >= at]:
            await self._forget(key)

    async def _forget(self, key: LaneKey) -> None:
        while key in self._ledger.gone:
            queue = self._ledger.gone[key].queue
            with queue.watching():
                found = await self._store.read(key, 0, self._store.next_seq, _READ)
                if key in self._ledger.gone and self._caps.drop(key, found, "removed"):
                    continue
            if not self._store.trouble:
                self._ledger.gone.pop(key, None)
                self._forget_at.pop(key, None)
            return

    def _restore(self) -> None:
        """What earlier processes left: numbers, and queues on disk, which wait for their destinations."""
        for key, left in self._store.left().items():
            account = Account(Queue(self._memory, self._wall), recovered=left.items, learnt=left.merge_bytes)
            account.book(left.account)
            account.queue.restore(left)
            self._ledger.gone[key] = account
            self._forget_at[key] = self._clock() + self._grace
        for (signal, transport), items in self._store.received().items():
            self._ledger.incoming[signal].received[transport] += items

    def _owe(self) -> None:
        keys = tuple(self._ledger.lanes)
        self.owners = {signal: tuple(key for key in keys if key.signal is signal) for signal in Signal}


def _tell(key: LaneKey, account: Account) -> None:
    lost = account.dropped.total() - account.dropped["sampled"] + account.queue.items
    _logger.log(
        logging.WARNING if lost else logging.INFO,
        "%s to %s: accepted %d %s, delivered %d, refused upstream %d, dropped %d, kept on disk %d",
        key.signal,
        key.dest,
        account.accepted,
        ITEMS[key.signal],
        account.delivered,
        account.rejected.total(),
        account.dropped.total(),
        account.queue.items,
    )
