"""OTLP/HTTP in: what is good is taken byte for byte, what is bad gets a Status and the right code, and costs little."""

import asyncio
import gzip
import io
import json
import time
import tracemalloc
import zlib

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.agent.pipeline import relaying
from tests.agent.receiver.client import PROTOBUF, head
from tests.agent.spans import request, until


async def arrived(upstream, spans=1):
    await until(lambda: upstream.accepted >= spans)
    return b"".join(arrival.body for arrival in upstream.arrivals)


async def longest_turn(work):
    """The result of `work`, and the CPU seconds of the longest turn of the loop meanwhile."""
    task, longest = asyncio.create_task(work), 0.0
    while not task.done():
        before = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - before)
    return await task, longest


@pytest.mark.case("A1")
async def test_a_request_is_taken_and_forwarded(client, upstream):
    """200 with an empty ExportTraceServiceResponse, and the same bytes upstream."""
    body = request(1)
    answer = await client.post(body)
    assert (answer.status, answer.headers["Content-Type"]) == (200, PROTOBUF)
    assert not ExportTraceServiceResponse.FromString(answer.body).HasField("partial_success")
    assert await arrived(upstream) == body
    assert client.received == 1


@pytest.mark.case("A8")
@pytest.mark.parametrize("body", [b"", b"\n\x00", b"\n\x02\x12\x00"], ids=["nothing", "no-scope", "no-span"])
async def test_an_empty_envelope_is_a_success(client, body):
    """200, and no span is counted."""
    assert (await client.post(body)).status == 200
    assert client.received == 0


@pytest.mark.case("A9")
async def test_unknown_fields_survive(client, upstream):
    """Fields of a newer protocol pass at every level, unchanged."""
    made = ExportTraceServiceRequest.FromString(request(1))
    unknown = b"\x9a\x06\x06future"
    made.resource_spans[0].MergeFromString(unknown)
    made.resource_spans[0].scope_spans[0].spans[0].MergeFromString(unknown)
    body = made.SerializeToString() + unknown
    assert (await client.post(body)).status == 200
    assert await arrived(upstream) == body


@pytest.mark.case("A20")
async def test_flags_and_trace_state_are_left_alone(client, upstream):
    """Bits that we do not know and a trace state of full length go through."""
    made = ExportTraceServiceRequest.FromString(request(1))
    span = made.resource_spans[0].scope_spans[0].spans[0]
    span.flags, span.trace_state = 0x80000300, "v=" + "x" * 510
    assert (await client.post(made.SerializeToString())).status == 200
    assert await arrived(upstream) == made.SerializeToString()


@pytest.mark.case("A13")
@pytest.mark.parametrize("encoding", ["identity", "", "gzip", "x-gzip", "deflate", "GZIP"])
async def test_encodings_that_are_taken(client, upstream, encoding):
    """The usual content encodings, by any spelling."""
    body = request(3)
    packed = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}.get(encoding.lower(), bytes)
    assert (await client.post(packed(body), Content_Encoding=encoding)).status == 200
    assert await arrived(upstream, 3) == body


@pytest.mark.case("A14")
async def test_an_answer_is_plain_whatever_is_accepted(client):
    """A client that takes gzip gets a body it can read."""
    answer = await client.post(request(1), Accept_Encoding="gzip")
    assert "Content-Encoding" not in answer.headers


@pytest.mark.case("A15")
async def test_pipelined_and_parallel_requests_are_all_taken(client, upstream):
    """Many requests in one go on one connection, and many connections at once."""
    body = request(1)
    one = head(len(body)) + body
    last = head(len(body), "Connection: close") + body
    answers = await client.raw(one * 299 + last)
    assert answers.count(b"HTTP/1.1 200") == 300
    assert {answer.status for answer in await asyncio.gather(*(client.post(body) for _ in range(200)))} == {200}
    await arrived(upstream, 500)
    assert client.received == 500


@pytest.mark.case("A16")
async def test_old_and_cautious_clients(client, upstream):
    """HTTP/1.0, and `Expect: 100-continue`."""
    body = request(1)
    assert b" 200 " in await client.raw(head(len(body), version="1.0") + body)
    expecting = head(len(body), "Expect: 100-continue", "Connection: close")
    answer = await client.raw(expecting, body, pause=0.05)
    assert answer.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 200 " in answer
    await arrived(upstream, 2)


