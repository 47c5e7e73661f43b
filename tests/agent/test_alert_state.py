"""What is believed of alerts, in a real state folder."""

import pytest

from agent.alert_state import SCHEMA, AlertState
from agent.alerting.engine import AlertEngine
from agent.slo.engine import SloEngine
from agent.state.database import Database, Schema

WHOLE = b'{"objective": "a", "severity": "page", "state": "firing"}'


#: A damaged row may hold NULL, whatever its table says.
LENIENT = Schema(SCHEMA.name, SCHEMA.version, [each.replace(" NOT NULL", "") for each in SCHEMA.statements])


@pytest.fixture
async def database(tmp_path):
    """Two alerts that fire, of an earlier process."""
    opened = Database(tmp_path, [LENIENT])
    await opened.open()
    await opened.write(lambda db: db.executemany("INSERT INTO alerts (kept) VALUES (?)", [(WHOLE,), (WHOLE,)]) and None)
    yield opened
    await opened.aclose()


@pytest.mark.parametrize(
    "damaged", [None, b"", b"[]", WHOLE.replace(b"firing", b"fir?ng"), WHOLE.replace(b"page", b"p\xffge")]
)
async def test_what_is_damaged_is_lost_alone(database, caplog, damaged):
    """Whatever stands there it is told of, the other alerts are known, and the agent starts."""
    await database.write(lambda db: db.execute("UPDATE alerts SET kept = ? WHERE number = 1", (damaged,)) and None)
    engine = AlertEngine(SloEngine())
    await AlertState(engine, database).restore()
    assert caplog.messages == ["1 alerts of an earlier process cannot be read, and start anew"]
    assert [(each.severity, each.state) for each in engine.dump()] == [("page", "firing")]


async def test_a_table_that_is_damaged_stops_nobody(database, caplog):
    """A file that answers, and not as it was made: alerts start anew, and nothing that is tried raises."""
    await database.write(lambda db: db.execute("ALTER TABLE alerts RENAME COLUMN kept TO kepu") and None)
    engine = AlertEngine(SloEngine())
    state = AlertState(engine, database)
    await state.restore()
    await state.save()
    assert caplog.messages == ["what is known of alerts starts anew: no such column: kept"]
