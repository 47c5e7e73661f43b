"""What is believed of alerts, in a real state folder."""

import pytest

from agent.alert_state import SCHEMA, AlertState
from agent.alerting.engine import AlertEngine
from agent.slo.engine import SloEngine
from agent.state.database import Database


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b'{"severity": "\xff"}'])
async def test_what_is_damaged_keeps_no_agent_from_starting(tmp_path, caplog, kept):
    """Whatever stands there, it is told of once, and alerts start anew."""
    database = Database(tmp_path, [SCHEMA])
    await database.open()
    await database.write(lambda db: db.execute("INSERT INTO alerts (kept) VALUES (?)", (kept,)) and None)
    engine = AlertEngine(SloEngine())
    await AlertState(engine, database).restore()
    await database.aclose()
    (told,) = caplog.messages
    assert told.startswith("what was kept of alerts cannot be read, and starts anew: ")
    assert engine.dump() == []
