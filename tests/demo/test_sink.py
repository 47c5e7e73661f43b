"""The demo's webhook receiver."""

import aiohttp
import pytest

from agent.demo.sink import Sink


@pytest.fixture
async def sink():
    """A sink that listens."""
    sink = await Sink().start()
    yield sink
    await sink.close()


async def test_what_was_posted_is_remembered_and_served(sink):
    """Scripts and the screen see every delivery with its sender."""
    async with aiohttp.ClientSession() as session:
        async with session.post(sink.webhook, json={"type": "slo.alert.firing"}) as answer:
            assert answer.status == 204
        await session.post(sink.behind_alertmanager, json={"alerts": []})
        async with session.get(f"{sink.url}/alerts") as answer:
            served = await answer.json()
    assert [(each["sender"], each["body"]) for each in served] == [
        ("outrider", {"type": "slo.alert.firing"}),
        ("alertmanager", {"alerts": []}),
    ]
    assert sink.last("outrider").body == {"type": "slo.alert.firing"}
    assert sink.last("nobody") is None


async def test_what_is_not_json_is_refused(sink):
    """A notifier that sends nonsense hears of it."""
    async with aiohttp.ClientSession() as session, session.post(sink.webhook, data=b"hello") as answer:
        assert answer.status == 400
    assert sink.last("outrider") is None


async def test_close_is_safe_twice():
    """The end of the demo need not know whether the sink started."""
    sink = Sink()
    await sink.close()
    await sink.start()
    await sink.close()
    await sink.close()
