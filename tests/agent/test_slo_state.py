"""The counts of objectives in a real state folder, over restarts, crashes and faults of the disk."""

import sqlite3
from functools import partial

import pytest

from agent.slo.engine import SloEngine
from agent.slo.objective import Requests
from agent.slo_state import SCHEMA, SloState, _write
from agent.state.database import Database, Settings
from exporters.base import Severity
from tests.agent.slo.stream import BASE, attempt, objective

DAY = 86400
OBJECTIVES = (objective(min_bad=3), objective(name="web", probe="", requests=Requests(), min_bad=3))


@pytest.fixture
async def opened(tmp_path):
    """Opens the folder; the one before is closed first."""
    databases = []

    async def again(folder=tmp_path):
        if databases:
            await databases[-1].aclose()
        databases.append(Database(folder, [SCHEMA], settings=Settings(retry=0.01, farewell=2.0)))
        await databases[-1].open()
        return databases[-1]

    yield again
    for database in databases:
        await database.aclose()


def burn(engine, start=-3600, end=0):
    """An hour, whose last ten minutes were bad."""
    for t in range(start, end + 1, 10):
        engine.observe(attempt(t, "bad" if t > end - 600 else "good"))
        engine.count("web", 5, 5 if t > end - 600 else 0, BASE + t)
        engine.tick(BASE + t)


def judged(engine):
    """What is believed of every objective."""
    return [(row.judgements, row.period) for row in engine.evaluations()]


@pytest.mark.case("G9")
async def test_a_restart_goes_on_where_the_last_process_stood(opened):
    """Probe and requests alike: windows, period and condition are what they were."""
    engine = SloEngine(OBJECTIVES)
    burn(engine)
    await SloState(engine, await opened()).aclose()
    after = SloEngine(OBJECTIVES)
    await SloState(after, await opened()).restore()
    assert judged(after) == judged(engine)
    assert [row.condition(Severity.PAGE) for row in after.tick(BASE)[1]] == [True, True]


@pytest.mark.case("G9")
async def test_many_restarts_over_days_add_up(opened):
    """Ten processes on ten days, each for an hour: the budget of the period is that of all of them."""
    for day in range(10):
        engine = SloEngine(OBJECTIVES)
        state = SloState(engine, await opened())
        await state.restore()
        burn(engine, day * DAY, day * DAY + 1800)
        await state.save()
        burn(engine, day * DAY + 1810, day * DAY + 3600)
        await state.save()
    assert [row.period.bad for row in engine.evaluations()] == [10 * 2 * 60, 10 * 2 * 60 * 5]


async def test_another_measure_starts_anew_and_the_old_one_is_not_lost(opened):
    """An interval that is changed and changed back finds its history again."""
    engine = SloEngine(OBJECTIVES)
    burn(engine)
    await SloState(engine, await opened()).save()
    other = SloEngine([objective(slot_seconds=30)])
    state = SloState(other, await opened())
    await state.restore()
    assert other.evaluations()[0].period.known == 0
    other.tick(BASE + 10)
    await state.save()
    back = SloEngine(OBJECTIVES)
    await SloState(back, await opened()).restore()
    assert judged(back) == judged(engine)


async def test_what_no_window_reaches_is_forgotten(opened):
    """After 92 days nothing of the first hour is in the file, also of an objective that has left it."""
    engine = SloEngine(OBJECTIVES)
    burn(engine)
    database = await opened()
    state = SloState(engine, database)
    await state.save()
    engine.configure(OBJECTIVES[:1])
    engine.tick(BASE + 92 * DAY)
    await state.save()
    rows = await database.read(lambda db: db.execute("SELECT name FROM slo_counts").fetchall())
    assert rows == [("db",)]
    assert await database.read(lambda db: db.execute("SELECT count(*) FROM slo_days").fetchone()) == (0,)


