"""Logs never stop the agent and never lie about their lines."""

import contextlib
import json
import logging
import os
import threading

import pytest

from agent.logs import WAITING, Logs


@pytest.fixture(autouse=True)
def root_logger():
    """Puts the root logger back as the test runner set it."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = before
    root.setLevel(level)


def written(path, *, style="text", level="info", write):
    with path.open("w") as stream:
        logs = Logs(level, style, stream)
        write(logging.getLogger("agent.app"))
        logs.close()
    return path.read_text().splitlines()


def test_text_lines_have_time_level_and_message(tmp_path):
    """12:03:04 warning message."""
    (line,) = written(tmp_path / "log", write=lambda log: log.warning("db is down"))
    assert (line[2], line[5], line[8]) == (":", ":", " ")
    assert line.split(maxsplit=1)[1] == "warning db is down"


def test_json_lines_are_objects(tmp_path):
    """Every line parses, also with a traceback."""

    def write(log):
        try:
            raise KeyError("bug")
        except KeyError:
            log.exception("it broke")

    (line,) = written(tmp_path / "log", style="json", write=write)
    entry = json.loads(line)
    assert (entry["level"], entry["message"], entry["logger"]) == ("error", "it broke", "agent.app")
    assert "KeyError" in entry["exception"]
    assert entry["time"].endswith("Z")


def test_a_newline_in_a_message_forges_no_line(tmp_path):
    """Control characters are escaped."""
    (line,) = written(tmp_path / "log", write=lambda log: log.info("path /a\n12:00:00 error forged\x1b[31m"))
    assert "\\n12:00:00" in line
    assert "\x1b" not in line


def test_the_level_is_kept(tmp_path):
    """Lines below the level are not written."""
    assert written(tmp_path / "log", level="warning", write=lambda log: log.info("quiet")) == []


def test_a_reader_that_hangs_or_goes_never_stops_the_agent():
    """A full pipe drops lines; a closed one is not worth a word."""
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    logs = Logs("info", "text", stream)
    log = logging.getLogger("agent.app")

    def flood():
        for _ in range(WAITING * 3):
            log.info("x" * 200)

    flooding = threading.Thread(target=flood)
    flooding.start()
    flooding.join(timeout=60)
    alive = flooding.is_alive()
    os.close(reader)
    logs.close()
    with contextlib.suppress(BrokenPipeError):
        stream.close()
    assert not alive
