"""What was accepted is in the state folder until every lane settled it, and the books balance at every instant."""

import asyncio
import threading
from pathlib import Path

import pytest

from agent.relay.entry import Signal
from agent.relay.settings import JournalSettings as Settings
from agent.relay.store import Left
from tests.agent.relay.journals import BODY, LOGS, A, B, delivered, entry, journal, put

FAR = 1 << 62


async def test_what_is_owed_is_there_after_a_restart(tmp_path):
    """Bodies, headers, times and order; the account with it; seqs go on."""
    headers = (("x-tenant", "ünï"),)
    async with journal(tmp_path) as first:
        one = await put(first, body=b"one", headers=headers, at=1234.5)
        two = await put(first, body=b"two", items=7)
        three = await put(first, body=b"three")
        first.settle(A, [two], delivered(two))
    async with journal(tmp_path) as second:
        account = {("accepted", ""): 27, ("delivered", ""): 7}
        assert second.left() == {A: Left(account, 2, 20, 8, 1234.5, 0)}
        assert second.received() == {(Signal.TRACES, "http"): 27}
        assert await second.read(A, 0, FAR, 1000) == [one, three]
        assert second.next_seq > three.seq
        assert second.bytes == 8


async def test_reading_is_bounded_in_bytes(tmp_path):
    """About so many, at least one, and the next read goes on behind them."""
    async with journal(tmp_path) as store:
        entries = [await put(store, body=bytes(100)) for _ in range(10)]
        assert await store.read(A, 0, FAR, 250) == entries[:3]
        assert await store.read(A, 0, FAR, 1) == entries[:1]
        assert await store.read(A, entries[2].seq, entries[5].seq, 10_000) == entries[3:5]
        assert await store.read(B, 0, FAR, 10_000) == []


async def test_a_lane_reads_only_what_it_owes(tmp_path):
    """A request leaves the disk when the last lane settled it, and not before."""
    async with journal(tmp_path, A, B) as store:
        both, mine = await put(store, A, B), await put(store, A)
        store.settle(A, [both], delivered(both))
        assert await store.read(A, 0, FAR, 10_000) == [mine]
        assert await store.read(B, 0, FAR, 10_000) == [both]
        assert await store.flush()
        assert store.bytes == 2 * len(BODY)
        store.settle(B, [both], {("rejected", "invalid"): 10})
        assert await store.flush()
        assert store.bytes == len(BODY)


async def test_a_settled_entry_is_never_read_again(tmp_path):
    """Also in the moment before that is written."""
    async with journal(tmp_path, settings=Settings(settle=60)) as store:
        entries = [await put(store) for _ in range(5)]
        store.settle(A, entries[:4], delivered(*entries[:4]))
        assert await store.read(A, 0, FAR, 1) == entries[4:]


async def test_appends_of_one_turn_share_a_transaction(tmp_path):
    """A hundred senders cost one commit, and one more at most."""
    async with journal(tmp_path) as store:
        statements = []
        await store._database.read(lambda db: db.set_trace_callback(statements.append))
        await asyncio.gather(*(put(store) for _ in range(100)))
        assert 1 <= statements.count("COMMIT") <= 2


async def test_on_disk_is_exact(tmp_path):
    """Not while it is written, but from the moment it is; nor what was never appended."""
    async with journal(tmp_path) as store:
        made, go = entry(store), threading.Event()
        busy = store._database.read(lambda _: go.wait(10))
        append = asyncio.create_task(store.append(made, [A], {"http": 10}))
        await asyncio.sleep(0)
        assert not store.on_disk(made.seq)
        go.set()
        await busy
        assert await append
        assert store.on_disk(made.seq)
        assert not store.on_disk(made.seq + 1)


