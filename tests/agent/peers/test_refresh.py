"""The loop, in simulated time: when it looks, what it says, what it counts."""

import asyncio
import logging

import pytest

from agent.peers.refresh import Peers
from agent.peers.way import Hearing, Missed, Outcome
from agent.readiness.fleet import Fleet, PeerView
from exporters.contract import METRICS
from tests.virtual import run

REFRESH = 2.0


class Told:
    """A way that tells what a script says of the second of the look (None: silence), and notes when it looked."""

    def __init__(self, script=lambda second: ("a",), takes=0.0):
        self.script, self.takes = script, takes
        self.looked = []
        self.closed = 0

    async def look(self, hearing):
        """One round."""
        now = hearing.clock()
        self.looked.append(round(now - 1000, 3))
        await asyncio.sleep(self.takes)
        who = self.script(now - 1000)
        hearing.count(3)
        if who is None:
            hearing.miss(Missed(Outcome.FAILED, "10.0.0.3:9740 cannot\nbe reached"))
        for identity in who or ():
            hearing.hear(PeerView(identity, now))

    async def aclose(self):
        """Noted."""
        self.closed += 1


def play(way, seconds, chance=lambda: 0.5):
    """The loop for so long; returns it with the samples it then gives."""

    async def main():
        clock = asyncio.get_running_loop().time
        hearing = Hearing(Fleet("me", REFRESH), dict, clock)
        peers = Peers(way, hearing, REFRESH, service="shop", wants_out=lambda: True, clock=clock, chance=chance)
        task = asyncio.create_task(peers.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        samples = {name: {sample.labels: sample.value for sample in given} for name, given in peers.samples()}
        await peers.aclose()
        return peers, samples

    return run(main())


def test_it_looks_at_once_and_then_every_refresh():
    """A replica that restarts in an outage needs its peers now."""
    way = Told()
    play(way, 7)
    assert way.looked == [0, 2, 4, 6]
    assert way.closed == 1


@pytest.mark.parametrize(("chance", "second"), [(0.0, 1.8), (1.0, 2.2)])
def test_looks_are_spread_by_a_tenth(chance, second):
    """Replicas that started together do not ask together for ever."""
    way = Told()
    play(way, 3, lambda: chance)
    assert way.looked == [0, second]


def test_a_long_look_is_followed_by_a_short_rest():
    """Looks never overlap, and never follow each other without a breath."""
    way = Told(takes=2.5)
    play(way, 6)
    assert way.looked == [0, 2.7, 5.4]


def test_silence_is_one_line_and_its_end_another(caplog):
    """Not one per failed request: when the last view is too old, and when the first is heard again."""
    caplog.set_level(logging.INFO)
    peers, samples = play(Told(lambda second: None if 10 <= second < 60 else ("a", "b")), 70)
    consequence = "whatever is shared is taken to be down for everyone"
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert lines == [
        ("WARNING", f"peers: none of 3 other replicas answers (10.0.0.3:9740 cannot be reached); {consequence}"),
        ("INFO", "peers: other replicas are heard again, after 44 s"),  # silent since 8, too old at 16
    ]
    assert samples["outrider_peers_isolated"] == {(): 0}
    assert samples["outrider_peer_requests_total"] == {("ok",): 20, ("failed",): 25, ("refused",): 0, ("malformed",): 0}
    assert peers.trouble == "10.0.0.3:9740 cannot be reached"


def test_everything_is_on_the_page_from_the_start():
    """Counters at 0, and who we are: the others find us by it in Prometheus."""
    _, samples = play(Told(lambda second: ()), 0)
    assert samples == {
        "outrider_peer_requests_total": {("ok",): 0, ("failed",): 0, ("refused",): 0, ("malformed",): 0},
        "outrider_peers_known": {(): 0},
        "outrider_peers_fresh": {(): 0},
        "outrider_peers_isolated": {(): 0},
        "outrider_peer_info": {("shop", "me"): 1},
        "outrider_peer_wants_out": {(): 1},
    }
    assert all(len(labels) == len(METRICS[name].labels) for name, given in samples.items() for labels in given)


def test_isolation_and_freshness_are_on_the_page():
    """Three known and two fresh; then three known, none fresh, isolated."""
    _, samples = play(Told(lambda second: ("a", "b")), 5)
    assert (samples["outrider_peers_known"], samples["outrider_peers_fresh"]) == ({(): 3}, {(): 2})
    _, samples = play(Told(lambda second: None), 9)
    assert (samples["outrider_peers_known"], samples["outrider_peers_fresh"]) == ({(): 3}, {(): 0})
    assert samples["outrider_peers_isolated"] == {(): 1}


def test_a_stranger_with_a_new_name_each_time_is_forgotten_again():
    """Names are not kept for ever: memory is bounded by the last rounds."""
    peers, _ = play(Told(lambda second: (f"x{second}",)), 2000)
    assert len(peers.fleet._views) <= 17
