"""OTLP/HTTP in, the bad: every refusal is a Status with the right code, is counted, and costs little."""

import asyncio
import gzip
import json
import time

import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from tests.agent.receiver.client import JSON, PROTOBUF, head
from tests.agent.receiver.requests import nested
from tests.agent.spans import request, until


@pytest.mark.case("B21")
@pytest.mark.parametrize("path", ["/v1/trace", "/", "/v1/traces/", "/v1development/profiles", "/v1/traces/../x"])
async def test_other_paths_are_not_found(client, path):
    """404 with a Status that says what is taken."""
    answer = await client.post(request(1), path=path)
    assert (answer.status, client.refused(404)) == (404, 1)
    assert "/v1/traces" in answer.message


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "DELETE"])
async def test_other_methods_are_refused(client, method):
    """405 that names the one that is right."""
    answer = await client.post(None, method=method)
    assert (answer.status, answer.headers["Allow"], client.refused(405)) == (405, "POST", 1)


@pytest.mark.parametrize("content_type", ["text/plain", "application/protobuf", "application/jsonx", None])
async def test_other_content_types_are_refused(client, content_type):
    """415 that names the right ones, readable for the person who tried with curl."""
    answer = await client.post(request(1), Content_Type=content_type)
    assert answer.status == 415
    assert PROTOBUF in json.loads(answer.body)["message"]


@pytest.mark.case("B18")
@pytest.mark.parametrize("encoding", ["foo", "br", "zstd", "gzip, gzip", "gzip,identity"])
async def test_other_encodings_are_refused(client, encoding):
    """415 that lists those that are taken; nothing passes undecoded."""
    answer = await client.post(request(1), Content_Encoding=encoding)
    assert (answer.status, client.received) == (415, 0)
    assert "gzip, deflate" in answer.message


@pytest.mark.case("B18")
async def test_an_encoding_in_two_headers_is_a_list(client):
    """The second one is not overlooked."""
    body = gzip.compress(request(1))
    lines = ("Content-Encoding: gzip", "Content-Encoding: gzip", "Connection: close")
    assert b" 415 " in await client.raw(head(len(body), *lines) + body)


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


@pytest.mark.case("B11")
async def test_text_that_is_not_utf_8_is_named(client):
    """400 with the path of the field that is at fault."""
    answer = await client.post(request(3).replace(b"GET", b"\xff\xfe\xfd"))
    assert answer.status == 400
    assert "resource_spans[0].scope_spans[0].spans[0].name is not UTF-8" in answer.message


@pytest.mark.case("B5")
@pytest.mark.parametrize(
    "body",
    [b'{"resourceSpans":', b"[]", b'{"resourceSpans":[NaN]}', b"[" * (1 << 20), b'{"a":1,"a":2}{', b"\xff{}"],
    ids=["broken", "array", "nan", "brackets", "trailing", "not-utf-8"],
)
async def test_what_is_no_json_is_refused(client, body):
    """400 in JSON, whatever is wrong."""
    answer = await client.post(body, Content_Type=JSON)
    assert (answer.status, answer.headers["Content-Type"]) == (400, JSON)
    assert "ExportTraceServiceRequest" in answer.message
    assert client.refused(400, "json") == 1


@pytest.mark.case("B6")
async def test_ids_in_base64_are_refused(client):
    """400 that names the field and says hex; no id of 24 bytes is made of it."""
    span = {"traceId": "Z6z8LqVvEI+kU1/Ci6mXBQ==", "spanId": "gMEgDJS+EXg="}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    answer = await client.post(body, Content_Type=JSON)
    assert (answer.status, client.bodies) == (400, [])
    assert "spans[0].traceId" in answer.message
    assert "hex" in answer.message


@pytest.mark.case("B19")
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "spoil",
    [lambda _: request(1), lambda packed: packed[:-4], lambda packed: packed + b"junk", lambda _: b""],
    ids=["plain", "cut", "junk-after-it", "nothing"],
)
async def test_what_is_not_compressed_as_it_says_is_refused(client, encoding, spoil):
    """400 for a body that is not what its Content-Encoding says, whole and alone."""
    packed = gzip.compress(request(1)) if encoding == "gzip" else gzip.zlib.compress(request(1))
    answer = await client.post(spoil(packed), Content_Encoding=encoding)
    assert (answer.status, client.received) == (400, 0)
    assert encoding in answer.message


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


@pytest.mark.case("B26")
@pytest.mark.case("B27")
@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), id="tls"),
        pytest.param(b"POST /v1/traces HTTP/1.1\r\nX: " + b"y" * 65536 + b"\r\n\r\n", id="64-kib-header"),
        pytest.param(b"POST /v1/traces HTTP/1.1\r\nX: a\x00b\r\n\r\n", id="nul-in-header"),
        pytest.param(b"POST /v1/traces HTTP/1.1\r\nA: b\r\n c: d\r\nE\r\n\r\n", id="broken-header"),
        pytest.param(b"POST /v1/traces HTTP/1.1\r\nX: a\rInjected: b\r\n\r\n", id="bare-cr"),
        pytest.param(head("abc"), id="length-in-letters"),
        pytest.param(head(10, "Content-Length: 20"), id="two-lengths"),
        pytest.param(head(10, "Transfer-Encoding: chunked"), id="length-and-chunks"),
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
@pytest.mark.parametrize("reason", ["queue_full", "stopping"])
@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
async def test_a_relay_that_takes_nothing_now_is_503(client, reason, kind):
    """Retry-After, and RetryInfo in the Status, in both encodings; it is the spans that count as refused."""
    client.relay.refusal = reason
    body = request(7) if kind == PROTOBUF else b'{"resourceSpans":[]}'
    answer = await client.post(body, Content_Type=kind)
    assert (answer.status, answer.headers["Retry-After"], client.refused(503)) == (503, "1", 0)
    assert reason in answer.message
    if kind == JSON:
        assert json.loads(answer.body)["details"][0]["retryDelay"] == "1s"
    else:
        [detail] = Status.FromString(answer.body).details
        found = RetryInfo()
        assert detail.Unpack(found)
        assert found.retry_delay.seconds == 1
        assert client.relay.ledger.refused[reason] == 7


async def test_a_fault_of_ours_is_500_and_told_once(client, monkeypatch, caplog):
    """The sender gets a Status, the log the traceback."""

    async def breaks(*_args, **_named):
        raise KeyError("a bug")

    monkeypatch.setattr(client.relay, "submit", breaks)
    answers = [await client.post(request(1)) for _ in range(3)]
    assert {answer.status for answer in answers} == {500}
    assert answers[0].message
    assert len(caplog.records) == 1


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
