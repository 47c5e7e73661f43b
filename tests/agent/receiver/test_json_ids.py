"""OTLP/JSON becomes exactly the protobuf that was meant, or is refused with the place of what is wrong."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_ERROR
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from agent.receiver.json_ids import to_protobuf
from agent.relay.entry import Signal
from tests.agent.receiver.otlp_json import CORPUS, in_span, read, requests, span, why, written


@pytest.mark.case("A3")
def test_a_trace_with_upper_case_ids_is_read_whole():
    """Every kind of value of a span arrives as the type it has in protobuf."""
    request = read((CORPUS / "traces.json").read_text())
    found = request.resource_spans[0].scope_spans[0].spans[0]
    assert found.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert found.span_id.hex() == "b7ad6b7169203331"
    assert found.parent_span_id.hex() == "00f067aa0ba902b7"
    assert found.links[0].trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert (found.kind, found.flags, found.end_time_unix_nano) == (Span.SPAN_KIND_SERVER, 257, 1763717000250000001)
    values = {each.key: each.value for each in found.attributes}
    assert values["http.response.status_code"].int_value == 503
    assert values["cart.total"].double_value == 12.5
    assert values["cart.empty"].WhichOneof("value") == "bool_value"
    assert values["cart.raw"].bytes_value == b"\x00\x01\xff"
    assert values["cart.skus"].array_value.values[1].int_value == 2
    assert values["user"].kvlist_value.values[0].value.int_value == -7
    assert (found.status.code, found.dropped_events_count) == (2, 3)


def test_metrics_of_every_kind_are_read_whole():
    """Points, buckets, zigzag scales and exemplar ids arrive as they were meant."""
    metrics = {
        metric.name: metric
        for metric in read((CORPUS / "metrics.json").read_text(), Signal.METRICS)
        .resource_metrics[0]
        .scope_metrics[0]
        .metrics
    }
    point = metrics["orders"].sum.data_points[0]
    assert (point.as_int, point.exemplars[0].trace_id.hex()) == (-9, "0af7651916cd43dd8448eb211c80319c")
    assert str(metrics["load"].gauge.data_points[0].as_double) == "nan"
    latency = metrics["latency"].histogram.data_points[0]
    assert (list(latency.bucket_counts), list(latency.explicit_bounds)) == ([1, 2, 0], [0.1, 1.0])
    assert latency.HasField("min")
    size = metrics["size"].exponential_histogram.data_points[0]
    assert (size.scale, size.positive.offset, list(size.positive.bucket_counts)) == (-1, -3, [1, 2])
    assert metrics["old"].summary.data_points[0].quantile_values[0].value == 2.0


def test_logs_are_read_whole():
    """Records, their ids and bodies with escapes arrive as they were meant."""
    records = read((CORPUS / "logs.json").read_text(), Signal.LOGS).resource_logs[0].scope_logs[0].log_records
    assert records[0].body.string_value == "no answer from the bank\n\tafter 250 ms \N{EM DASH} \N{GRINNING FACE}"
    assert (records[0].severity_number, records[0].event_name) == (SEVERITY_NUMBER_ERROR, "payment.failed")
    assert records[0].trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert records[1].body.kvlist_value.values[0].HasField("value")


@pytest.mark.parametrize("signal", list(Signal))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(choices=st.data(), seed=st.integers(0, 2**32))
def test_any_request_survives_json(signal, choices, seed):
    """Whatever protobuf can say, and however its JSON is spelled, the same bytes come out."""
    request = choices.draw(requests(signal))
    converted = to_protobuf(written(request, random.Random(seed)).encode(), signal)
    assert converted.ignored == ""
    assert converted.body == request.SerializeToString(deterministic=True)


@pytest.mark.parametrize("signal", list(Signal))
def test_spaces_mean_nothing(signal):
    """Tight JSON, in which attributes are read in one step, becomes the same bytes as JSON with spaces everywhere."""
    document = json.loads((CORPUS / f"{signal}.json").read_text())
    document["resource" + signal.capitalize().replace("Traces", "Spans")][0]["resource"]["attributes"] += [
        {"key": "", "value": {"stringValue": ""}},
        {"key": "least", "value": {"intValue": str(-(2**63))}},
        {"key": "minus", "value": {"intValue": -1}},
        {"key": "yes", "value": {"boolValue": True}},
    ]
    tight, loose = json.dumps(document, separators=(",", ":")), json.dumps(document, indent=3).replace(":", " : ")
    tight, loose = tight.encode(), loose.replace("https : ", "https:").encode()
    assert to_protobuf(tight, signal) == to_protobuf(loose, signal)


@pytest.mark.case("A7")
@pytest.mark.parametrize(
    "text", ["{}", ' {\n"resourceSpans" : [ ] } ', '{"resourceSpans":null}', '{"resourceSpans":[{}]}']
)
def test_an_empty_request_is_one(text):
    """Nothing, said in any way, is a valid request without spans."""
    assert not any(resource.scope_spans for resource in read(text).resource_spans)


@pytest.mark.case("A10")
def test_unknown_keys_are_ignored_at_every_level():
    """Strangers' keys with any value, nested or not, change nothing."""
    strange = {"new": [{"deep": [[1, "x", None, True, {"more": {}}]]}], "other": 1.5e9, "text": "\\u0041\n"}

    def sprinkled(value):
        if isinstance(value, dict):
            return {**strange, **{name: sprinkled(inner) for name, inner in value.items()}, "last": {}}
        return [sprinkled(inner) for inner in value] if isinstance(value, list) else value

    text = (CORPUS / "traces.json").read_text()
    body = json.dumps(sprinkled(json.loads(text))).encode()
    assert to_protobuf(body, Signal.TRACES) == (to_protobuf(text.encode(), Signal.TRACES).body, "")


