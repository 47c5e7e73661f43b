"""The benchmark of a fleet, in small: it runs, and what it counts adds up. Its numbers are judged elsewhere."""

import asyncio

import pytest

from bench import fleet_database, fleet_gap, fleet_lost
from bench.fleet_stage import CHECKS, stage
from tests.balancers.conftest import needs


@needs("haproxy")
async def test_a_private_fault_is_lost_requests_of_one_replica():
    """A replica that answers 500 costs requests until it is out; with the shallow check it never is."""
    async with stage(replicas=2) as made:
        assert [fleet.name for fleet in made.fleets] == list(CHECKS)
        clients = await fleet_lost.play(made, "private", seconds=6, after=0)
    for client in clients.values():
        assert client.asked == pytest.approx((fleet_lost.BEFORE + 6) * fleet_lost.RATE, abs=1)
        assert client.lost["500"]
    assert clients["shallow"].lost["500"] == pytest.approx(6 * fleet_lost.RATE / 2, abs=30)
    assert clients["outrider"].lost["500"] < clients["shallow"].lost["500"]


@pytest.mark.parametrize("became", ["200", "503", "refused", "slow", "cut short"])
async def test_a_client_tells_what_became_of_a_request(became, monkeypatch):
    """An answer of 200 in time is not lost; any other end is, under its name."""
    monkeypatch.setattr(fleet_lost, "SLOW", 0.2 if became == "slow" else 60.0)

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if became == "slow":
            await reader.read()
        elif became != "cut short":
            writer.write(f"HTTP/1.1 {became} X\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, fleet_lost.HOST, 0) as server:
        client = fleet_lost.Client(server.sockets[0].getsockname()[1])
        if became == "refused":
            server.close()
        await client.run(0.1)
    assert client.asked == 2
    assert dict(client.lost) == ({} if became == "200" else {became: 2})
    assert client.lost_free == (became != "200")


def test_the_gap_of_a_killed_agent_is_seen():
    """An agent that was killed is back within seconds, and its readiness not before its life."""
    gaps = fleet_gap.measure(0.5, 1)
    assert 0 < gaps["/livez"][0] <= gaps["/readyz"][0] + 2.0  # asked at other moments
    assert gaps["OTLP"][0] > 0


def test_what_a_database_bears_is_counted():
    """Two replicas hold a session each; with `always` both read the catalogue."""
    rows = list(fleet_database.rows(sizes=(2,), seconds=3, settle=1))
    assert len(rows) == 1
    assert rows[0].met
    assert rows[0].ours.startswith("2 sessions")