@pytest.mark.case("A18")
@pytest.mark.case("B21")
@pytest.mark.parametrize(
    "path", ["/v1/logs", "/v1/metrics", "/v1/trace", "/", "/v1/traces/", "/v1development/profiles"]
)
async def test_other_paths_are_not_found(client, path):
    """404 with a Status that says what is taken."""
    answer = await client.post(request(1), path=path)
    assert (answer.status, client.refused(404)) == (404, 1)
    assert "/v1/traces" in answer.message


async def test_other_methods_are_refused(client):
    """405 that names the one that is right."""
    answer = await client.post(None, method="GET")
    assert (answer.status, answer.headers["Allow"], client.refused(405)) == (405, "POST", 1)


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
async def test_json_is_refused_in_json(client, content_type):
    """415 in the sender's own encoding, with what to set instead."""
    answer = await client.post(b'{"resourceSpans":[]}', Content_Type=content_type)
    assert (answer.status, client.refused(415)) == (415, 1)
    assert answer.headers["Content-Type"] == "application/json"
    assert "not in this version" in json.loads(answer.body)["message"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/protobuf", None])
async def test_other_content_types_are_refused(client, content_type):
    """415 that names the right one, readable for the person who tried with curl."""
    answer = await client.post(request(1), Content_Type=content_type)
    assert answer.status == 415
    assert PROTOBUF in json.loads(answer.body)["message"]


@pytest.mark.case("B18")
@pytest.mark.parametrize("encoding", ["foo", "br", "zstd", "gzip, gzip"])
async def test_other_encodings_are_refused(client, encoding):
    """415 that lists those that are taken; nothing passes undecoded."""
    answer = await client.post(request(1), Content_Encoding=encoding)
    assert (answer.status, client.received) == (415, 0)
    assert "gzip, deflate" in answer.message


def nested(depth):
    """A request whose attribute holds lists within lists."""
    made = ExportTraceServiceRequest.FromString(request(1))
    value = b"\x0a\x01x"
    for _ in range(depth):
        for tag in (b"\x0a", b"\x2a"):
            length, rest = b"", len(value)
            while rest > 127:
                length, rest = length + bytes([rest & 127 | 128]), rest >> 7
            value = tag + length + bytes([rest]) + value
    attribute = made.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="deep")
    attribute.value.string_value = "y" * len(value)
    return made.SerializeToString().replace(b"\x0a" + _length(len(value)) + b"y" * len(value), value, 1)


def _length(size):
    out = b""
    while size > 127:
        out, size = out + bytes([size & 127 | 128]), size >> 7
    return out + bytes([size])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(request(1)[:-1], marks=pytest.mark.case("B3"), id="cut-by-one-byte"),
        pytest.param(request(400, filler=300)[:-1], marks=pytest.mark.case("B3"), id="large-cut-by-one-byte"),
        pytest.param(b"\x0a\xff\xff\xff\x7f", marks=pytest.mark.case("B4"), id="length-beyond-the-end"),
        pytest.param(b"\x0a" + b"\xff" * 10 + b"\x01", marks=pytest.mark.case("B4"), id="eleven-byte-varint"),
        pytest.param(b"\x0b", marks=pytest.mark.case("B4"), id="open-group"),
        pytest.param(b"\x0c", marks=pytest.mark.case("B4"), id="stray-end-of-group"),
        pytest.param(b"\x9b\x06" * 10_000 + b"\x9c\x06" * 10_000, marks=pytest.mark.case("B4"), id="nested-groups"),
        pytest.param(nested(10_000), marks=pytest.mark.case("B4"), id="nested-values"),
        pytest.param(request(1).replace(b"GET", b"\xff\xfe\xfd"), marks=pytest.mark.case("B11"), id="not-utf-8"),
        pytest.param(b"hello, collector", id="text"),
    ],
)
async def test_what_is_no_request_is_refused(client, body):
    """400 with a Status, quickly, and nothing is taken of it."""
    started = time.process_time()
    answer = await client.post(body)
    assert (answer.status, client.received, client.refused(400)) == (400, 0, 1)
    assert "ExportTraceServiceRequest" in answer.message
    assert time.process_time() - started < 1


