"""The example in CONTRIBUTING is whole, is the file in examples/, and works."""

import os
import re
import sys
from pathlib import Path

import pytest

from agent.health.judge import Judge
from agent.scheduler.attempt import Runner
from probes.base import ProbeContext
from probes.registry import PROBES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def spool_class(monkeypatch):
    """The example's class, found as a user would name it."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "probe"))
    yield PROBES.find("spool:Spool")
    sys.modules.pop("spool", None)


def test_the_page_shows_the_file():
    """What CONTRIBUTING prints is what the tests run, and fits a screen."""
    shown = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    source = (ROOT / "examples" / "probe" / "spool.py").read_text()
    assert shown
    assert shown[1] == source
    assert len(source.splitlines()) <= 42


@pytest.mark.parametrize(("age", "outcome"), [(10, "pass"), (7200, "fail")])
async def test_it_measures_and_fails(spool_class, tmp_path, age, outcome):
    """A fresh file passes with readings, an old one fails and keeps them."""
    waiting = tmp_path / "upload"
    waiting.touch()
    os.utime(waiting, (waiting.stat().st_mtime - age,) * 2)
    probe = spool_class(spool_class.options_type(path=str(tmp_path)), ProbeContext("uploads"))
    seen = await Runner(probe, "spool", Judge(), 3.0, lambda *_: False).run(fresh=True)
    assert seen.outcome == outcome
    files, oldest = seen.measurement.readings
    assert (files.value, oldest.unit) == (1, "seconds")
    assert oldest.value == pytest.approx(age, abs=5)


async def test_a_missing_directory_is_down(spool_class):
    """An expected exception is a failure with a reason, not a broken probe."""
    probe = spool_class(spool_class.options_type(path="/nonexistent"), ProbeContext("uploads"))
    seen = await Runner(probe, "spool", Judge(), 3.0, lambda *_: False).run(fresh=True)
    assert seen.outcome == "fail"
