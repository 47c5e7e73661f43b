import asyncio
import threading

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from agent.outbox.dead import DeadLetter
from agent.web import listeners
from agent.web.api.openapi import document
from agent.web.tables import admin
from config.types.address import ListenAddress
from tests.agent.web.api.test_api import MEASURED
from tests.agent.web.conftest import World
from tests.exporters.notify.place import alert

API = document("9.8.7")
schema = schemathesis.openapi.from_dict(API)


@pytest.fixture(scope="module")
def base_url():
    """The admin listener of an agent with something to tell, in a thread: schemathesis is synchronous."""
    world = World()
    world.up("db", measurement=MEASURED)
    world.down("cache")
    world.probe("new")
    world.answers["slos"] = [{"name": "db"}]
    world.answers["undelivered"] = [DeadLetter("oncall", alert(), "refused", "auth: it answered 403", 1, world.wall)]
    started, urls, stop = threading.Event(), [], asyncio.Event()

    async def serve():
        async with listeners.admin(world.desk(), ListenAddress("127.0.0.1", 0)) as listener:
            urls.extend([f"http://{listener}", asyncio.get_running_loop()])
            started.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(60)
    url, loop = urls
    yield url
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


@schema.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(case, base_url):
    """Whatever is asked, the answer's code, type and body are those the description promises."""
    # No JSON Schema says which regular expressions are right, or that not all matchers may fit everything.
    unsure = [positive_data_acceptance] if (case.method, case.path) == ("POST", "/api/v1/silences") else []
    case.call_and_validate(base_url=base_url, excluded_checks=unsure)


def test_every_path_is_described(world):
    """The description and the table of routes name the same paths and methods."""
    routed = {
        (route.path.replace("/*", "/{name}"), route.method.lower())
        for route in admin(world.desk())
        if route.path.startswith("/api/")
    }
    described = {(path, method) for path, item in API["paths"].items() for method in item if method != "parameters"}
    assert described == routed


async def test_description_is_served(admin):
    """The description is at its own path, with the version that answers."""
    async with admin.get("/api/v1/openapi.json") as answer:
        said = await answer.json()
    assert said == API
    assert said["info"]["version"] == "9.8.7"
