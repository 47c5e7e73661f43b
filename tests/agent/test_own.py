"""Where the agent's own spans go, and that each attempt has ids."""

import pytest

from agent.own import own_spans
from config.sections.traces import OwnSpans as Wanted
from config.sections.traces import Receive, ReceiveTls
from config.types import ListenAddress
from tests.agent.scheduler.probes import Scripted
from tests.agent.scheduler.stage import Stage
from tests.virtual import run


@pytest.mark.parametrize(
    ("address", "tls", "url"),
    [
        ("127.0.0.1:4318", False, "http://127.0.0.1:4318/v1/traces"),
        ("0.0.0.0:4318", False, "http://127.0.0.1:4318/v1/traces"),
        ("[::]:4318", False, "http://[::1]:4318/v1/traces"),
        ("[::1]:4318", True, "https://[::1]:4318/v1/traces"),
    ],
)
def test_the_address_of_our_own_receiver(address, tls, url):
    """Where one listens everywhere one is asked on this machine."""
    receive = Receive(http=ListenAddress.parse(address), tls=ReceiveTls(cert="c.pem") if tls else None)
    assert own_spans(Wanted(), receive, None, service="s", version="1")._url == url


def test_each_attempt_of_a_schedule_has_its_own():
    """The scheduler asks for a traceparent at every attempt, and the observation keeps it."""

    async def play():
        numbers = iter(range(1, 100))
        stage = Stage(traceparent=lambda: f"number {next(numbers)}")
        stage.start(Scripted())
        await stage.play(26)
        return [seen.traceparent for seen in stage.seen]

    assert run(play()) == ["number 1", "number 2", "number 3"]
