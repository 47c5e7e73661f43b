"""Who is first: every replica can tell for itself, and all of them agree without a word. Pure.

Rendezvous hashing (Thaler and Ravishankar, 1998): the order differs per key, and a replica that comes or goes moves
nobody else.
"""

from collections.abc import Iterable
from hashlib import blake2b


def rank(identity: str, key: str) -> bytes:
    """Where a replica stands for this key; the smallest is first."""
    return blake2b(f"{key}\0{identity}".encode(), digest_size=8).digest()


def before(identity: str, others: Iterable[str], key: str) -> int:
    """How many of the others stand before this one."""
    own = rank(identity, key)
    return sum(rank(other, key) < own for other in others)
