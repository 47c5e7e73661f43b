import pytest

from agent.web.balancers.agent_check import agent_check
from config.types.address import ListenAddress
from tests.agent.web.conftest import World
from tests.balancers.conftest import HOST, Haproxy, load, needs, page, replicas, until
from tests.running import AT_ONCE

pytestmark = needs("haproxy")


class Told:
    """A desk that says what the test wants, behind a real listener."""

    def __init__(self):
        self.world, self.percent = World(), 100
        self.world.up("app")
        self.desk = self.world.desk()
        object.__setattr__(self.desk, "weight", lambda: self.percent)


@pytest.mark.case("B21")
async def test_haproxy_understands_every_line():
    """Weights are taken, down is DOWN, drain is DRAIN, and the next good line takes each of them back."""
    told = Told()
    async with agent_check(told.desk, ListenAddress(HOST, 0)) as at:
        text = page("haproxy").split("    option httpchk")[0] + (
            f"    server app1 {HOST}:{at.port} weight 100 agent-check agent-port {at.port} agent-inter 50ms\n"
        )
        with Haproxy(text, [], "bind :80") as balancer:

            async def shows(status, weight):
                await until(lambda: _is(balancer, (status, weight)), f"{status} {weight}")

            await shows("no check", 100)
            for percent in (55, 10, 1, 100):
                told.percent = percent
                await shows("no check", percent)
            told.world.down("app")
            await shows("DOWN (agent)", 100)
            told.percent = 10
            told.world.up("app")
            await shows("no check", 10)
            told.world.lifecycle.drain()
            await shows("DRAIN (agent)", 10)
            told.world.lifecycle._draining_since = None
            await shows("no check", 10)


async def _is(balancer, wanted):
    return await balancer.status() == wanted


async def test_a_private_fault_ejects_one_and_no_client_sees_it():
    """One replica fails, is out, is mended and comes back with a tenth: every request of all that time is answered."""
    async with replicas() as made:
        with Haproxy(page("haproxy"), made, "bind :80") as balancer:
            async with load(balancer.url) as clients:
                await clients.more(100)
                made[0].app = 503
                await until(lambda: _out(balancer), "app1 is out", AT_ONCE)
                served = made[0].served
                await clients.more(200)
                assert made[0].served <= served + 4  # what was on its way
                made[0].app = 200
                _, weight = (await until(lambda: _back(balancer), "app1 is back"))[0]
                assert weight <= 40  # slow start, as far as a check a second sees it
                await until(lambda: made[0].served > served + 10, "traffic for app1")
            assert clients.errors == []
            assert 503 in made[0].answered  # there was something to see


async def _out(balancer):
    return (await balancer.status())[0].startswith("DOWN")


async def _back(balancer):
    status = await balancer.status()
    return status if status[0] == "UP" else None


async def test_a_drain_costs_no_request():
    """A replica that is asked to drain soon gets no more traffic, serves what came, and nothing fails."""
    async with replicas() as made:
        with Haproxy(page("haproxy"), made, "bind :80") as balancer:
            async with load(balancer.url) as clients:
                await clients.more(100)
                made[1].agent.post("/api/v1/drain")
                await until(lambda: _gone(balancer), "app2 is out", AT_ONCE)
                served = made[1].served
                await clients.more(200)
            assert made[1].served <= served + 4
            assert clients.errors == []


async def _gone(balancer):
    return not (await balancer.status("app2"))[0].startswith("UP")


async def test_an_agent_that_is_gone_is_out():
    """The last word of agent-check stays; the check of /readyz takes the replica out."""
    async with replicas() as made:
        with Haproxy(page("haproxy"), made, "bind :80") as balancer:
            await until(lambda: _back(balancer), "app1 is up")
            made[0].agent.process.kill()
            await until(lambda: _out(balancer), "app1 is out")
            assert (await balancer.stats())["app1"]["agent_status"] == "L4CON"
