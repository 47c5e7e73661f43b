"""The demo in a terminal."""

import io
from types import SimpleNamespace

import aiohttp
import pytest
from rich.console import Console

from agent.demo.glance import ReplicaGlance, glance
from agent.demo.screen import Screen
from agent.demo.sink import Sink
from tests.demo.looks import broken, healthy, held_up, later

_ADDRESSES = {
    "outrider-1": "http://127.0.0.1:9740",
    "outrider-1-admin": "http://127.0.0.1:9741",
    "outrider-2": "http://127.0.0.1:40110",
    "outrider-2-admin": "http://127.0.0.1:40111",
    "webhook": "http://127.0.0.1:40123",
    "alertmanager": "http://127.0.0.1:40124",
}


_OTHERS = [ReplicaGlance("ready"), ReplicaGlance("silent")]
_HELD = "orders-db is down: connect_refused in connect; 0 of 2 peers reached it since, so this replica stays"


def _draw(*looks, width=80, broken=(), encoding="utf-8", sink=None, keys=True, note="", working_on="", others=_OTHERS):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, height=40, force_terminal=False)
    faults = SimpleNamespace(broken=lambda: broken, working_on=working_on)
    screen = Screen(console, faults, sink or Sink(), _ADDRESSES, keys=keys)
    screen.note(note)
    *_, last = [screen.picture(glance(found, others) if found else None) for found in looks]
    console.print(last)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def test_a_healthy_screen():
    """Verdict, probes with readings, ledger, objective, keys and addresses, in 80 columns."""
    drawn = _draw(healthy(), later(healthy(), 10, ok=19, failed=1))
    for part in (
        "replica 1   ● READY             every probe is up",
        "replica 2   ● READY",
        "replica 3   ○ NO ANSWER",
        "replica 1, up 1 min 14 s",
        "orders-db  postgres  ● up",
        "connections used 18 %",
        "requests      2.0/s, 5% failed",
        "1,204 received = 1,190 delivered + 11 dropped + 3 queued",
        "orders-db 99.95%: 87.0% of the budget left, burning 23.1x",
        "p postgres i private r redis s service m memory u upstream o slo q quit",
        "http://127.0.0.1:9741/  :40111/",
        "http://127.0.0.1:40124",
    ):
        assert part in drawn
    assert max(map(len, drawn.splitlines())) <= 80
    assert len(drawn.splitlines()) <= 24


def test_a_broken_screen():
    """What is wrong stands in words and symbols, never in colour alone."""
    drawn = _draw(broken(), width=100, broken=("postgres", "memory"), note="PostgreSQL is stopped: port 5 refuses")
    for part in (
        "✖ NOT READY",
        "orders-db is down: connect_refused in connect",
        "✖ down",
        "▲ degraded",
        "orders-db firing (page)",
        "p postgres✖",
        "PostgreSQL is stopped: port 5 refuses",
    ):
        assert part in drawn


def test_spans_that_wait_are_shown():
    """While the upstream is away: how many, how much, where, and why; and nothing of it once it is back."""
    drawn = _draw(held_up(healthy()))
    assert "1,190 delivered + 11 dropped + 300 queued" in drawn
    assert "upstream      60 KiB on disk; connect: connection refused" in drawn
    assert "KiB on disk" not in _draw(held_up(healthy()), healthy())


def test_a_fault_of_all_is_said_once():
    """The first replica says the whole reason, over as many lines as it takes; the others in one line each."""
    found = healthy()
    found["status"]["verdict"] |= {"status": "degraded", "reasons": [_HELD]}
    others = [ReplicaGlance("degraded", (_HELD.replace("0", "1"),)), ReplicaGlance("degraded", ("app " + _HELD,))]
    lines = _draw(found, others=others).splitlines()
    assert "▲ READY, DEGRADED   orders-db is down" in lines[0]
    assert " ".join(line[34:].strip() for line in lines[:3]) == _HELD
    assert lines[3].rstrip().endswith("▲ READY, DEGRADED   for the same reason")
    assert lines[4].rstrip().endswith("…")
    assert lines[5].strip() == ""


async def test_what_reached_the_webhook_is_shown():
    """The alert's arrival is seen on the same screen as its cause."""
    sink = await Sink().start()
    async with aiohttp.ClientSession() as session:
        await session.post(sink.webhook, json={})
    await sink.close()
    assert "reached webhook 1 s ago" in _draw(broken(), width=100, sink=sink)


def test_a_terminal_without_unicode_gets_plain_signs():
    """An old terminal or locale shows no question marks."""
    drawn = _draw(broken(), encoding="ascii")
    assert "x NOT READY" in drawn
    assert "! degraded" in drawn


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_states_are_never_cut(width):
    """In a narrow terminal the readings give way."""
    assert "✖ down" in _draw(broken(), width=width)


def test_without_keys_none_are_offered():
    """With input from a pipe only the other terminal can break anything."""
    drawn = _draw(healthy(), keys=False)
    assert "q quit" not in drawn
    assert "make demo-break WHAT=shared" in drawn


def test_work_in_progress_is_shown():
    """A database that takes a second to stop does not look like a key that does nothing."""
    assert "working on postgres ..." in _draw(healthy(), working_on="postgres")


def test_no_answer_is_shown():
    """A screen that does not know must not show the last good one."""
    assert "Outrider does not answer" in _draw(None)
