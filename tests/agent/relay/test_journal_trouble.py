"""What the journal does while the disk cannot be used: nothing is promised, nothing is lost, the books balance."""

import os
import sqlite3
import threading

from agent.relay.entry import Signal
from agent.relay.settings import JournalSettings as Settings
from tests.agent.relay.journals import BODY, A, B, delivered, entry, journal, put, until

FAR = 1 << 62


async def test_flush_says_when_it_cannot(tmp_path):
    """False while somebody else holds the file; True afterwards, and nothing was lost."""
    async with journal(tmp_path) as store:
        shell = sqlite3.connect(tmp_path / "outrider.db", isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        assert not await store.append(entry(store), [A], {"http": 10})
        assert not await store.flush()
        assert "locked" in store.trouble
        shell.execute("ROLLBACK")
        shell.close()
        await until(store)
        assert len(await store.read(A, 0, FAR, 10_000)) == 1


async def test_what_waits_for_the_disk_keeps_its_order_or_is_settled(tmp_path):
    """In trouble: what memory delivered meanwhile is never written, the rest comes in order, the books balance."""
    async with journal(tmp_path, A, B) as store:
        await put(store, A, B)
        shell = sqlite3.connect(tmp_path / "outrider.db", isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        entries = [entry(store, body=bytes([number])) for number in range(6)]
        for one in entries:
            assert not await store.append(one, [A, B], {"http": 10})
            assert not store.on_disk(one.seq)
        for key in (A, B):
            store.settle(key, entries[1:3], delivered(*entries[1:3]))
        store.settle(A, entries[:1], delivered(entries[0]))
        assert store.bytes == len(BODY)
        shell.execute("ROLLBACK")
        shell.close()
        await until(store)
        assert [one.seq for one in await store.read(B, entries[0].seq - 1, FAR, 10_000)] == [
            entries[place].seq for place in (0, 3, 4, 5)
        ]
        assert [one.seq for one in await store.read(A, entries[0].seq - 1, FAR, 10_000)] == [
            entries[place].seq for place in (3, 4, 5)
        ]
    async with journal(tmp_path, A, B) as store:
        assert store.received() == {(Signal.TRACES, "http"): 70}
        assert store.left()[A].account == {("accepted", ""): 70, ("delivered", ""): 30}
        assert store.left()[B].account == {("accepted", ""): 70, ("delivered", ""): 20}


async def test_a_disk_that_hangs_costs_the_sender_its_patience(tmp_path):
    """Then memory has to do, at once; when the disk answers, everything is on it."""
    async with journal(tmp_path, settings=Settings(patience=0.05, retry=0.02, settle=0.005)) as store:
        go = threading.Event()
        busy = store._database.read(lambda _: go.wait(20))
        assert not await store.append(entry(store), [A], {"http": 10})
        assert "does not answer" in store.trouble
        assert not await store.append(entry(store), [A], {"http": 10})
        assert not await store.flush()
        go.set()
        await busy
        await until(store)
        assert len(await store.read(A, 0, FAR, 10_000)) == 2


async def test_a_file_that_is_begun_anew_gets_everything_that_is_known(tmp_path, monkeypatch, caplog):
    """The old one is gone with what it held, and told so; accounts and what comes now are in the new one."""
    monkeypatch.setattr("agent.state.file._LOOK", 0.0)
    async with journal(tmp_path, A, B) as store:
        lost, done = await put(store, A, B), await put(store, A)
        store.settle(A, [done], delivered(done))
        assert await store.flush()
        for path in tmp_path.iterdir():
            path.unlink()
        fresh = entry(store)
        await store.append(fresh, [A], {"http": 10})
        await until(store)
        assert not store.on_disk(lost.seq)
        assert store.on_disk(fresh.seq)
        assert store.bytes == len(BODY)
        assert [one.seq for one in await store.read(A, 0, FAR, 1000)] == [fresh.seq]
        store.settle(A, [], {("dropped", "lost"): 10})
        store.settle(B, [], {("dropped", "lost"): 10})
    assert any("is lost with the file that was set aside: 20" in line for line in caplog.messages)
    async with journal(tmp_path, A, B) as store:
        account = {("accepted", ""): 30, ("delivered", ""): 10, ("dropped", "lost"): 10}
        assert store.left()[A].account == account
        assert store.left()[B].account == {("accepted", ""): 10, ("dropped", "lost"): 10}


async def test_a_late_start_adds_to_what_was_there(tmp_path):
    """The folder was not to be had when the agent started: its books go on where they were once it is."""
    folder, away = tmp_path / "state", tmp_path / "away"
    async with journal(folder) as store:
        kept, done = await put(store), await put(store)
        store.settle(A, [done], delivered(done))
    folder.rename(away)
    folder.write_text("in the way")
    async with journal(folder) as store:
        assert store.left() == {}
        made = entry(store)
        assert not await store.append(made, [A], {"http": 10})
        store.settle(A, [], {("dropped", "sampled"): 5})
        folder.unlink()
        away.rename(folder)
        await until(store)
        assert await store.read(A, 0, FAR, 10_000) == [kept, made]
    async with journal(folder) as store:
        account = {("accepted", ""): 35, ("delivered", ""): 10, ("dropped", "sampled"): 5}
        assert store.left()[A].account == account
        assert store.received() == {(Signal.TRACES, "http"): 30}


async def test_a_journal_without_a_folder_serves_on(tmp_path):
    """Everything answers, nothing raises, and closing does not hang."""
    (tmp_path / "state").write_text("in the way")
    async with journal(tmp_path / "state") as store:
        made = entry(store, body=os.urandom(100))
        assert not await store.append(made, [A], {"http": 10})
        assert await store.read(A, 0, FAR, 1000) == []
        assert await store.oldest(1000) == []
        store.settle(A, [made], delivered(made))
        store.quarantine(A, made, "bad")
        store.learn(A, 1000)
        assert not await store.flush()
        assert store.trouble
        assert store.bytes == 0
