"""The sample service, as its own process with real dependencies."""

import aiohttp
import pytest

from agent.demo.children import SampleService
from agent.demo.process import ServerError
from agent.demo.servers import Postgres, Rotel, Valkey


@pytest.fixture(scope="module")
def around():
    """A database, a cache and an upstream."""
    with Postgres() as postgres, Valkey() as valkey, Rotel() as upstream:
        yield postgres, valkey, upstream


@pytest.fixture(scope="module")
def service(around, tmp_path_factory):
    """The service beside them."""
    postgres, valkey, upstream = around
    folder = tmp_path_factory.mktemp("service")
    with SampleService(folder=folder, postgres=postgres.url, redis=valkey.url, otlp=upstream.url) as service:
        yield service


async def _get(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


async def _until(url, status):
    """Ask until the answer has that status; pytest's own timeout is the deadline."""
    while (found := await _get(url))[0] != status:
        pass
    return found


async def test_orders_come_from_the_database(service):
    """The stock of three orders is there from the start."""
    assert await _get(f"{service.url}/orders") == (200, {"orders": 3})
    assert await _get(f"{service.url}/healthz") == (200, {"status": "ok"})


async def test_it_lives_without_its_cache_but_not_without_its_database(service, around):
    """Without a cache it answers; without a database it answers 503, and starts all the same."""
    postgres, valkey, _ = around
    valkey.stop()
    assert await _get(f"{service.url}/orders") == (200, {"orders": 3})
    postgres.stop()
    status, body = await _until(f"{service.url}/orders", 503)
    assert status == 503
    assert body["error"]
    assert await _get(f"{service.url}/healthz") == (200, {"status": "ok"})
    service.stop()
    service.start()
    postgres.start()
    valkey.start()
    assert await _until(f"{service.url}/orders", 200) == (200, {"orders": 3})


async def test_its_traces_reach_the_upstream(service, around):
    """The real SDK sends spans of the service's own calls, without anyone asking it."""
    _, _, upstream = around
    while "spans" not in upstream.log:
        await _get(f"{service.url}/healthz")


@pytest.mark.parametrize("megabytes", ["0", "-1", "x", "1025", "%C2%B2"])
def test_nonsense_to_allocate_is_refused(service, megabytes):
    """A typo must not take the machine down."""
    with pytest.raises(ServerError, match="status 400"):
        service.hold(megabytes)


def test_a_service_that_is_gone_is_said(tmp_path):
    """One sentence instead of a traceback."""
    gone = SampleService(1, folder=tmp_path, postgres="", redis="", otlp="")
    with pytest.raises(ServerError, match="does not answer"):
        gone.release()
