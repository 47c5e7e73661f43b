from tests.balancers.conftest import Nginx, load, needs, page, parts, replicas, until

pytestmark = needs("nginx")


async def test_what_nginx_sees_and_what_it_does_not():
    """It spares clients a service that answers 503 or is gone; it never learns that a replica is unready."""
    async with replicas() as made:
        with Nginx(page("nginx"), made, "listen 80") as balancer:
            async with load(balancer.url) as clients:
                await clients.more(50)
                made[0].app = 503
                await clients.more(100)
                served = made[0].served
                await clients.more(100)
                assert made[0].served <= served + 4  # left alone, as it failed twice in ten seconds
            assert clients.errors == []

            made[1].health = 503  # its own check fails, and with it readiness, while the service answers as before
            await until(lambda: made[1].agent.get("/readyz")[0] == 503, "an unready replica")
            assert (await parts(balancer.url, made))[1] > 0.4

            made[2].agent.post("/api/v1/drain")
            assert made[2].agent.get("/readyz")[0] == 503
            assert (await parts(balancer.url, made))[2] > 0.4
