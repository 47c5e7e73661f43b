"""Single keys of a real (pseudo) terminal."""

import asyncio
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from agent.demo.keys import pressed

_ROOT = Path(__file__).parents[2]
_CHILD = """
import asyncio, sys
from agent.demo.keys import pressed
async def main():
    got = asyncio.Queue()
    with pressed(sys.stdin, got.put_nowait) as there:
        print("keys" if there else "none", flush=True)
        while there and (key := await got.get()) != "q":
            print(f"<{key}>", flush=True)
asyncio.run(main())
"""


@pytest.fixture
def terminal():
    """The two ends of a pseudo terminal: ours, the program's."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    for end in (ours, theirs):
        os.close(end)


def _start(stdin, *, leads_session=True):
    def take_terminal():
        os.setsid()
        os.close(os.open(os.ttyname(0), os.O_RDWR))  # the first terminal a session leader opens is its own

    return subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        preexec_fn=take_terminal if leads_session else None,  # noqa: PLW1509 - the test has one thread
    )


def test_keys_arrive_one_by_one_and_the_terminal_is_left_as_found(terminal):
    """No Enter is needed while inside; afterwards every setting is what it was."""
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    with _start(theirs) as program:
        assert program.stdout.readline() == "keys\n"
        during = termios.tcgetattr(theirs)
        assert not during[3] & termios.ICANON
        assert during[6][termios.VSUSP] == b"\0"
        for key in "pm":
            os.write(ours, key.encode())
            assert program.stdout.readline() == f"<{key}>\n"
        os.write(ours, b"q")
        assert program.wait(60) == 0
    assert termios.tcgetattr(theirs) == before


def test_ctrl_c_stays_a_signal(terminal):
    """The terminal still turns Ctrl-C into SIGINT, and is restored on the way out."""
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    with _start(theirs) as program:
        assert program.stdout.readline() == "keys\n"
        os.write(ours, b"\x03")
        assert program.wait(60) != 0
    assert termios.tcgetattr(theirs) == before


def test_a_terminal_of_someone_else_is_left_alone(terminal):
    """In the background there are no keys: to set the terminal from there would stop the program."""
    _, theirs = terminal
    with _start(theirs, leads_session=False) as program:
        assert program.communicate(timeout=60)[0] == "none\n"


async def test_without_a_terminal_there_are_no_keys(tmp_path):
    """A pipe, a file or nothing as input is no reason to stop."""
    with (tmp_path / "empty").open("w+") as file, pressed(file, print) as there:
        assert not there


async def test_the_end_of_input_is_no_key(terminal, monkeypatch):
    """A terminal that goes away ends the keys, quietly, and not the demo."""
    ours, theirs = pty.openpty()
    monkeypatch.setattr("agent.demo.keys._is_ours", lambda stream: True)
    got = asyncio.Queue()
    with os.fdopen(theirs) as stream, pressed(stream, got.put_nowait) as there:
        assert there
        os.write(ours, b"r")
        assert await asyncio.wait_for(got.get(), 60) == "r"
        os.close(ours)
        await asyncio.sleep(0.05)
    assert got.empty()
