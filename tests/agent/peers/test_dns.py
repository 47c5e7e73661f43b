"""Replicas found by a name: looked up rarely, kept when the name server fails."""

import asyncio
import socket
import time

import pytest

from agent.peers.dns import EVERY, Named
from agent.peers.http import Asker, HttpWay
from agent.peers.way import Missed, Outcome
from agent.tokens import Tokens
from config.net.resolve import Address
from tests.agent.peers.replicas import Replica, counts, heard, hearing, listening
from tests.ports import free_port
from tests.virtual import run

V4, V6 = socket.AF_INET, socket.AF_INET6


class Names:
    """A name server that is told what to say, on a clock that stands still until told."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0
        self.now = 1000.0

    async def resolve(self, host, port):
        assert host == "checkout-outrider"
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [Address(text, port, V6 if ":" in text else V4) for text in answer]

    def named(self, port=9740):
        return Named("checkout-outrider", port, 2.0, resolve=self.resolve, clock=lambda: self.now)


def has_ipv6():
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(V6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_addresses_of_both_families_become_urls():
    """An IPv6 address goes into brackets."""
    found = await Names(["10.0.0.1", "fd00::1"]).named().find(lonely=False)
    assert [base.url for base in found] == ["http://10.0.0.1:9740", "http://[fd00::1]:9740"]


async def test_the_name_is_looked_up_every_ten_seconds():
    """In between nothing is asked: the name server is shared by the whole cluster."""
    names = Names(["10.0.0.1"])
    named = names.named()
    for names.now in (0.0, 2.0, EVERY - 0.1, EVERY, EVERY + 2):
        await named.find(lonely=False)
    assert names.asked == 2


async def test_when_nobody_answers_the_name_is_looked_up_at_once():
    """All pods may have moved."""
    names = Names(["10.0.0.1"])
    named = names.named()
    for lonely in (False, True, True):
        await named.find(lonely=lonely)
    assert names.asked == 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (OSError("broken"), "broken"),
        (ValueError("label too long"), "label too long"),
    ],
)
async def test_a_failed_look_up_is_told_and_tried_again(error, said):
    """It is one miss, names the name, and the next round asks again."""
    names = Names(error, ["10.0.0.1"])
    named = names.named()
    with pytest.raises(Missed, match=f"checkout-outrider cannot be resolved: {said}") as missed:
        await named.find(lonely=False)
    assert missed.value.outcome is Outcome.FAILED
    assert len(await named.find(lonely=False)) == 1


def test_a_name_server_that_hangs_is_given_up():
    """After the time of one request, in simulated time."""

    async def hang(host, port):
        await asyncio.sleep(3600)

    async def main():
        with pytest.raises(Missed, match="checkout-outrider is not resolved within 2 s"):
            await Named("checkout-outrider", 9740, 2.0, resolve=hang).find(lonely=False)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(1002.0)


async def test_a_failing_name_server_takes_no_peer_away():
    """The last addresses are asked on; the same replicas are heard and counted."""
    names = Names(["127.0.0.1"], socket.gaierror(socket.EAI_AGAIN, "try again"))
    hear = hearing()
    async with listening(Replica("a")) as a:
        way = HttpWay("me", names.named(a.port), Asker(Tokens(), 2.0))
        for names.now in (0.0, EVERY, 2 * EVERY):
            await way.look(hear)
        await way.aclose()
    assert (heard(hear), a.asked, names.asked) == (["a"], 3, 3)
    assert counts(hear) == {"ok": 3, "failed": 2}
    assert hear.fleet.size(time.monotonic()) == 2


async def test_replicas_come_and_go():
    """Three addresses on one port; one of them is us, one leaves, and the next look-up knows it."""
    port = free_port()
    names = Names(["127.0.0.1", "127.0.0.2", "127.0.0.3"], ["127.0.0.1", "127.0.0.2"])
    hear = hearing("a")
    async with (
        listening(Replica("a"), "127.0.0.1", port) as a,
        listening(Replica("b"), "127.0.0.2", port) as b,
        listening(Replica("c"), "127.0.0.3", port) as c,
    ):
        way = HttpWay("a", names.named(port), Asker(Tokens(), 2.0))
        for names.now in (0.0, 2.0, EVERY, EVERY + 2):
            await way.look(hear)
        await way.aclose()
    assert heard(hear) == ["b", "c"]  # the one that left is still fresh
    assert (a.asked, b.asked, c.asked) == (1, 4, 3)  # the round of the look-up still asks whom it knew
    assert hear.fleet._others == 1


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
async def test_one_replica_with_an_ipv4_and_an_ipv6_address():
    """`localhost` by the system's resolver, asked over both: one other replica, counted once."""
    hear = hearing()
    async with listening(Replica("a"), "*", free_port()) as a:
        addresses = Names(["127.0.0.1", "::1"])
        way = HttpWay("me", addresses.named(a.port), Asker(Tokens(), 2.0))
        await way.look(hear)
        assert (a.asked, counts(hear)) == (2, {"ok": 2})
        await way.look(hear)
        await way.aclose()
    assert (a.asked, hear.fleet.size(time.monotonic())) == (3, 2)


async def test_the_systems_own_resolver_is_asked():
    """Without a stand-in: `localhost` leads to a replica that listens there."""
    hear = hearing()
    async with listening(Replica("a"), "*", free_port()) as a:
        way = HttpWay("me", Named("localhost", a.port, 2.0), Asker(Tokens(), 2.0))
        await way.look(hear)
        await way.aclose()
    assert heard(hear) == ["a"]
