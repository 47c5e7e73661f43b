"""Which address belongs to which replica, and whom to ask next. Pure but for chance."""

import random
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from agent.peers.way import SAMPLE

MOST = 1024  #: addresses of one fleet; what a resolver says beyond that is passed over
RECHECK = 60.0  #: seconds until the own address is asked again: it may be another's by now


class Base(NamedTuple):
    """Where one replica may answer. `family` is that of the socket, 0 where it is not known."""

    url: str
    family: int = 0


class _Known(NamedTuple):
    identity: str
    at: float


class Book:
    """The addresses of the fleet. A replica with an IPv4 and an IPv6 address is one replica, asked at one of them."""

    def __init__(self, identity: str, chance: random.Random) -> None:
        self._identity = identity
        self._chance = chance
        self._bases: list[Base] = []
        self._known: dict[str, _Known] = {}

    def __len__(self) -> int:
        return len(self._bases)

    def update(self, bases: Iterable[Base]) -> None:
        """These addresses there are now; what is known of those that stay is kept."""
        self._bases = list({base.url: base for base in islice(bases, MOST)}.values())
        there = {base.url for base in self._bases}
        self._known = {url: known for url, known in self._known.items() if url in there}

    def note(self, url: str, identity: str, now: float) -> str | None:
        """This replica answers at this address; one that has left the list meanwhile is passed over.

        Returns who answered there before, where nobody answers to that name at any address any more.
        """
        if all(base.url != url for base in self._bases):
            return None
        before, self._known[url] = self._known.get(url), _Known(identity, now)
        names = {known.identity for known in self._known.values()}
        return before.identity if before is not None and before.identity not in names else None

    def choose(self, now: float) -> list[str]:
        """Some others at random, each at one of its addresses; now and then the own one too."""
        again: list[str] = []
        others: dict[str, list[str]] = {}
        for base in self._bases:
            known = self._known.get(base.url)
            if known is None or known.identity != self._identity:
                others.setdefault(known.identity if known else base.url, []).append(base.url)
            elif now - known.at >= RECHECK:
                again.append(base.url)
        chosen = self._chance.sample(list(others), min(SAMPLE, len(others)))
        return again + [self._chance.choice(others[name]) for name in chosen]

    def others(self) -> int:
        """How many other replicas there are, the silent ones included.

        A replica may have an address of each family and answer at one alone. So each family is counted for itself, and
        one in which nobody ever answered only where there is no other.
        """
        families: dict[int, set[str]] = {}
        answering: set[int] = set()
        for base in self._bases:
            known = self._known.get(base.url)
            families.setdefault(base.family, set()).add(known.identity if known else base.url)
            if known:
                answering.add(base.family)
        counted = [names for family, names in families.items() if family in answering or not answering]
        heard = {known.identity for known in self._known.values()}
        return max(len(names - {self._identity}) for names in [heard, *counted])
