"""OTLP/HTTP in, the large and the many: bytes are charged before they are read, and others are answered meanwhile."""

import asyncio
import gzip
import io
import time
import tracemalloc

import pytest

from agent.receiver.limits import Limits
from config.sections.traces import Receive
from tests.agent.receiver.client import JSON, head
from tests.agent.receiver.requests import attribute_list, logs, metrics, with_attributes, with_events
from tests.agent.spans import request, until

MIB = 1 << 20


async def longest_turn(work):
    """The result of `work`, and the CPU seconds of the longest turn of the loop meanwhile."""
    task, longest = asyncio.create_task(work), 0.0
    while not task.done():
        before = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - before)
    return await task, longest


@pytest.mark.case("B13")
async def test_the_limit_is_exact(client):
    """A body of just the limit is taken; one byte more, however it comes, is 413."""
    filler = MIB - len(request(1, filler=MIB)) + MIB
    exact, larger = request(1, filler=filler), request(1, filler=filler + 1)
    assert len(exact) == MIB

    async def chunks():
        yield larger[:1000]
        yield larger[1000:]

    assert (await client.post(gzip.compress(exact), Content_Encoding="gzip")).status == 200
    assert (await client.post(io.BytesIO(exact))).status == 200
    for body, headers in (
        (io.BytesIO(larger), {}),
        (gzip.compress(larger), {"Content_Encoding": "gzip"}),
        (chunks(), {}),
    ):
        answer = await client.post(body, **headers)
        assert answer.status == 413
        assert str(MIB) in answer.message
    assert client.refused(413) == 3
    assert client.bodies == [exact, exact]


@pytest.mark.case("B13")
async def test_a_bomb_costs_neither_memory_nor_the_loop(client):
    """A gzip body of 100 KB that inflates to 100 MB is refused at the limit."""
    bomb = gzip.compress(bytes(100 << 20), 9)
    tracemalloc.start()
    try:
        answer, longest = await longest_turn(client.post(bomb, Content_Encoding="gzip"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status == 413
    assert peak < 2 * MIB + 500_000
    assert longest < 0.1


async def test_json_has_a_limit_of_its_own(receive):
    """413 that names the encoding that may be larger."""
    async with receive() as client:
        answer = await client.post(io.BytesIO(b" " * (5 * MIB)), Content_Type=JSON)
        assert answer.status == 413
        assert "protobuf" in answer.message


@pytest.mark.case("B15")
async def test_a_giant_length_is_refused_before_it_is_read(client):
    """10 GiB announced and nothing sent: 413 at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(head(10 << 30))
    async with asyncio.timeout(20):  # less than a body may take
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_body_that_does_not_come_is_given_up(receive):
    """A body that drips ends with 408 at the time limit, and its budget is given back."""
    async with receive(body_seconds=0.2, memory=1000) as client:
        answer = await client.raw(head(1000), *[b"x"] * 5, pause=0.1)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert client.refused(408) == 1
        assert (await client.post(request(1))).status == 200


@pytest.mark.case("B24")
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: request(1, filler=5 * MIB), id="one-huge-attribute"),
        pytest.param(lambda: request(16_000, filler=300), id="many-spans"),
        pytest.param(lambda: with_events(100_000), id="many-events"),
        pytest.param(lambda: with_attributes(10_000), id="many-attributes"),
    ],
)
async def test_large_requests_do_not_hold_the_loop(receive, made):
    """Whatever makes a request large, others are answered meanwhile."""
    body = made()
    async with receive() as client:
        answer, longest = await longest_turn(client.post(io.BytesIO(body)))
        assert answer.status == 200
        assert longest < 0.1
        assert client.bodies == [body]


@pytest.mark.case("B24")
@pytest.mark.parametrize(
    ("path", "body"),
    [("metrics", metrics(40_000)), ("metrics", metrics(40_000, kind="histogram")), ("logs", logs(2, filler=2 * MIB))],
    ids=["points", "histograms", "records"],
)
async def test_large_requests_of_other_signals_do_not_hold_the_loop(receive, path, body):
    """A metric of many points, and records of megabytes, are taken in slices too."""
    async with receive(signals=("traces", "metrics", "logs")) as client:
        answer, longest = await longest_turn(client.post(io.BytesIO(body), path=f"/v1/{path}"))
        assert answer.status == 200
        assert longest < 0.1
        assert client.relay.kept[0].items == (2 if path == "logs" else 40_000)


@pytest.mark.parametrize("size", [1 << 15, 2 << 20], ids=["small", "large"])
async def test_empty_messages_without_number_are_refused_cheaply(receive, size):
    """Two bytes each on the wire and a hundred in memory: not taken, and not built."""
    async with receive() as client:
        for empty in (b"\x0a\x00", b"\x0a\x02\x12\x00"):
            answer = await client.post(gzip.compress(empty * size), Content_Encoding="gzip")
            assert answer.status == 400
            assert "fields" in answer.message


@pytest.mark.case("B24")
async def test_a_list_of_nothings_in_an_attribute_is_refused_cheaply(receive):
    """A million empty values would be 64 MiB in the parser: neither built, nor walked at one go."""
    body = gzip.compress(attribute_list(b"\x0a\x00" * MIB))
    async with receive() as client:
        answer, longest = await longest_turn(client.post(body, Content_Encoding="gzip"))
        assert answer.status == 400
        assert longest < 0.1


@pytest.mark.case("F3")
async def test_the_budget_is_charged_before_the_body_is_read(receive):
    """Uploads beyond the budget are 503 before they send a byte of body; the others are taken when they go on."""
    body = request(1, filler=90_000)
    async with receive(memory=200_000) as client:
        connections = [await asyncio.open_connection("127.0.0.1", client.port) for _ in range(6)]
        for _, writer in connections:
            writer.write(head(len(body), "Connection: close"))
        await until(lambda: client.refused(503) == 4)
        for _, writer in connections:
            writer.write(body)
        answers = [await reader.read() for reader, _ in connections]
        for _, writer in connections:
            writer.close()
        assert sorted(answer.split()[1] for answer in answers) == [b"200"] * 2 + [b"503"] * 4
        assert all(b"Retry-After: 1" in answer for answer in answers if b" 503 " in answer)
        assert (await client.post(io.BytesIO(body))).status == 200
        assert len(client.bodies) == 3


async def test_a_body_of_unknown_length_is_charged_as_it_comes(receive):
    """A chunked upload that would exceed the budget is 503 midway, and everything is given back."""

    async def chunks():
        for _ in range(4):
            yield request(1, filler=20_000)

    async with receive(memory=50_000) as client:
        assert (await client.post(chunks())).status == 503
        assert (await client.post(request(1, filler=40_000))).status == 200


async def test_settings_may_change_while_it_listens(receive):
    """A smaller limit and another path hold from the next request on."""
    async with receive() as client:
        assert (await client.post(request(1, filler=2000))).status == 200
        client.receiver.change(Limits(1000, 2000), Receive(traces_path="/spans"))
        assert (await client.post(request(1, filler=2000), path="/spans")).status == 413
        assert (await client.post(request(1))).status == 404
