"""A journal in bad company: disks that fail in the middle, senders that never pause, folders that vanish."""

import asyncio
import contextlib
import shutil
import sqlite3
import time

import pytest

from tests.agent.relay.journals import A, delivered, entry, journal, put


@contextlib.contextmanager
def locked(folder):
    """Somebody else's transaction, such as a person's in a shell."""
    other = sqlite3.connect(folder / "outrider.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def test_nobody_waits_for_a_disk_that_fails_meanwhile(tmp_path):
    """An append that comes while the disk fails for others is answered as they are, and written when that works."""
    async with journal(tmp_path) as store:
        await put(store)
        with locked(tmp_path):
            store.learn(A, 65536)
            await asyncio.sleep(0.1)  # the thread is at it: SQLite tries for 0.2 s
            late = entry(store)
            async with asyncio.timeout(60):
                assert await store.append(late, (A,), {"http": late.items}) is False
            assert store.trouble
        async with asyncio.timeout(60):
            while not await store.flush():
                await asyncio.sleep(0.01)
        assert [one.seq for one in await store.read(A, 0, store.next_seq, 1 << 20)][-1] == late.seq


async def test_a_flush_waits_for_what_was_there_and_for_no_more(tmp_path):
    """However many senders go on meanwhile: the limits of the queue are kept by somebody who asks for this."""
    async with journal(tmp_path) as store:
        written = []

        async def sends():
            while True:
                written.append(await put(store, body=b"\x0a\x02" * 20_000))

        senders = [asyncio.create_task(sends()) for _ in range(64)]
        try:
            await asyncio.sleep(0.1)
            for _ in range(20):
                before = len(written)
                async with asyncio.timeout(60):
                    assert await store.flush()
                assert len(written) - before < 64 * 20
        finally:
            for one in senders:
                one.cancel()
            await asyncio.gather(*senders, return_exceptions=True)


@pytest.mark.parametrize("whole", [False, True], ids=["file", "folder"])
async def test_what_is_held_in_memory_outlives_the_file(tmp_path, monkeypatch, whole):
    """The file, or the folder with it, is removed: a new one is begun, whose books balance whatever is settled now."""
    monkeypatch.setattr("agent.state.file._LOOK", 0.0)
    folder = tmp_path / "state"
    async with journal(folder) as store:
        old = [await put(store) for _ in range(3)]
        if whole:
            shutil.rmtree(folder)
        else:
            for path in folder.glob("outrider.db*"):
                path.unlink()
        deadline = time.monotonic() + 60
        new = []
        while not new or not store.on_disk(new[-1].seq):
            assert time.monotonic() < deadline
            new.append(entry(store))
            await store.append(new[-1], (A,), {"http": 10})
            await asyncio.sleep(0.005)
        store.settle(A, old, delivered(*old))  # memory had them all the while
        assert await store.flush()
        assert await store.verify() == []
        owed = await store.read(A, 0, store.next_seq, 1 << 20)
        assert [one.seq for one in owed] == [one.seq for one in new]
