"""What the relay is told: the user's limits, and parameters that only code and tests change."""

from dataclasses import dataclass
from typing import Literal

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait, over all destinations and signals.

    `memory` and `disk` are in bytes, `max_age` in seconds. `on_full` None: memory refuses, a disk drops its oldest.
    """

    memory: int = 16 * MIB
    disk: int = 256 * MIB
    max_age: float = 3 * 86400.0
    on_full: Literal["refuse", "drop_oldest"] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How lanes work.

    `merge_bytes`: size of a merged request; below the 4 MiB at which gRPC receivers refuse for good. `brisk_bytes`: its
    size while less than that waits, since pages of memory that were just used are cheaper than fresh ones. `linger`:
    seconds to wait for more to merge with; a request costs as much CPU as some hundred spans. `read_bytes`: read back
    from disk at once, for each lane beside what memory may hold. `tidy`: seconds between two looks at the limits.
    `grace`: seconds for which a removed destination may come back to what it was owed on disk.
    """

    merge_bytes: int = 3_670_016  # 3.5 MiB
    linger: float = 0.1
    brisk_bytes: int = 512 * 1024
    read_bytes: int = MIB
    tidy: float = 5.0
    grace: float = 3600.0


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """How the journal works. Times in seconds."""

    grace: float = 3600.0  #: that a lane is kept after the configuration stopped naming it
    company: float = 0.003  #: that a request waits for others where the last transaction is younger than that
    settle: float = 0.02  #: that settled entries wait for company; after a crash they are sent again
    retry: float = 1.0  #: between two attempts to write what could not be written
    patience: float = 2.0  #: that a sender waits for a disk before memory has to do
    batch: int = 4 << 20  #: bytes of the bodies of one transaction
