import signal
import time

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from agent.demo.process import HOST, free_port
from tests.running import agent


async def test_a_watch_until_the_end():
    """A client that watches learns that the replica drains at once; after the drain its call ends in good order."""
    port = free_port()
    with agent("probes: {}", listen=f"grpc_health: '{HOST}:{port}'", drain="1s") as running:
        running.until("/readyz")
        async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
            call = HealthStub(channel).Watch(HealthCheckRequest(), timeout=30)
            assert (await call.read()).status == HealthCheckResponse.SERVING
            running.signal(signal.SIGTERM)
            started = time.perf_counter()
            assert (await call.read()).status == HealthCheckResponse.NOT_SERVING
            assert time.perf_counter() - started < 1
            assert await call.read() is grpc.aio.EOF
            assert await call.code() is grpc.StatusCode.OK
        assert running.ends() == 0
        assert time.perf_counter() - started < 4