@pytest.mark.case("B9")
def test_snake_case_keys_are_ignored_and_told():
    """A sender that writes protobuf's own names is told which, and what OTLP/JSON calls them."""
    nothing = to_protobuf(b'{"resource_spans":[{"scope_spans":[]}]}', Signal.TRACES)
    assert nothing.body == b""
    assert nothing.ignored == (
        "snake_case keys ignored, OTLP/JSON has those in brackets: resource_spans (resourceSpans)"
    )
    several = in_span(trace_id="a", span_id="b", start_time_unix_nano=1, end_time_unix_nano=2, name="kept")
    assert to_protobuf(several.encode(), Signal.TRACES).ignored.endswith(
        "trace_id (traceId), span_id (spanId), start_time_unix_nano (startTimeUnixNano) and 1 more"
    )


@pytest.mark.case("B6")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("traceId", "Z6z8LqVvEI+kU1/Ci6mXBQ=="),
        ("spanId", "gMEgDJS+EXg="),
        ("parentSpanId", "gMEgDJS+EXg="),
        ("traceId", "5b8efff798038103d269b633813fc6"),
        ("traceId", "5b8efff798038103d269b633813fc60c00"),
        ("spanId", "eee19b7ec3c1b17"),
        ("spanId", "eee19b7e c3c1b174"),
        ("spanId", "eee19b7ec3c1 174"),
    ],
)
def test_an_id_that_is_no_hex_is_named(name, value):
    """Base64, a wrong length or a space in an id refuse the request, with the field and what was expected."""
    digits = 32 if name == "traceId" else 16
    said = why(in_span(**{name: value}))
    assert said.startswith(f"resourceSpans[0].scopeSpans[0].spans[0].{name}: hex expected, {digits} digits, found '")


def test_ids_of_links_records_and_exemplars_are_hex_too():
    """The error leads to the element in which a wrong id is."""
    link = in_span(links=[{"spanId": "eee19b7ec3c1b174"}, {"traceId": "AAAA"}])
    assert why(link).startswith("resourceSpans[0].scopeSpans[0].spans[0].links[1].traceId: hex expected")
    record = '{"resourceLogs":[{},{"scopeLogs":[{"logRecords":[{"spanId":"AA=="}]}]}]}'
    assert why(record, Signal.LOGS).startswith("resourceLogs[1].scopeLogs[0].logRecords[0].spanId: hex expected")


def test_zero_and_empty_ids_are_left_to_who_judges_ids():
    """They are spans that partial_success will tell of, not a reason to refuse their neighbours."""
    found = span(traceId="0" * 32, spanId="", parentSpanId="")
    assert (found.trace_id, found.span_id, found.parent_span_id) == (bytes(16), b"", b"")
