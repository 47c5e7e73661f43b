"""One file, one thread, and a loop that never waits for either."""

import asyncio
import os
import sqlite3
import stat
import threading
import time

import pytest

from agent.state.database import Database, Schema, Settings, StateError
from tests.agent.state.conftest import NOTES, QUICK
from tests.agent.state.notes import notes, put


async def test_what_is_written_can_be_read_by_the_next_process(opened, tmp_path):
    """A write that is done is in the file."""
    database = await opened()
    assert database.trouble == ""
    assert await database.write(put("one")) == 1
    await database.aclose()
    again = await opened()
    assert await again.read(notes) == ["one"]
    assert again.generation == 1


async def test_writes_that_wait_share_one_transaction(opened):
    """Ten writes while the thread is busy cost one commit."""
    database = await opened()
    statements, go = [], threading.Event()
    await database.read(lambda db: db.set_trace_callback(statements.append))
    busy = database.read(lambda _: go.wait(60))
    writes = [database.write(put(str(number))) for number in range(10)]
    go.set()
    await asyncio.gather(busy, *writes)
    assert statements.count("COMMIT") == 1
    assert await database.read(notes) == [str(number) for number in range(10)]


async def test_the_loop_turns_while_the_disk_hangs(opened):
    """A work that takes long keeps nobody in the loop waiting."""
    database = await opened()
    go, turns = threading.Event(), 0
    busy = database.write(lambda _: go.wait(60))
    for _ in range(100):
        await asyncio.sleep(0)
        turns += 1
    assert not busy.done()
    go.set()
    assert await busy
    assert turns == 100