@pytest.mark.case("B19")
@pytest.mark.parametrize(
    "body",
    [request(1), gzip.compress(request(1))[:-4], gzip.compress(request(1)) + b"junk", b""],
    ids=["plain", "cut", "junk-after-it", "nothing"],
)
async def test_what_is_no_gzip_is_refused(client, body):
    """400 for a body that is not what its Content-Encoding says, whole and alone."""
    answer = await client.post(body, Content_Encoding="gzip")
    assert (answer.status, client.received) == (400, 0)
    assert "gzip" in answer.message


@pytest.mark.case("B13")
async def test_the_limit_is_exact(client, upstream):
    """A body of just the limit is taken; one byte more, however it comes, is 413."""
    limit = 1 << 20
    filler = limit - len(request(1, filler=limit)) + limit
    exact = request(1, filler=filler)
    assert len(exact) == limit
    larger = request(1, filler=filler + 1)

    async def chunks():
        yield larger[:1000]
        yield larger[1000:]

    assert (await client.post(gzip.compress(exact), Content_Encoding="gzip")).status == 200
    for body, headers in (
        (memoryview(larger), {}),
        (gzip.compress(larger), {"Content_Encoding": "gzip"}),
        (chunks(), {}),
    ):
        sent = body if not isinstance(body, memoryview) else _file(larger)
        answer = await client.post(sent, **headers)
        assert answer.status == 413
        assert str(limit) in answer.message
    assert client.refused(413) == 3
    await arrived(upstream)


def _file(body):
    return io.BytesIO(body)


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
    assert peak < 2 * (1 << 20) + 500_000
    assert longest < 0.1


