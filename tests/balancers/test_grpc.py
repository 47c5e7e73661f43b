import signal

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from agent.demo.process import HOST
from tests.ports import free_port
from tests.running import PATIENCE, agent


async def test_a_watch_until_the_end():
    """A client that watches learns at the beginning of the drain; at its end the call ends in good order."""
    port = free_port()
    with agent("probes: {}", listen=f"grpc_health: '{HOST}:{port}'", drain="2s") as running:
        running.until("/readyz")
        async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
            call = HealthStub(channel).Watch(HealthCheckRequest(), timeout=PATIENCE)
            assert (await call.read()).status == HealthCheckResponse.SERVING
            running.signal(signal.SIGTERM)
            assert (await call.read()).status == HealthCheckResponse.NOT_SERVING
            assert await call.read() is grpc.aio.EOF
            assert await call.code() is grpc.StatusCode.OK
        assert running.ends() == 0
