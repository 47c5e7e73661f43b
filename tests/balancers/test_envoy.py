import pytest

from tests.balancers.conftest import Envoy, load, needs, page, parts, replicas, until, yaml_page
from tests.running import AT_ONCE

pytestmark = needs("envoy")

AT = "{address: 0.0.0.0, port_value: 80}"


def envoy(made, text=None):
    return Envoy(text or yaml_page("static_resources"), made, AT)


async def test_a_private_fault_ejects_one_and_no_client_sees_it():
    """One replica fails, is out soon, is mended and comes back: every request is answered."""
    async with replicas() as made:
        with envoy(made) as balancer:
            await _healthy(balancer, made)
            async with load(balancer.url) as clients:
                await clients.more(100)
                made[0].app = 503
                await until(lambda: made[0].agent.get("/readyz")[0] == 503, "an unready replica")
                await until(lambda: _flags(balancer, made[0], "/failed_active_hc"), "one is out", AT_ONCE)
                served = made[0].served
                await clients.more(200)
                assert made[0].served <= served + 4  # what was on its way
                made[0].app = 200
                await until(lambda: made[0].served > served + 10, "traffic for the one that is back")
            assert clients.errors == []
            assert 503 in made[0].answered  # there was something to see


async def test_degraded_replicas_get_what_is_left():
    """A degraded replica gets nothing while another is healthy; when all are degraded all get their part."""
    async with replicas() as made:
        with envoy(made) as balancer:
            await _healthy(balancer, made)
            assert min(await parts(balancer.url, made)) > 0.2
            for number, wanted in ((0, [0, 0.5, 0.5]), (1, [0, 0, 1])):
                made[number].cache = 503
                await until(lambda n=number: _flags(balancer, made[n], "/degraded_active_hc"), "a degraded replica")
                got = await parts(balancer.url, made)
                assert got == pytest.approx(wanted, abs=0.1)
                assert got[: number + 1] == [0] * (number + 1)
            made[2].cache = 503
            await until(lambda: _flags(balancer, made[2], "/degraded_active_hc"), "all degraded")
            assert min(await parts(balancer.url, made)) > 0.2


async def test_degraded_replicas_before_none():
    """When the last healthy replica leaves, the degraded ones carry everything."""
    async with replicas() as made:
        with envoy(made) as balancer:
            await _healthy(balancer, made)
            made[0].cache = made[1].cache = 503
            made[2].health = 503
            for number, word in enumerate(("/degraded_active_hc", "/degraded_active_hc", "/failed_active_hc")):
                await until(lambda n=number, word=word: _flags(balancer, made[n], word), word)
            assert await parts(balancer.url, made) == pytest.approx([0.5, 0.5, 0], abs=0.1)


async def test_a_drain_costs_no_request():
    """A replica that is asked to drain is out soon, and nothing fails."""
    async with replicas() as made:
        with envoy(made) as balancer:
            await _healthy(balancer, made)
            async with load(balancer.url) as clients:
                await clients.more(100)
                made[1].agent.post("/api/v1/drain")
                await until(lambda: _flags(balancer, made[1], "/failed_active_hc"), "one is out", AT_ONCE)
                await clients.more(100)
            assert clients.errors == []


async def test_grpc_health_checks():
    """The same over grpc.health.v1: in while the replica is ready, out when it is not, in again."""
    async with replicas(1) as made:
        with envoy(made, _over_grpc()) as balancer:
            await _healthy(balancer, made)
            made[0].health = 503
            await until(lambda: _flags(balancer, made[0], "/failed_active_hc"), "it is out")
            made[0].health = None
            await _healthy(balancer, made)


def _over_grpc():
    """The page's configuration with the page's other check, on a cluster that may speak HTTP/2."""
    text = yaml_page("static_resources")
    start, end = text.index("    health_checks:"), text.index("    load_assignment:")
    protocols = """\
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        use_downstream_protocol_config: {http_protocol_options: {}, http2_protocol_options: {}}
"""
    swapped = text[:start] + yaml_page("health_checks:") + protocols + text[end:]
    return swapped.replace("port_value: 9740", "port_value: 9743")


async def _flags(balancer, replica, word):
    return word in await balancer.flags(replica)


async def _healthy(balancer, made):
    for each in made:
        await until(lambda each=each: _flags(balancer, each, "healthy"), "a healthy replica")


def test_the_page_tells_of_the_trap():
    """Envoy's own pause of a minute without traffic is written off, in every check."""
    for start in ("static_resources", "health_checks:"):
        assert "no_traffic_interval: 1s" in yaml_page(start)
    assert page("nginx")