async def test_an_entry_that_is_settled_while_it_is_written(tmp_path):
    """It leaves the disk again, and every number is right."""
    async with journal(tmp_path) as store:
        assert await store.flush()
        made, go = entry(store), threading.Event()
        busy = store._database.read(lambda _: go.wait(10))
        append = asyncio.create_task(store.append(made, [A], {"http": 10}))
        await asyncio.sleep(0.01)
        store.settle(A, [made], delivered(made))
        go.set()
        await busy
        assert await append
        assert await store.flush()
        assert store.bytes == 0
    async with journal(tmp_path) as store:
        assert store.left()[A] == Left({("accepted", ""): 10, ("delivered", ""): 10}, 0, 0, 0, 0.0, 0)


async def test_a_sender_that_goes_away_harms_nobody(tmp_path):
    """Its append is cancelled; the entry is kept, those beside it are answered."""
    async with journal(tmp_path) as store:
        go = threading.Event()
        busy = store._database.read(lambda _: go.wait(10))
        gone = asyncio.create_task(store.append(entry(store), [A], {"http": 10}))
        stays = asyncio.create_task(store.append(entry(store), [A], {"http": 10}))
        await asyncio.sleep(0.01)
        gone.cancel()
        go.set()
        await busy
        assert await stays
        assert len(await store.read(A, 0, FAR, 10_000)) == 2


async def test_what_was_left_out_by_sampling_is_in_the_books(tmp_path):
    """Numbers without an entry: accepted and dropped at once."""
    async with journal(tmp_path) as store:
        store.settle(A, [], {("accepted", ""): 90, ("dropped", "sampled"): 90})
        await put(store)
    async with journal(tmp_path) as store:
        assert store.left()[A].account == {("accepted", ""): 100, ("dropped", "sampled"): 90}


async def test_signals_have_books_of_their_own(tmp_path):
    """Logs to the same destination are another lane."""
    async with journal(tmp_path, A, LOGS) as store:
        await put(store, LOGS, signal=Signal.LOGS, items=3)
        await put(store, A)
    async with journal(tmp_path, A, LOGS) as store:
        assert {key: left.items for key, left in store.left().items()} == {A: 10, LOGS: 3}
        assert store.received() == {(Signal.TRACES, "http"): 10, (Signal.LOGS, "http"): 3}
        assert (await store.read(LOGS, 0, FAR, 1000))[0].signal is Signal.LOGS


async def test_the_oldest_come_with_who_owes_them(tmp_path):
    """For the caps: without bodies, in order, about as many bytes as were asked for."""
    async with journal(tmp_path, A, B) as store:
        entries = [await put(store, A, B, body=bytes(100)) for _ in range(5)]
        store.settle(A, entries[:1], delivered(*entries[:1]))
        store.settle(A, entries[1:2], delivered(entries[1]))
        store.settle(B, entries[1:2], delivered(entries[1]))
        found = await store.oldest(150)
        assert [(one.seq, one.body, owers) for one, owers in found] == [
            (entries[0].seq, b"", (B,)),
            (entries[2].seq, b"", (A, B)),
        ]


async def test_what_an_upstream_taught_is_remembered(tmp_path):
    """The merge size it takes, for the next process."""
    async with journal(tmp_path) as store:
        store.learn(A, 65536)
    async with journal(tmp_path) as store:
        assert store.left()[A].merge_bytes == 65536


async def test_quarantine_is_bounded(tmp_path):
    """A hundred requests and 4 MiB: the newest stay; of one that is larger only that it was there."""
    async with journal(tmp_path) as store:
        for number in range(130):
            store.quarantine(A, entry(store, body=bytes(10)), f"bad {number}")
        await store.flush()
        store.quarantine(A, entry(store, body=bytes(5 << 20)), "huge")
        await store.flush()
        rows = await store._database.read(lambda db: db.execute("SELECT reason, size, body FROM quarantine").fetchall())
        assert len(rows) == 100
        assert rows[-1] == ("huge", 5 << 20, None)
        assert rows[0][0] == "bad 31"
        for _ in range(7):
            store.quarantine(A, entry(store, body=bytes(1 << 20)), "big")
            await store.flush()
        total = "SELECT sum(length(body)), count(*) FROM quarantine"
        assert await store._database.read(lambda db: db.execute(total).fetchone()) == (4 << 20, 4)


