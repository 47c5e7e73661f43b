"""What receivers have yet to hear, in a real state folder: over restarts, kills and faults of the disk."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from agent.outbox.letters import SCHEMA, Kind, Letters, _apply
from agent.outbox.store import Entry
from agent.state.database import Database, Schema, Settings, StateError
from exporters.notify.webhook import event_id, native_body
from tests.exporters.notify.place import alert

NOW = 1_767_226_000.0
#: A damaged row may hold NULL, whatever its table says.
LENIENT = Schema(SCHEMA.name, SCHEMA.version, [each.replace(" NOT NULL", "") for each in SCHEMA.statements])


@pytest.fixture
async def opened(tmp_path):
    """Opens the folder and what it keeps; the one before is closed first."""
    databases = []

    async def again(folder=tmp_path):
        if databases:
            await databases[-1].aclose()
        databases.append(Database(folder, [LENIENT], settings=Settings(retry=0.01, farewell=2.0)))
        await databases[-1].open()
        letters = Letters(databases[-1])
        await letters.load()
        return letters

    yield again
    for database in databases:
        await database.aclose()


async def test_what_waits_is_the_same_to_the_byte_after_a_restart(opened):
    """Times, order of labels and odd characters: body and webhook-id are those of the first attempt."""
    one = alert(started_at=0.1 + 0.2, zone='z"\\\n\ud800é', beta="2", alpha="1")
    entry = Entry(one, NOW + 0.1, heard=True)
    letters = await opened()
    letters.note("oncall", Kind.QUEUE, {one.key: entry})
    await letters.aclose()
    (kept,) = (await opened()).claim("oncall", Kind.QUEUE)
    assert (kept.since, kept.heard, kept.said) == (NOW + 0.1, True, False)
    assert (native_body(kept.alert), event_id(kept.alert)) == (native_body(one), event_id(one))


async def test_the_last_word_is_what_is_kept(opened):
    """Noted, changed and forgotten while the disk is busy: the file has what was noted last."""
    letters = await opened()
    a, b = Entry(alert(key="a"), NOW), Entry(alert(key="b"), NOW)
    for number in range(50):
        letters.note("oncall", Kind.QUEUE, {"a": replace(a, since=NOW + number), "b": b})
        if number % 7 == 0:
            await asyncio.sleep(0)
    letters.note("oncall", Kind.QUEUE, {"b": None})
    await letters.settled(10)
    found = (await opened()).claim("oncall", Kind.QUEUE)
    assert [(entry.alert.key, entry.since) for entry in found] == [("a", NOW + 49)]


async def test_settled_means_in_the_file(opened, tmp_path):
    """Another process, or the next one after a kill, reads it as soon as the wait is over."""
    letters = await opened()
    for number in range(20):
        letters.note("oncall", Kind.LEASE, {str(number): Entry(alert(key=str(number)), NOW)})
        await letters.settled(10)
        with closing(sqlite3.connect(tmp_path / "outrider.db")) as db:
            assert db.execute("SELECT count(*) FROM letters").fetchone() == (number + 1,)


async def test_a_receiver_that_left_is_told_of_once(opened, caplog):
    """Its rows go; one that became a lease starts anew; the next start is silent."""
    letters = await opened()
    for name in ("gone", "changed", "stays"):
        letters.note(name, Kind.QUEUE, {"k1": Entry(alert(), NOW)})
    letters.note("gone", Kind.BROKEN, {"about": Entry(alert(key="about"), NOW)})  # which did not wait for it
    await letters.aclose()
    after, now = await opened(), {"changed": Kind.LEASE, "stays": Kind.QUEUE}
    after.retain(now)
    assert caplog.messages == [
        "2 alerts are dropped: the receivers they waited for have gone or changed: changed, gone"
    ]
    await after.aclose()
    caplog.clear()
    last = await opened()
    last.retain(now)
    assert ([len(last.claim(name, Kind.QUEUE)) for name in ("gone", "changed", "stays")], caplog.text) == (
        [0, 0, 1],
        "",
    )


async def test_what_nobody_sees_any_more_is_over(opened):
    """A firing that the engine does not know ends as "was firing"; a lease of it falls silent; the rest goes on."""
    letters = await opened()
    stray, known, about = alert(key="stray"), alert(key="known"), alert(key="about")
    for kind in (Kind.QUEUE, Kind.LEASE):
        letters.note(kind, kind, {one.key: Entry(one, NOW) for one in (stray, known, about)})
    letters.note("broken", Kind.BROKEN, {"about": Entry(about, NOW)})
    letters.reconcile({"known"}, NOW + 60)
    ends = {entry.alert.key: entry.alert.resolved_at for entry in letters.claim("queue", Kind.QUEUE)}
    assert ends == {"stray": NOW + 60, "known": None, "about": None}
    assert {entry.alert.key for entry in letters.claim("lease", Kind.LEASE)} == {"known", "about"}


async def test_damaged_rows_are_lost_alone(opened, caplog):
    """Each is told of, once, and removed; the others are there."""
    letters = await opened()
    for number in range(7):
        letters.note("oncall", Kind.QUEUE, {str(number): Entry(alert(key=str(number)), NOW)})
    await letters.settled(10)
    for number, text in enumerate((b"{", b"[]", b'{"name": 1}', b"\xff{}")):
        await letters._database.write(
            lambda db, row=(text, str(number)): (
                db.execute("UPDATE letters SET alert = CAST(? AS TEXT) WHERE key = ?", row) and None
            )
        )
    await letters._database.write(
        lambda db: db.execute("UPDATE letters SET receiver = CAST(x'ff' AS TEXT) WHERE key = '4'") and None
    )
    await letters._database.write(lambda db: db.execute("UPDATE letters SET since = NULL WHERE key = '5'") and None)
    again = await opened()
    assert [entry.alert.key for entry in again.claim("oncall", Kind.QUEUE)] == ["6"]
    assert caplog.messages == ["6 alerts that waited for receivers cannot be read, and are lost"]
    await again.aclose()
    caplog.clear()
    await opened()
    assert caplog.text == ""


async def test_a_table_that_is_damaged_stops_nobody(opened, caplog):
    """A file that answers, and not as it was made: it is told, and what comes is kept in memory alone."""
    letters = await opened()
    await letters._database.write(lambda db: db.execute("ALTER TABLE letters RENAME COLUMN heard TO hear") and None)
    again = await opened()
    assert caplog.messages == ["what waited for receivers is not known: no such column: heard"]
    again.note("oncall", Kind.QUEUE, {"k1": Entry(alert(), NOW)})
    await asyncio.wait_for(again.aclose(), 10)


async def test_a_file_that_begins_anew_gets_everything(opened, tmp_path):
    """The file is removed while the agent runs: what was written to the old one is in the new one too."""
    letters = await opened()
    letters.note("oncall", Kind.QUEUE, {"old": Entry(alert(key="old"), NOW)})
    await letters.settled(10)
    for file in tmp_path.glob("outrider.db*"):
        file.unlink()
    for number in range(500):
        letters.note("oncall", Kind.QUEUE, {"new": Entry(alert(key="new"), NOW + number)})
        await letters.settled(10)
        await asyncio.sleep(0.005)
        if letters._database.generation > 1 and not letters._unwritten:
            break
    await letters.aclose()
    assert {entry.alert.key for entry in (await opened()).claim("oncall", Kind.QUEUE)} == {"old", "new"}


async def test_a_folder_that_cannot_be_used_holds_nobody_up(opened, tmp_path, caplog):
    """Nothing is kept, nothing raises, no wait is long; the database alone tells of it."""
    (tmp_path / "file").write_text("")
    letters = await opened(tmp_path / "file")
    letters.note("oncall", Kind.QUEUE, {"k1": Entry(alert(), NOW)})
    await asyncio.wait_for(letters.settled(3600), 60)
    assert (letters.trouble != "", caplog.text.count("state folder")) == (True, 1)
    await asyncio.wait_for(letters.aclose(), 60)


class Stuck:
    """A disk that does not answer until it is told to."""

    trouble, generation = "", 0

    def __init__(self):
        self.asked = []

    def write(self, work):
        """Takes the work, and does nothing with it."""
        self.asked.append((work, asyncio.get_running_loop().create_future()))
        return self.asked[-1][1]


async def test_a_disk_that_hangs_is_waited_for_once():
    """The first call waits its moment, the next ones do not; once the disk answers they do again."""
    disk = Stuck()
    letters = Letters(disk)
    letters.note("oncall", Kind.QUEUE, {"a": Entry(alert(), NOW)})
    await letters.settled(0.01)
    letters.note("oncall", Kind.QUEUE, {"b": Entry(alert(), NOW)})
    await asyncio.wait_for(letters.settled(3600), 60)
    disk.asked[0][1].set_result(None)
    await asyncio.sleep(0)
    waits = asyncio.create_task(letters.settled(3600))
    await asyncio.sleep(0)
    assert (len(disk.asked), waits.done()) == (2, False)
    disk.asked[1][1].set_result(None)
    await asyncio.wait_for(waits, 60)


async def test_what_could_not_be_written_is_written_with_the_next():
    """A transaction that failed kept nothing; the next one holds its rows too, in their newest words."""
    disk = Stuck()
    letters = Letters(disk)
    letters.note("oncall", Kind.QUEUE, {"a": Entry(alert(key="a"), NOW)})
    disk.asked[0][1].set_exception(StateError("full"))
    await asyncio.sleep(0)
    letters.note("oncall", Kind.QUEUE, {"b": Entry(alert(key="b"), NOW)})
    with closing(sqlite3.connect(":memory:")) as db:
        for statement in SCHEMA.statements:
            db.execute(statement)
        for _ in range(2):  # the database may run a work again
            disk.asked[1][0](db)
        assert db.execute("SELECT key FROM letters ORDER BY key").fetchall() == [("a",), ("b",)]
    disk.asked[1][1].set_result(None)
    await letters.aclose()


def test_writing_twice_changes_nothing():
    """As the database asks of every work."""
    batch = {("oncall", "queue", "a"): Entry(alert(key="a"), NOW), ("oncall", "queue", "b"): None}
    with closing(sqlite3.connect(":memory:")) as db:
        for statement in SCHEMA.statements:
            db.execute(statement)
        _apply(batch, db)
        once = list(db.iterdump())
        _apply(batch, db)
        assert list(db.iterdump()) == once
