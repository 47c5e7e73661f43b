"""From options to a loop: which way, how often, and what is wrong before anything is opened."""

import subprocess
import sys

import pytest

from agent.peers import open as opening
from agent.peers.http import HttpWay
from agent.peers.prometheus import PrometheusWay
from agent.peers.redis import RedisWay
from agent.readiness.fleet import Fleet
from agent.tokens import Tokens
from config.sections.readiness import Peers as Options
from config.types import Duration, Secret, Url

WAYS = {
    "dns": ({"dns": "checkout-outrider"}, HttpWay),
    "urls": ({"urls": (Url.parse("http://10.0.0.2:9740"),)}, HttpWay),
    "redis": ({"redis": Url.parse("redis://10.0.0.2/1")}, RedisWay),
    "prometheus": ({"prometheus": Url.parse("http://10.0.0.2:9090")}, PrometheusWay),
}


def opened(**written):
    """The loop for what was written, and its fleet."""
    fleet = Fleet("me")
    peers = opening.peers(
        Options(**written),
        service="shop",
        port=9740,
        fleet=fleet,
        own=dict,
        shared=dict,
        wants_out=bool,
        tokens=Tokens(),
    )
    return peers, fleet


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_is_picked_and_opens_nothing(way):
    """The fleet learns how often it may expect news; closing what never ran is fine."""
    written, cls = WAYS[way]
    peers, fleet = opened(**written, refresh=Duration(7))
    assert isinstance(peers._way, cls)
    assert fleet.refresh == 7
    await peers.aclose()
    await peers.aclose()


def test_prometheus_is_not_asked_more_often_than_every_five_seconds():
    """It learns nothing between two scrapes; the other ways keep what is written."""
    _, fleet = opened(**WAYS["prometheus"][0])
    assert fleet.refresh == 5
    _, fleet = opened(**WAYS["redis"][0])
    assert fleet.refresh == 2


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"dns": "x", "token": Secret("two\nlines")}, "token"),
        ({"dns": "x", "token": Secret("pässword")}, "token"),
        ({"urls": (Url.parse("http://a:1"), Url.parse("http://me:pw@b:1")), "token": Secret("t")}, "urls[1]"),
        ({"redis": Url.parse("redis://h/seven")}, "redis"),
    ],
)
def test_what_only_the_ways_know_is_told_before_anything_is_opened(written, path):
    """One problem, at its key, and never the secret."""
    ((key, text),) = opening.problems(Options(**written))
    assert key == path
    assert ";" in text
    assert "pw" not in text
    assert "two" not in text


@pytest.mark.parametrize("way", WAYS)
def test_good_options_have_no_problems(way):
    """Nothing is found where nothing is wrong, with a token and without."""
    for token in (None, Secret("s3cret")):
        assert list(opening.problems(Options(**WAYS[way][0], token=token))) == []


def test_the_other_ways_cost_nothing():
    """Who asks by DNS imports neither the Redis nor the Prometheus way."""
    code = """if True:
        import sys
        from agent.peers.open import peers
        from agent.tokens import Tokens
        from agent.readiness.fleet import Fleet
        from config.sections.readiness import Peers
        asks = {"own": dict, "shared": dict, "wants_out": bool}
        peers(Peers(dns="x"), service="s", port=1, fleet=Fleet("a"), tokens=Tokens(), **asks)
        print([name for name in sys.modules if name.endswith((".redis", "redis.connection", "peers.prometheus"))])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
