"""How much a sender may send, and all of them together: what the file says, or what the container has room for."""

import os
from dataclasses import dataclass

from config.sections.traces import MIB, Receive
from probes.cgroup import read_limit

RECOMMENDED = 64 * MIB  #: bytes of a request, decompressed: what OTLP 1.11 recommends
LEAST_MEMORY, MOST_MEMORY = 16 * MIB, 128 * MIB
SHARE = 8  #: of the container's memory, one in so many


@dataclass(frozen=True, slots=True)
class Limits:
    """In force, in bytes. `max_body`: of one request, decompressed. `memory`: of all that are being received."""

    max_body: int
    memory: int


def effective(receive: Receive, queue: int, room: int | None = None) -> Limits:
    """The limits of this file on this machine.

    `queue`: bytes of the largest body that can be queued; what never fits is refused for good, not for now. `room`:
    bytes that the container may use, measured where it is None.
    """
    room = room or read_limit() or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    asked = int(receive.max_body or 0)  # plain numbers: a Size would be shown as it was written
    memory = int(receive.memory or 0) or max(asked, min(max(room // SHARE, LEAST_MEMORY), MOST_MEMORY))
    return Limits(min(asked or min(RECOMMENDED, memory // 2), queue), memory)