@pytest.mark.case("B15")
async def test_a_giant_length_is_refused_before_it_is_read(client):
    """10 GiB announced and nothing sent: 413 at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(head(10 << 30))
    async with asyncio.timeout(4):  # less than a body may take
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


@pytest.mark.case("B23")
async def test_a_client_that_goes_away_leaves_no_trace(client, caplog):
    """A body that ends early is not received, and is no error in our log."""
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(head(1000) + b"abc")
    await writer.drain()
    writer.close()
    await until(lambda: client.refused(400))
    assert client.received == 0
    assert caplog.records == []


async def test_a_body_that_does_not_come_is_given_up(upstream, receive):
    """A body that drips ends with 408 at the time limit, and its budget is given back."""
    async with relaying(upstream.url) as relay, receive(relay, body_seconds=0.2, budget=1000) as client:
        answer = await client.raw(head(1000), *[b"x"] * 5, pause=0.1)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert client.refused(408) == 1
        assert (await client.post(request(1))).status == 200


@pytest.mark.case("B24")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda: request(1, filler=3 << 20), id="one-huge-attribute"),
        pytest.param(lambda: request(8000, filler=300), id="many-spans"),
        pytest.param(lambda: _with_events(100_000), id="many-events"),
    ],
)
async def test_large_requests_do_not_hold_the_loop(upstream, receive, body):
    """Whatever makes a request large, others are answered meanwhile."""
    made = body()
    async with relaying(upstream.url) as relay, receive(relay, max_body=8 << 20) as client:
        answer, longest = await longest_turn(client.post(_file(made)))
        assert answer.status == 200
        assert longest < 0.1
        assert client.received >= 1


def _with_events(number):
    made = ExportTraceServiceRequest.FromString(request(1))
    span = made.resource_spans[0].scope_spans[0].spans[0]
    for _ in range(number):
        span.events.add(name="an event", time_unix_nano=1)
    return made.SerializeToString()


async def test_empty_spans_by_the_million_are_refused_cheaply(upstream, receive):
    """Two bytes each on the wire and a hundred in memory: not taken, and not built."""
    body = gzip.compress(b"\x0a\x00" * (2 << 20))
    async with relaying(upstream.url) as relay, receive(relay) as client:
        answer = await client.post(body, Content_Encoding="gzip")
        assert answer.status == 400
        assert "fields" in answer.message


@pytest.mark.case("B26")
@pytest.mark.case("B27")
@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), id="tls"),
        pytest.param(b"POST /v1/traces HTTP/1.1\r\nX: " + b"y" * 65536 + b"\r\n\r\n", id="64-kib-header"),
        pytest.param(b"POST /v1/traces HTTP/1.1\r\nX: a\x00b\r\n\r\n", id="nul-in-header"),
        pytest.param(b"POST /v1/traces HTTP/1.1\r\nA: b\r\n c: d\r\nE\r\n\r\n", id="broken-header"),
        pytest.param(head("abc"), id="length-in-letters"),
        pytest.param(b"\x00\x01\x02\x03" * 100 + b"\r\n\r\n", id="garbage"),
    ],
)
async def test_what_is_not_http_is_refused_quietly(client, caplog, wire):
    """4xx by the parser, no traceback in the log, and the next request is served."""
    answer = await client.raw(wire, half_close=True)
    assert answer == b"" or answer.split()[1].startswith(b"4")
    assert caplog.records == []
    assert (await client.post(request(1))).status == 200


async def test_broken_chunks_are_refused(client, caplog):
    """A chunked body that breaks off is a 400 at most, and nothing of it is taken."""
    lines = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
    answer = await client.raw(lines + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n")
    assert answer == b"" or b" 400 " in answer
    assert client.received == 0
    assert caplog.records == []


@pytest.mark.case("F1")
async def test_a_full_queue_is_503_with_retry_after(upstream, receive):
    """The sender is told to come back, refused spans are counted, and what was accepted is intact."""
    body = request(50)
    await upstream.stop()
    async with relaying(upstream.url, queue_bytes=2 * len(body) + 600) as relay, receive(relay) as client:
        answers = [await client.post(body) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 503, 503]
        assert answers[2].headers["Retry-After"] == "1"
        assert "queue_full" in answers[2].message
        assert (client.received, relay.ledger.refused["queue_full"]) == (100, 100)
        await upstream.start()
        await arrived(upstream, 100)


async def test_no_larger_body_is_taken_than_can_be_queued(upstream, receive):
    """What would never fit is 413, not 503 for ever."""
    async with relaying(upstream.url, queue_bytes=10_000) as relay, receive(relay) as client:
        assert (await client.post(request(1, filler=10_000))).status == 413


@pytest.mark.case("F3")
async def test_the_budget_is_charged_before_the_body_is_read(upstream, receive):
    """Uploads beyond the budget are 503 before they send a byte of body; the others are taken when they go on."""
    body = request(1, filler=90_000)
    async with relaying(upstream.url) as relay, receive(relay, budget=200_000) as client:
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
        assert (await client.post(body)).status == 200
        await arrived(upstream, 3)


async def test_a_body_of_unknown_length_is_charged_as_it_comes(upstream, receive):
    """A chunked upload that would exceed the budget is 503 midway, and everything is given back."""

    async def chunks():
        for _ in range(4):
            yield request(1, filler=20_000)

    async with relaying(upstream.url) as relay, receive(relay, budget=50_000) as client:
        assert (await client.post(chunks())).status == 503
        assert (await client.post(request(1, filler=40_000))).status == 200
        await arrived(upstream)


async def test_a_stopping_relay_sends_its_senders_away(client, upstream):
    """After the drain began: 503 with Retry-After, and the spans are counted as refused."""
    await client.relay.drain(1)
    answer = await client.post(request(7))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert client.relay.ledger.refused["stopping"] == 7


async def test_answers_do_not_tell_what_they_are_made_with(client):
    """No version of ours or of a library's in a header."""
    for answer in (await client.post(request(1)), await client.post(b"x"), await client.post(b"", path="/x")):
        assert answer.headers["Server"] == "outrider"
    for wire in (b"GARBAGE\r\n\r\n", head("abc")):
        answer = await client.raw(wire)
        assert b"Server: outrider\r\n" in answer
        assert b"aiohttp" not in answer
        assert b"not a well-formed HTTP request" in answer
    assert client.refused(400) == 3