async def test_a_minute_costs_little(opened):
    """After the first save only the last slots and today are written: for these two less than 4 KB."""
    engine, database = SloEngine(OBJECTIVES), await opened()
    for day in range(30):
        burn(engine, day * DAY, day * DAY + 600)
    state = SloState(engine, database)
    await state.save()
    size = "SELECT sum(length(recent)) FROM slo_counts"
    days = "SELECT sum(length(sums)) FROM slo_days WHERE day >= ?"
    today = (BASE // DAY + 29,)
    recent = await database.read(lambda db: db.execute(size).fetchone()[0])
    touched = await database.read(lambda db: db.execute(days, today).fetchone()[0])
    assert recent + touched < 4096
    changes = await database.read(lambda db: db.total_changes)
    await state.save()
    assert await database.read(lambda db: db.total_changes) - changes == 4


async def test_damaged_rows_start_anew_and_are_told_once(opened, caplog):
    """The objective whose row is broken begins with a full budget; the other goes on; the next start is silent."""
    engine = SloEngine(OBJECTIVES)
    burn(engine)
    database = await opened()
    await SloState(engine, database).save()
    await database.write(lambda db: db.execute("UPDATE slo_counts SET recent = x'00' WHERE name = 'web'"))
    after = SloEngine(OBJECTIVES)
    await SloState(after, await opened()).restore()
    assert [row.period.bad > 0 for row in after.evaluations()] == [True, False]
    assert "what was kept of web cannot be read" in caplog.text
    caplog.clear()
    await SloState(SloEngine(OBJECTIVES), await opened()).restore()
    assert caplog.text == ""


async def test_a_folder_that_cannot_be_used_changes_nothing(opened, tmp_path, caplog):
    """Counting and judging go on in memory; neither restore nor save raises, nor does the end."""
    (tmp_path / "file").write_text("")
    database = await opened(tmp_path / "file")
    engine = SloEngine(OBJECTIVES)
    state = SloState(engine, database)
    await state.restore()
    assert caplog.text.count("state folder") == 1  # said by the database, and not again by us
    burn(engine)
    await state.save()
    await state.aclose()
    assert [row.condition(Severity.PAGE) for row in engine.evaluations()] == [True, True]


async def test_a_file_that_begins_anew_gets_everything(opened, tmp_path):
    """The file is removed while the agent runs: the next save that succeeds writes the whole period."""
    engine, database = SloEngine(OBJECTIVES), await opened()
    burn(engine, -5 * DAY, -5 * DAY + 3600)
    burn(engine)
    state = SloState(engine, database)
    await state.save()
    for file in tmp_path.glob("outrider.db*"):
        file.unlink()
    before = database.generation
    for _ in range(100):  # the first attempts may meet the file that is gone
        await state.save()
        if database.generation > before and not database.trouble:
            break
    await state.save()
    after = SloEngine(OBJECTIVES)
    await SloState(after, await opened()).restore()
    assert judged(after) == judged(engine)


async def test_nothing_is_written_twice_in_different_ways(tmp_path):
    """The database may run a work again: the second time changes nothing."""
    engine = SloEngine(OBJECTIVES)
    burn(engine)
    with sqlite3.connect(":memory:") as db:
        for statement in SCHEMA.statements:
            db.execute(statement)
        work = partial(_write, engine.dump())
        work(db)
        once = list(db.iterdump())
        work(db)
        assert list(db.iterdump()) == once
    db.close()


async def test_the_end_of_the_database_comes_first(opened):
    """A save that comes too late is as quiet as one that fails."""
    database = await opened()
    await database.aclose()
    engine = SloEngine(OBJECTIVES)
    burn(engine)
    await SloState(engine, database).aclose()


async def test_a_table_that_is_damaged_stops_nobody(opened, caplog):
    """A file that answers, and not as it was made: counting starts anew, and nothing that is tried raises."""
    engine, database = SloEngine(), await opened()
    engine.configure(OBJECTIVES)
    await database.write(lambda db: db.execute("ALTER TABLE slo_counts RENAME COLUMN shift TO shifd") and None)
    state = SloState(engine, database)
    await state.restore()
    burn(engine)
    await state.save()
    assert caplog.messages == ["the counts of objectives start anew: no such column: shift"]
