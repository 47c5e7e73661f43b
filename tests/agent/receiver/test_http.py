"""OTLP/HTTP in, the good: what is well-formed is taken byte for byte, and answered as its sender expects."""

import asyncio
import gzip
import json
import zlib

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agent.relay.entry import HOPS, MAX_HOPS, Signal
from tests.agent.receiver.client import JSON, PROTOBUF, head
from tests.agent.receiver.requests import logs, metrics, spans
from tests.agent.spans import request

TRACE, SPAN = b"t" * 16, b"s" * 8


@pytest.mark.case("A1")
async def test_a_request_is_taken(client):
    """200 with an empty ExportTraceServiceResponse, and the same bytes go on."""
    body = request(1)
    answer = await client.post(body)
    assert (answer.status, answer.headers["Content-Type"]) == (200, PROTOBUF)
    assert not ExportTraceServiceResponse.FromString(answer.body).HasField("partial_success")
    assert client.bodies == [body]
    assert client.received == 1


@pytest.mark.case("A3")
async def test_json_is_taken_as_protobuf(client):
    """Ids of upper-case hex become bytes, the answer is JSON, and the request counts as JSON."""
    span = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "name": "a", "kind": 2}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    answer = await client.post(body, Content_Type=JSON)
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, JSON, b"{}")
    taken = ExportTraceServiceRequest.FromString(client.bodies[0]).resource_spans[0].scope_spans[0].spans[0]
    assert (taken.trace_id.hex(), taken.span_id.hex()) == (span["traceId"].lower(), span["spanId"].lower())
    assert client.relay.ledger.received["json"] == 1


@pytest.mark.case("A7")
@pytest.mark.parametrize("body", [b"{}", b'{"resourceSpans":[]}'])
async def test_empty_json_is_a_success(client, body):
    """200, and no span is counted."""
    answer = await client.post(body, Content_Type="application/json; charset=utf-8")
    assert (answer.status, answer.body) == (200, b"{}")
    assert client.relay.ledger.received.total() == 0


@pytest.mark.case("A8")
@pytest.mark.parametrize("body", [b"", b"\n\x00", b"\n\x02\x12\x00"], ids=["nothing", "no-scope", "no-span"])
async def test_an_empty_envelope_is_a_success(client, body):
    """200, and no span is counted."""
    assert (await client.post(body)).status == 200
    assert client.received == 0


@pytest.mark.case("A9")
async def test_unknown_fields_survive(client):
    """Fields of a newer protocol pass at every level, unchanged."""
    made = ExportTraceServiceRequest.FromString(request(1))
    unknown = b"\x9a\x06\x06future"
    made.resource_spans[0].MergeFromString(unknown)
    made.resource_spans[0].scope_spans[0].spans[0].MergeFromString(unknown)
    body = made.SerializeToString() + unknown
    assert (await client.post(body)).status == 200
    assert client.bodies == [body]


@pytest.mark.case("A10")
async def test_unknown_json_keys_are_ignored(client):
    """A key that nobody knows, with whatever is in it, changes nothing."""
    answer = await client.post(b'{"later":{"a":[1,{"b":null}]},"resourceSpans":[]}', Content_Type=JSON)
    assert (answer.status, answer.body) == (200, b"{}")


@pytest.mark.case("B9")
async def test_snake_case_keys_are_a_warning(client):
    """They are ignored, as OTLP has it, and the sender is told."""
    answer = await client.post(b'{"resource_spans":[]}', Content_Type=JSON)
    partial = json.loads(answer.body)["partialSuccess"]
    assert (answer.status, partial["rejectedSpans"]) == (200, "0")
    assert "snake_case keys ignored" in partial["errorMessage"]


@pytest.mark.case("A20")
async def test_flags_and_trace_state_are_left_alone(client):
    """Bits that we do not know and a trace state of full length go through."""
    made = ExportTraceServiceRequest.FromString(request(1))
    span = made.resource_spans[0].scope_spans[0].spans[0]
    span.flags, span.trace_state = 0x80000300, "v=" + "x" * 510
    assert (await client.post(made.SerializeToString())).status == 200
    assert client.bodies == [made.SerializeToString()]


@pytest.mark.case("A13")
@pytest.mark.parametrize("encoding", ["identity", "", "gzip", "x-gzip", "deflate", "GZIP"])
@pytest.mark.parametrize("spans", [3, 3000])
async def test_encodings_that_are_taken(client, encoding, spans):
    """The usual content encodings, by any spelling, of a body that comes with its head and of one that does not."""
    body = request(spans)
    packed = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}.get(encoding.lower(), bytes)
    assert (await client.post(packed(body), Content_Encoding=encoding)).status == 200
    assert client.bodies == [body]


async def test_gzip_of_several_members_is_one_body(client):
    """Members may follow each other (RFC 1952), and none is lost."""
    first, second = request(2), request(3)
    answer = await client.post(gzip.compress(first) + gzip.compress(second), Content_Encoding="gzip")
    assert answer.status == 200
    assert client.bodies == [first + second]


@pytest.mark.case("A14")
@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
async def test_an_answer_is_plain_whatever_is_accepted(client, kind):
    """A client that takes gzip gets a body it can read."""
    answer = await client.post(b"{}" if kind == JSON else request(1), Content_Type=kind, Accept_Encoding="gzip")
    assert answer.status == 200
    assert "Content-Encoding" not in answer.headers


