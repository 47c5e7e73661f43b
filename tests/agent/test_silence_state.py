"""Silences, and what was held back, over a restart."""

import sqlite3

from agent.alerting.hush import Hush
from agent.alerting.row import Notice
from agent.alerting.silences import Silences, Where
from agent.silence_state import SCHEMA, SilenceState
from agent.state.database import Database
from agent.state.folder import NAME
from tests.agent.alerting.test_silences import silence
from tests.exporters.notify.place import alert

HELD = Notice(alert(slo="orders"), ("oncall",))


async def restarted(folder, firing=("k1",), silences=None, held=()):
    """Another process with this folder: its silences and what it holds back; given some, it first keeps those."""
    database = Database(folder, [SCHEMA])
    await database.open()
    known = silences or Silences()
    state = SilenceState(known, hush := Hush(known), database)
    if silences:
        hush.held = {notice.alert.key: notice for notice in held}
        await state.aclose()
    else:
        await state.restore(firing)
    await database.aclose()
    return known, hush


def some():
    """One made here and one of Alertmanager."""
    known = Silences()
    known.add(silence("slo=orders", 'team=~"pay.*"', "a!=b"), 0.0)
    known.add(silence("slo=cart", id_="there", where=Where.ALERTMANAGER), 0.0)
    return known


async def test_all_of_it_outlives_a_restart(tmp_path):
    """Silences of both kinds, and alerts that are to be told of when they end."""
    before = some()
    await restarted(tmp_path, silences=before, held=[HELD])
    after, hush = await restarted(tmp_path)
    assert after.every(0.0) == before.every(0.0)
    assert hush.held == {"k1": HELD}


async def test_what_fires_no_more_is_not_held(tmp_path):
    """Its end was never seen by this process: it would be told as firing for ever."""
    await restarted(tmp_path, silences=some(), held=[HELD])
    _, hush = await restarted(tmp_path, firing=())
    assert hush.held == {}


async def test_what_cannot_be_read_is_forgotten_in_words(tmp_path, caplog):
    """A matcher of a newer version, or a damaged row, keeps nobody from starting."""
    await restarted(tmp_path, silences=some())
    file = tmp_path / NAME
    with sqlite3.connect(file) as db:
        db.execute("UPDATE silences SET kept = x'7b'")
    db.close()
    known, _ = await restarted(tmp_path)
    assert known.every(0.0) == ()
    assert "what was kept of silences cannot be read" in caplog.text