async def test_a_work_that_is_wrong_fails_alone(opened):
    """Its error is its own; those that shared its transaction are kept."""
    database = await opened()
    go = threading.Event()
    busy = database.read(lambda _: go.wait(60))
    good, bad = database.write(put("good")), database.write(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"))
    odd = database.write(lambda _: 1 / 0)
    go.set()
    await busy
    assert await good == 1
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        await bad
    with pytest.raises(ZeroDivisionError):
        await odd
    assert await database.read(notes) == ["good"]
    assert database.trouble == ""


async def test_only_this_user_reads_it(opened, tmp_path):
    """Bodies may hold secrets: 0600 for the file, its log and its index."""
    database = await opened()
    await database.write(put("secret"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert set(modes) == {"outrider.db", "outrider.db-wal", "outrider.db-shm", "outrider.lock"}
    assert set(modes.values()) == {0o600}


async def test_settings_of_the_file(opened):
    """A log; on the disk at every commit only in host mode; space can be given back; nothing is written twice."""

    def pragmas(db):
        names = ("journal_mode", "synchronous", "auto_vacuum", "secure_delete", "wal_autocheckpoint", "user_version")
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    database = await opened()
    assert await database.read(pragmas) == ["wal", 1, 2, 0, 0, 1]
    await database.aclose()
    assert (await (await opened(host=True)).read(pragmas))[1] == 2


async def test_an_older_room_is_brought_up(opened):
    """The statements of a newer version run on the file of an older one, once."""
    await (await opened()).aclose()
    newer = Schema("notes", 2, ("ALTER TABLE notes ADD COLUMN at REAL",))
    for _ in range(2):
        database = await opened(schemas=[newer])
        assert database.trouble == ""
        await database.write(lambda db: db.execute("INSERT INTO notes VALUES ('x', 1.5)"))
        await database.aclose()


@pytest.mark.case("F11")
@pytest.mark.parametrize("how", ["layout", "room"])
async def test_a_newer_file_is_left_untouched(opened, tmp_path, how):
    """Refused in words, and not one byte of it changes."""
    await (await opened()).aclose()
    file = tmp_path / "state" / "outrider.db"
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("PRAGMA user_version = 2" if how == "layout" else "UPDATE rooms SET version = 7")
    db.close()
    before = file.read_bytes()
    database = await opened()
    assert "this Outrider knows 1; run the newer one again, or move the file away" in database.trouble
    with pytest.raises(StateError, match="knows 1"):
        await database.write(put("x"))
    await database.aclose()
    assert file.read_bytes() == before


@pytest.mark.parametrize("damage", [b"this was never a database" * 400, b"short"])
async def test_a_damaged_file_is_set_aside(opened, tmp_path, caplog, damage):
    """Renamed with its date and told in one line; a new one begins at once."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "outrider.db").write_bytes(damage)
    database = await opened()
    assert await database.write(put("new")) == 1
    [aside] = folder.glob("outrider.db.damaged-*")
    assert aside.read_bytes() == damage
    assert len(caplog.messages) == 1
    assert f"it was renamed to {aside.name}" in caplog.messages[0]
    assert dict(database.samples())["outrider_state_set_aside_total"][0].value == 1


async def test_damage_that_is_found_late_is_answered_alike(opened, tmp_path):
    """A page that goes bad while the agent runs: the file is set aside, the next write goes to a new one."""
    database = await opened()
    for number in range(50):
        await database.write(put("x" * 3000 + str(number)))
    await database.aclose()
    file = tmp_path / "state" / "outrider.db"
    raw = bytearray(file.read_bytes())
    raw[4096 * 4 :] = b"\xff" * len(raw[4096 * 4 :])
    file.write_bytes(raw)
    database = await opened()
    before = database.generation
    with pytest.raises(StateError, match="damaged"):
        await database.read(notes)
    assert await database.write(put("new")) == 1
    assert await database.read(notes) == ["new"]
    assert database.generation == before + 1


async def test_at_most_three_damaged_files_are_kept(opened, tmp_path):
    """A disk that goes on failing does not fill up with them."""
    folder = tmp_path / "state"
    for number in range(5):
        folder.mkdir(exist_ok=True)
        (folder / "outrider.db").write_bytes(b"junk" * 100 + str(number).encode())
        await (await opened()).aclose()
    kept = sorted(path.read_bytes()[-1:] for path in folder.glob("outrider.db.damaged-*"))
    assert kept == [b"2", b"3", b"4"]


async def test_a_removed_file_is_noticed(opened, tmp_path, monkeypatch):
    """Nothing is written to a file that has no name any more: a new one begins."""
    monkeypatch.setattr("agent.state.file._LOOK", 0.0)
    database = await opened()
    await database.write(put("lost"))
    for path in (tmp_path / "state").iterdir():
        if path.name != "outrider.lock":
            path.unlink()
    assert await database.write(put("kept")) == 1
    assert await database.read(notes) == ["kept"]
    assert database.generation == 2
    assert (tmp_path / "state" / "outrider.db").exists()


async def test_a_folder_that_cannot_be_made_is_told_and_tried_again(opened, tmp_path):
    """A file stands in the way: words, no exception; once it is gone, everything works by itself."""
    (tmp_path / "state").write_text("in the way")
    database = await opened()
    assert "exists" in database.trouble
    assert dict(database.samples())["outrider_state_degraded"][0].value == 1
    with pytest.raises(StateError, match=str(tmp_path)):
        await database.write(put("x"))
    (tmp_path / "state").unlink()
    async with asyncio.timeout(60):
        while database.trouble:
            await asyncio.sleep(0.01)
    assert await database.write(put("y")) == 1


async def test_opening_does_not_hold_up_the_start(tmp_path, monkeypatch):
    """A disk that hangs costs the patience, no more; and the file is there once it answers."""
    go = threading.Event()
    real = os.open

    def slow(path, *rest, **more):
        if threading.current_thread().name == "state" and str(path).endswith(".lock"):
            go.wait(60)
        return real(path, *rest, **more)

    monkeypatch.setattr("os.open", slow)
    database = Database(tmp_path, [NOTES], settings=Settings(patience=0.05, retry=0.02))
    began = time.monotonic()
    await database.open()
    assert time.monotonic() - began < 30
    assert "not open yet" in database.trouble
    go.set()
    assert await database.write(put("x")) == 1
    assert database.trouble == ""
    await database.aclose()


async def test_space_is_given_back(opened, tmp_path):
    """After a long outage the file shrinks again, while nobody waits for it."""
    database = await opened()
    for _ in range(12):
        await database.write(lambda db: db.executemany("INSERT INTO notes VALUES (?)", [("x" * 100_000,)] * 10))
    await database.write(lambda db: db.execute("DELETE FROM notes"))
    file = tmp_path / "state" / "outrider.db"
    async with asyncio.timeout(60):
        while file.stat().st_size > 5 << 20:
            await asyncio.sleep(0.02)
    assert await database.write(put("still works")) == 1


async def test_the_log_stays_small(opened, tmp_path):
    """What was written moves into the file, also while the writing goes on."""
    database = await opened(settings=Settings(log=1 << 20))
    for _ in range(60):
        await database.write(lambda db: db.execute("INSERT INTO notes VALUES (?)", ("x" * 100_000,)))
    assert (tmp_path / "state" / "outrider.db-wal").stat().st_size < 2 << 20


async def test_after_the_end_it_says_so(opened):
    """A room that comes late gets an error it knows, and closing twice is closing once."""
    database = await opened()
    await database.aclose()
    await database.aclose()
    with pytest.raises(StateError, match="it is closed"):
        await database.write(put("x"))
    unopened = Database(database.folder, [NOTES], settings=QUICK)
    with pytest.raises(StateError, match="it is closed"):
        await unopened.read(notes)
    await unopened.aclose()


async def test_a_locked_file_is_waited_for(opened, tmp_path):
    """A person's shell that holds a transaction is trouble in words, and gone when it ends."""
    database = await opened()
    shell = sqlite3.connect(tmp_path / "state" / "outrider.db", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateError, match="another program holds the file locked"):
        await database.write(put("x"))
    shell.execute("ROLLBACK")
    shell.close()
    async with asyncio.timeout(60):
        while database.trouble:
            await asyncio.sleep(0.01)
    assert await database.write(put("y")) == 1
