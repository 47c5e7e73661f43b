"""What every kind of probe promises, whoever wrote it: the registry is walked, so a new kind is held to it at once."""

import asyncio
import time

import pytest

from config.convert import convert
from config.errors import Problems
from config.yaml import parse
from probes.base import Kind, Probe, ProbeContext, ProbeFailed
from probes.registry import PROBES
from tests.probes.attempts import nothing_left
from tests.probes.wire import Attempt, serve

#: Options that point each kind at a server that accepts and says nothing.
SILENT = {
    "heartbeat": "every: 1h\ntoken: secret",
    "http": "url: http://127.0.0.1:{port}/",
    "memory": "of: {{process: no-such-process}}",
    "postgres": "dsn: postgresql://someone:secret@127.0.0.1:{port}/db",
    "prometheus": "url: http://127.0.0.1:{port}/metrics",
    "redis": "url: redis://127.0.0.1:{port}/0",
}
LOCAL = {"heartbeat", "memory"}  # look at this machine: nothing to wait for

kinds = pytest.mark.parametrize("name", PROBES.builtin)


def options(name, text):
    """The options that a file's entry becomes, and the problems found."""
    problems = Problems()
    node = parse(text, "outrider.yaml", problems)
    return convert(node, PROBES.find(name).options_type, problems, f"probes.{name}"), list(problems)


def made(name, port):
    found, problems = options(name, SILENT[name].format(port=port))
    assert not problems
    return PROBES.find(name)(found, ProbeContext(name, "checkout", 5.0))


async def silent(peer):
    await peer.hang()


def test_every_kind_is_held_to_this():
    """A kind that ships has its line above."""
    assert set(SILENT) == set(PROBES.builtin)


@kinds
def test_it_is_a_documented_probe(name):
    """The class, its options and its readings say what they mean, in the units that the metrics know."""
    cls = PROBES.find(name)
    assert issubclass(cls, Probe)
    assert cls.__doc__
    assert cls.options_type.__doc__
    for reading, spec in cls.readings.items():
        assert reading.isidentifier()
        assert spec.help
        assert spec.unit in ("", "seconds", "bytes", "ratio")
        assert spec.kind in Kind
    thresholds = [reading for bounds in cls.default_thresholds.values() for reading in bounds]
    assert set(thresholds) <= set(cls.readings)


@kinds
def test_it_refuses_a_typo(name):
    """An option that it does not know is refused, not ignored."""
    text = SILENT[name].format(port=1) + "\nno_such_option: 1"
    assert [problem.path for problem in options(name, text)[1]] == [f"probes.{name}.no_such_option"]


@kinds
def test_it_says_where_it_looks(name):
    """The target is told without the secret that leads there, and what it means to be down is one of three."""
    found, _ = options(name, SILENT[name].format(port=5999))
    cls = PROBES.find(name)
    assert cls.target(found)
    assert "secret" not in cls.target(found) + repr(found)
    assert cls.default_when_down(found) in ("unready", "degraded", "ignore")


@kinds
async def test_it_closes_twice_and_unopened(name):
    """Closing is safe before anything was opened, after, and again."""
    probe = made(name, 1)
    await probe.aclose()
    await probe.open()
    await probe.aclose()
    await probe.aclose()


@kinds
async def test_it_fails_in_time(name):
    """Against a server that says nothing it fails within its deadline, and its sockets are gone."""
    async with nothing_left(), serve(silent) as stub:
        probe = made(name, stub.port)
        await probe.open()
        started = time.monotonic()
        with pytest.raises((ProbeFailed, *probe.expected)):
            async with asyncio.timeout(1):  # the framework's own deadline
                await probe.check(Attempt(timeout=0.3))
        assert time.monotonic() - started < 20  # the server would say nothing for ever
        await probe.aclose()


@pytest.mark.parametrize("name", sorted(set(PROBES.builtin) - LOCAL))
async def test_it_can_be_cancelled(name):
    """A cancelled check ends at once, and takes its sockets with it."""
    async with nothing_left(), serve(silent) as stub:
        probe = made(name, stub.port)
        await probe.open()
        check = asyncio.create_task(probe.check(Attempt(timeout=3600)))
        async with asyncio.timeout(60):
            while not stub.connections:
                await asyncio.sleep(0.005)
        check.cancel()
        await asyncio.wait({check}, timeout=60)
        assert check.cancelled()
        await probe.aclose()


@pytest.mark.parametrize("name", sorted(set(PROBES.builtin) - LOCAL))
async def test_nobody_listens(name):
    """A closed port is an expected failure, not a broken probe."""
    async with serve(silent) as stub:
        port = stub.port
    probe = made(name, port)
    with pytest.raises((ProbeFailed, *probe.expected)):
        await probe.check(Attempt())
    await probe.aclose()