@pytest.mark.case("G7")
async def test_a_lane_that_is_gone_has_an_hour(tmp_path):
    """Given back if it returns, later dropped and counted; a new lane owes what comes from now on."""
    async with journal(tmp_path, A, wall=lambda: 1000.0) as store:
        made = await put(store, A)
    async with journal(tmp_path, B, wall=lambda: 5000.0) as store:
        assert store.left()[A].items == 10
        assert await store.read(B, 0, FAR, 1000) == []
        await put(store, B)
    async with journal(tmp_path, A, B, wall=lambda: 6000.0) as store:
        assert await store.read(A, 0, FAR, 1000) == [made]
    async with journal(tmp_path, B, wall=lambda: 7000.0) as store:
        assert store.left()[A].items == 10
    async with journal(tmp_path, B, wall=lambda: 10_599.0) as store:
        assert store.left()[A].items == 10
    async with journal(tmp_path, B, wall=lambda: 10_600.0) as store:
        assert store.left()[A].account == {("accepted", ""): 10, ("dropped", "removed"): 10}
        assert store.left()[A].items == 0
        assert store.left()[B].items == 10
        assert await store.verify() == []


async def test_lanes_that_come_and_go_do_not_pile_up(tmp_path):
    """A destination with a new name at every start: the last few accounts are kept."""
    keys = [A._replace(dest=f"d{number}") for number in range(30)]
    for at, key in enumerate(keys):
        async with journal(tmp_path, key, wall=lambda at=at: 1000.0 + at) as store:
            made = await put(store, key)
            store.settle(key, [made], delivered(made))
    async with journal(tmp_path, A, wall=lambda: 5000.0) as store:
        assert set(store.left()) == set(keys[-20:])
        assert await store.verify() == []


async def test_the_backlog_is_not_loaded_at_the_start(tmp_path):
    """Opening reads the index of what is owed; 40 MiB of bodies stay where they are."""
    async with journal(tmp_path) as store:
        for _ in range(40):
            await put(store, body=bytes(1 << 20))
    before = read_bytes()
    async with journal(tmp_path) as store:
        assert store.left()[A].bytes == store.bytes == 40 << 20
        assert read_bytes() - before < 2 << 20


async def test_a_plan_that_scans_no_bodies(tmp_path):
    """Every statement of the hot path goes through an index."""
    async with journal(tmp_path) as store:

        def plans(db):
            for sql in (
                "DELETE FROM owed WHERE lane = 1 AND seq IN (SELECT value FROM json_each('[1]'))",
                """DELETE FROM requests WHERE seq IN (SELECT value FROM json_each('[1]'))
                    AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.seq = requests.seq)""",
                """SELECT r.body FROM owed o CROSS JOIN requests r ON r.seq = o.seq
                    WHERE o.lane = 1 AND o.seq > 1 AND o.seq < 9 ORDER BY o.seq""",
            ):
                yield from (row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())

        steps = await store._database.read(lambda db: list(plans(db)))
        assert not [step for step in steps if step.startswith("SCAN") and "json_each" not in step]
        assert not [step for step in steps if "TEMP B-TREE" in step]


async def test_memory_does_not_grow_with_the_disk(tmp_path):
    """A thousand entries on disk, and nothing of them in memory."""
    async with journal(tmp_path) as store:
        for _ in range(10):
            await asyncio.gather(*(put(store) for _ in range(100)))
        assert not store._pending.waiting
        assert not store._pending
        assert store.bytes == 1000 * len(BODY)


def read_bytes():
    """What this process read from files so far."""
    return int(Path("/proc/self/io").read_text().split()[1])
