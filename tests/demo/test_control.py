"""The socket by which another terminal reaches the demo."""

import asyncio
import socket
import stat

import pytest

from agent.demo.control import KEYS, NO_DEMO, OK, THERE_ARE, UNKNOWN, ask, listening, named, runs


@pytest.fixture
def path(tmp_path):
    """Where the demo listens."""
    return tmp_path / "control.sock"


async def _obey(verb, what):
    return OK, f"{verb} {what}: done"


async def test_an_order_is_obeyed_and_answered(path):
    """Exit code and sentence of the demo are those of the command."""
    async with listening(path, _obey):
        assert await asyncio.to_thread(runs, path)
        assert await asyncio.to_thread(ask, path, "break", "redis") == (OK, "break redis: done")


async def test_the_socket_is_the_users_alone(path):
    """Nobody else on the machine may break anything."""
    async with listening(path, _obey):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_nothing_is_left_of_the_socket(path):
    """A demo that ended is told apart from one that runs, and leaves no file."""
    async with listening(path, _obey):
        pass
    assert not path.exists()
    assert ask(path, "break", "redis")[0] == NO_DEMO
    assert not runs(path)


def test_a_socket_of_a_killed_demo_is_no_demo(path):
    """A file that nobody listens on says as much as no file."""
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    code, sentence = ask(path, "mend", "postgres")
    assert code == NO_DEMO
    assert "outrider demo" in sentence


@pytest.mark.parametrize("line", [b"", b"\n", b"drop tables\n", b"break\n", b"\xff\xfe\n"], ids=repr)
async def test_nonsense_is_told_what_would_be_right(path, line):
    """A line that is no order gets a sentence, and breaks nothing."""
    async with listening(path, _obey):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        writer.write_eof()
        assert (await reader.read()).decode() == f"{UNKNOWN} say: break WHAT, or mend WHAT\n"
        writer.close()
        await writer.wait_closed()


async def test_a_flood_ends_the_conversation(path):
    """A line without end is dropped, and the next client is served."""
    async with listening(path, _obey):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"x" * 100_000)
        assert await reader.read() == b""
        writer.close()
        assert (await asyncio.to_thread(ask, path, "mend", "redis"))[0] == OK


async def test_a_demo_that_ends_meanwhile_is_no_success(path):
    """An order without an answer must not look like a fault in place."""

    async def drop(reader, writer):
        await reader.readline()
        writer.close()

    server = await asyncio.start_unix_server(drop, path)
    async with server:
        assert (await asyncio.to_thread(ask, path, "break", "redis"))[0] == NO_DEMO


def test_what_can_be_broken_has_its_names():
    """Everything has a key of its own and stands in the list; the database is also what all share."""
    assert named("shared") == named("postgres") == "postgres"
    assert named("everything") is None
    assert all(what in THERE_ARE and named(what) == what for what in KEYS)
    assert len(set(KEYS.values())) == len(KEYS)
    assert "q" not in KEYS.values()
