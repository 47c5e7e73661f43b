"""Alerts in the log: one line each."""

import json
import logging

from exporters.notify.log import LogNotifier, LogOptions
from tests.exporters.notify.place import alert


async def test_text_is_one_line_each(caplog):
    """A warning when it fires, a notice at its end; no line can be forged."""
    caplog.set_level(logging.INFO)
    odd = alert(resolved_at=2e9)
    await LogNotifier(LogOptions()).notify([alert(), odd])
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "alert firing (page): shop pg-availability burns"),
        ("INFO", "alert resolved (page): shop pg-availability burns"),
    ]


async def test_json_holds_everything(caplog):
    """A machine reads what the other receivers get."""
    caplog.set_level(logging.INFO)
    await LogNotifier(LogOptions(format="json")).notify([alert(team="a\nb"), alert(resolved_at=1_767_226_500.0)])
    lines = [record.getMessage() for record in caplog.records]
    assert not any("\n" in line for line in lines)
    firing, resolved = map(json.loads, lines)
    assert (firing["status"], firing["labels"]["team"], firing["resolved_at"]) == ("firing", "a\nb", None)
    assert (resolved["status"], resolved["resolved_at"]) == ("resolved", "2026-01-01T00:15:00.000Z")