@pytest.mark.case("A15")
async def test_pipelined_and_parallel_requests_are_all_taken(client):
    """A thousand requests in one go on one connection, and five hundred connections at once."""
    body = request(1)
    one = head(len(body)) + body
    last = head(len(body), "Connection: close") + body
    answers = await client.raw(one * 999 + last)
    assert answers.count(b"HTTP/1.1 200") == 1000
    parallel = await asyncio.gather(*(client.raw(last) for _ in range(500)))
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in parallel)
    assert client.received == 1500


@pytest.mark.case("A16")
async def test_old_and_cautious_clients(client):
    """HTTP/1.0, and `Expect: 100-continue`."""
    body = request(1)
    assert b" 200 " in await client.raw(head(len(body), version="1.0") + body)
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(head(len(body), "Expect: 100-continue", "Connection: close"))
    assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")
    writer.write(body)
    assert b"HTTP/1.1 200 " in await reader.read()
    writer.close()
    assert client.received == 2


@pytest.mark.case("A17")
async def test_another_path_for_spans(receive):
    """`traces_path` is where spans are taken, and the usual path is not found."""
    async with receive(traces_path="/otlp/v1/traces") as client:
        assert (await client.post(request(1), path="/otlp/v1/traces")).status == 200
        answer = await client.post(request(1))
        assert (answer.status, client.received) == (404, 1)
        assert "/otlp/v1/traces" in answer.message


@pytest.mark.case("A18")
async def test_other_signals_are_disabled_unless_asked_for(receive):
    """404 in the sender's encoding, with the key that enables the signal."""
    async with receive() as client:
        for signal, kind in (("logs", PROTOBUF), ("metrics", JSON)):
            answer = await client.post(b"", path=f"/v1/{signal}", Content_Type=kind)
            assert answer.status == 404
            assert f"{signal} are disabled" in answer.message
            assert f"pass_through: [{signal}]" in answer.message


@pytest.mark.case("A18")
@pytest.mark.parametrize(("signal", "body"), [("metrics", metrics(3)), ("logs", logs(3))])
async def test_other_signals_are_carried_when_asked_for(client, signal, body):
    """Their items are counted, and the bytes go on as they came."""
    answer = await client.post(body, path=f"/v1/{signal}")
    assert (answer.status, answer.body) == (200, b"")
    [kept] = client.relay.kept
    assert (kept.signal, kept.body, kept.items) == (Signal(signal), body, 3)


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
async def test_spans_with_ids_that_cannot_be_are_a_partial_success(client, kind):
    """The good ones are taken; how many are not, and why, stands in the answer."""
    body = spans((TRACE, SPAN, b""), (bytes(16), SPAN, b""), (TRACE, SPAN, SPAN))
    if kind == JSON:
        ids = [{"traceId": "ab" * 16, "spanId": "cd" * 8}, {"traceId": "00" * 16, "spanId": "cd" * 8}]
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": ids}]}]}).encode()
    answer = await client.post(body, Content_Type=kind)
    assert answer.status == 200
    if kind == JSON:
        partial = json.loads(answer.body)["partialSuccess"]
        rejected, message = partial["rejectedSpans"], partial["errorMessage"]
    else:
        partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
        rejected, message = str(partial.rejected_spans), partial.error_message
    assert rejected == "1"
    assert "span 1 has a trace id of zeros alone" in message
    assert client.relay.kept[0].items == (1 if kind == JSON else 2)


async def test_allow_listed_headers_go_along(receive):
    """Those of `pass_headers` and the hop count are handed on, others are not."""
    async with receive(pass_headers=("X-Tenant",)) as client:
        await client.post(request(1), X_Tenant="blue", X_Other="red", Authorization="Bearer secret")
        assert client.relay.kept[0].headers == {"x-tenant": "blue", HOPS: "1"}


async def test_a_header_that_cannot_be_sent_on_is_refused(receive):
    """400 now, not an upstream that chokes on it for ever."""
    async with receive(pass_headers=("x-tenant",)) as client:
        body = request(1)
        whole = head(len(body), "X-Tenant: bl\xfce", "Connection: close") + body
        assert b" 400 " in await client.raw(whole)
        assert (client.refused(400), client.received) == (1, 0)


async def test_what_goes_round_in_a_circle_is_refused(client):
    """400 that says what to mend, as sending it again would not help."""
    answer = await client.post(request(1), Outrider_Hops=str(MAX_HOPS))
    assert (answer.status, client.refused(400)) == (400, 1)
    assert "traces.forward" in answer.message


async def test_a_large_json_body_is_taken(receive):
    """What is read beside the loop arrives like the rest."""
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "x" * 100}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span] * 2000}]}]})
    async with receive() as client:
        assert (await client.post(body, Content_Type=JSON)).status == 200
        assert client.relay.ledger.received["json"] == 2000


async def test_the_answer_of_logs_is_theirs(client):
    """An empty message is one of every signal's responses."""
    answer = await client.post(logs(1), path="/v1/logs")
    assert not ExportLogsServiceResponse.FromString(answer.body).HasField("partial_success")
