"""A small process that appends for ever and says what it was promised; the tests kill it.

`python -m tests.agent.relay.appender FOLDER process|host BYTES LOG`: the size of a body, and of
the log. Its lines: `ready`, `safe SEQ`, `waits SEQ`,
`settles SEQ` (before it does), `trouble WORDS`, `well`.
"""

import asyncio
import os
import sys
from collections import deque
from pathlib import Path

from agent.relay.entry import Entry, Signal
from agent.relay.journal import SCHEMA, Journal
from agent.relay.settings import JournalSettings as Settings
from agent.relay.store import LaneKey
from agent.state import database as state

LANE = LaneKey(Signal.TRACES, "a")
OWED = 40  # at a time


def say(*words: object) -> None:
    """One line, out at once: a line that is read was true."""
    os.write(1, " ".join(map(str, (*words, "\n"))).encode())


async def main(folder: str, durability: str, size: int, log: int) -> None:
    """Append, settle what is old, for ever."""
    settings = state.Settings(retry=0.02, log=log, tell=0.0)
    database = state.Database(Path(folder), [SCHEMA], host=durability == "host", settings=settings)
    say("opens")
    await database.open()
    journal = Journal(database, settings=Settings(retry=0.02))
    await journal.open([LANE])
    say("ready")
    owed: deque[Entry] = deque()
    trouble = ""
    while True:
        entry = Entry(journal.next_seq, Signal.TRACES, os.urandom(size), 10, 1000.0)
        journal.next_seq += 1
        safe = await journal.append(entry, [LANE], {"http": 10})
        say("safe" if safe else "waits", entry.seq)
        owed.append(entry)
        if len(owed) > OWED:
            old = owed.popleft()
            say("settles", old.seq)
            journal.settle(LANE, [old], {("delivered", ""): 10})
        if journal.trouble != trouble:
            trouble = journal.trouble
            say("trouble" if trouble else "well", trouble)
        if not safe:
            await asyncio.sleep(0.002)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
