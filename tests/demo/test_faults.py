"""The faults of the demo, on the real servers."""

import asyncio
import socket

import aiohttp
import psutil
import pytest

from agent.demo import files
from agent.demo.faults import FaultError, Faults
from agent.demo.process import port_taken
from agent.demo.stage import Stage
from agent.demo.together import start_all
from tests.ports import free_port


def _servers(stage):
    return {
        "postgres": stage.postgres,
        "private": stage.first.way,
        "redis": stage.valkey,
        "service": stage.first.service,
        "upstream": stage.upstream,
    }


async def _start(stage):
    await stage.run(lambda: start_all(list(_servers(stage).values())))


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """The servers and the first replica without its Outrider; each test leaves it whole."""
    ports = files.Ports(free_port(), free_port(), free_port())
    stage = Stage(tmp_path_factory.mktemp("demo"), ports, lambda text: None)
    try:
        asyncio.run(_start(stage))
        yield stage
    finally:
        asyncio.run(stage.close())


async def test_servers_stop_for_real_and_come_back(stage):
    """In place means: the process is gone and its port refuses. Doing it twice is no error."""
    faults = Faults(stage)
    for what, server in _servers(stage).items():
        port = server.port
        for _ in range(2):
            assert "refuses" in await faults.put(what, broken=True)
            assert faults.broken() == (what,)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 1)
        for _ in range(2):
            assert str(port) in await faults.put(what, broken=False)
            assert faults.broken() == ()
            assert port_taken(port)


async def test_memory_is_really_allocated_and_given_back(stage):
    """Past the limit as the kernel counts it, twice without growing further, and below it afterwards."""
    faults = Faults(stage)
    service = psutil.Process(stage.first.service.pid)
    assert service.name() == files.process_name(stage.first.service.port)
    assert service.memory_info().rss < 0.85 * files.MEMORY_LIMIT
    for _ in range(2):
        await faults.put("memory", broken=True)
        assert files.MEMORY_LIMIT < service.memory_info().rss < 1.5 * files.MEMORY_LIMIT
    assert faults.broken() == ("memory",)
    for _ in range(2):
        await faults.put("memory", broken=False)
        assert service.memory_info().rss < 0.85 * files.MEMORY_LIMIT


async def test_requests_really_fail_and_work_again(stage):
    """The service answers 500 while its health stays 200; a restart, too, ends the fault."""
    faults = Faults(stage)
    url = stage.first.service.url
    for _ in range(2):
        await faults.put("slo", broken=True)
        assert [await _status(f"{url}{path}") for path in ("/orders", "/healthz")] == [500, 200]
    assert faults.broken() == ("slo",)
    await faults.put("slo", broken=False)
    assert await _status(f"{url}/orders") == 200
    await faults.put("slo", broken=True)
    await faults.put("service", broken=True)
    await faults.put("slo", broken=False)
    await faults.put("service", broken=False)
    assert faults.broken() == ()
    assert await _status(f"{url}/orders") == 200


async def _status(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status


async def test_faults_in_the_same_moment_wait_for_each_other(stage):
    """Two terminals that break and mend at once leave the demo whole."""
    faults = Faults(stage)
    turns = [faults.toggle("redis") for _ in range(4)]
    await asyncio.gather(*turns)
    assert faults.broken() == ()
    assert faults.working_on == ""


async def test_a_fault_that_cannot_be_is_no_success(stage):
    """A stopped service holds no memory: the sentence says what to do first."""
    faults = Faults(stage)
    await faults.put("service", broken=True)
    with pytest.raises(FaultError, match="mend service first"):
        await faults.put("memory", broken=True)
    with socket.create_server(("127.0.0.1", stage.first.service.port)), pytest.raises(FaultError, match="in use"):
        await faults.put("service", broken=False)
    await faults.put("service", broken=False)
