"""Denied values are gone, wherever they stood; everything else is as it was."""

import asyncio
import re
import time

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from agent.relay import process
from agent.relay.entry import Signal
from agent.relay.process import Process, Settings
from agent.relay.redact import Redactor
from tests.agent.relay.bodies import UNKNOWN, traces
from tests.turns import longest_turn

MASKED = "[redacted]"


def redacted(signal, message, *keys):
    """The message without the values of these keys."""
    found = asyncio.run(Process(Settings(redact=keys)).apply(signal, message.SerializeToString(), 1, ()))
    return type(message).FromString(found.body)


def secret(attributes):
    """One attribute to hide, and one to keep."""
    attributes.add(key="password").value.string_value = "hunter2"
    attributes.add(key="kept").value.string_value = "hello"


def a_trace():
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    secret(group.resource.attributes)
    scope = group.scope_spans.add()
    secret(scope.scope.attributes)
    span = scope.spans.add(name="password", trace_id=b"1" * 16)
    secret(span.attributes)
    secret(span.events.add(name="e").attributes)
    secret(span.links.add(trace_id=b"2" * 16).attributes)
    return Signal.TRACES, made, 5


def some_logs():
    made = ExportLogsServiceRequest()
    group = made.resource_logs.add()
    secret(group.resource.attributes)
    scope = group.scope_logs.add()
    secret(scope.scope.attributes)
    secret(scope.log_records.add().attributes)
    secret(scope.log_records.add().body.kvlist_value.values)
    scope.log_records.add().body.string_value = "password"
    return Signal.LOGS, made, 4


def some_metrics():
    made = ExportMetricsServiceRequest()
    group = made.resource_metrics.add()
    secret(group.resource.attributes)
    scope = group.scope_metrics.add()
    secret(scope.scope.attributes)
    number = 2
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        metric = scope.metrics.add(name=kind)
        secret(metric.metadata)
        point = getattr(metric, kind).data_points.add(start_time_unix_nano=1)
        secret(point.attributes)
        number += 2
        if kind != "summary":
            secret(point.exemplars.add(as_double=1.5).filtered_attributes)
            number += 1
    return Signal.METRICS, made, number


@pytest.mark.parametrize("kind", [a_trace, some_logs, some_metrics])
@pytest.mark.parametrize("size", [1, 60, 32 * 1024])
@pytest.mark.parametrize("key", ["password", "pass*", "*word", "*asswor*"])
def test_it_is_found_wherever_it_stands(monkeypatch, kind, size, key):
    """Resource, scope, span, event, link, record, body, data point, exemplar: each one is masked, nothing else is."""
    monkeypatch.setattr(process, "SLICE_OF_SECRETS", size)
    signal, message, number = kind()
    found = redacted(signal, message, key)
    text = str(message)
    assert text.count("hunter2") == number
    assert str(found) == text.replace("hunter2", MASKED)


def test_values_of_every_type_are_replaced():
    """Numbers, bytes, lists and arrays are hidden as texts are; what is inside of others is gone through."""
    made = ExportTraceServiceRequest()
    attributes = made.resource_spans.add().scope_spans.add().spans.add().attributes
    deep = AnyValue()
    secret(deep.array_value.values.add().kvlist_value.values)
    for value in (
        AnyValue(string_value=""),
        AnyValue(bool_value=True),
        AnyValue(int_value=-1),
        AnyValue(double_value=0.5),
        AnyValue(bytes_value=b"\xff"),
        deep,
    ):
        attributes.add(key="password").value.CopyFrom(value)
    attributes.add(key="open").value.CopyFrom(deep)
    attributes.add(key="password")  # has no value
    attributes.add(key="text").value.string_value = "my password is long"
    found = MessageToDict(redacted(Signal.TRACES, made, "password"))
    found = found["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]
    assert [each["value"] for each in found[:6]] == [{"stringValue": MASKED}] * 6
    pairs = found[6]["value"]["arrayValue"]["values"][0]["kvlistValue"]["values"]
    assert pairs == [
        {"key": "password", "value": {"stringValue": MASKED}},
        {"key": "kept", "value": {"stringValue": "hello"}},
    ]
    assert found[7:] == [{"key": "password"}, {"key": "text", "value": {"stringValue": "my password is long"}}]


@pytest.mark.parametrize(
    ("pattern", "hidden", "kept"),
    [
        ("user.email", {"user.email"}, {"user.emails", "other.user.email", "User.email"}),
        ("http.request.header.*", {"http.request.header.cookie", "http.request.header."}, {"http.request.method"}),
        ("*.token", {"a.token", ".token"}, {"token", "a.tokens"}),
        ("*", {"anything", ""}, set()),
        ("a*b", {"a*b"}, {"aab"}),
        ("é", {"é"}, {"e"}),
    ],
)
def test_patterns(pattern, hidden, kept):
    """Exact, from the beginning, to the end, or all; a star in the middle is a star."""
    made = ExportTraceServiceRequest()
    resource = made.resource_spans.add().resource
    for key in sorted(hidden | kept):
        resource.attributes.add(key=key).value.int_value = 1
    found = redacted(Signal.TRACES, made, pattern).resource_spans[0].resource.attributes
    assert {each.key for each in found if each.value.string_value == MASKED} == hidden
    assert {each.key for each in found if each.value.int_value == 1} == kept


@settings(max_examples=150, deadline=None)
@given(traces(), st.sampled_from([1, 50, 32 * 1024]), st.sampled_from(["secret", "*name", "nothing"]))
def test_all_else_is_as_it_was(message, size, pattern):
    """The bytes mean the same message, unknown fields too, but for the masked values."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "SLICE_OF_SECRETS", size)
        found = redacted(Signal.TRACES, message, pattern)
    for group in message.resource_spans:
        for each in group.resource.attributes:
            if each.key == "secret" == pattern or (each.key.endswith("name") and pattern == "*name"):
                each.value.string_value = MASKED
    assert found.SerializeToString() == message.SerializeToString()


def test_unknown_fields_around_it_survive():
    """Of a pair, a value and all that holds them, only the value is changed."""
    pair = KeyValue(key="password")
    pair.value.string_value = "hunter2"
    pair.MergeFromString(UNKNOWN)
    made = ExportTraceServiceRequest()
    span = made.resource_spans.add().scope_spans.add().spans.add(name="n")
    span.attributes.add().MergeFromString(pair.SerializeToString())
    span.MergeFromString(UNKNOWN)
    found = redacted(Signal.TRACES, made, "password")
    made.resource_spans[0].scope_spans[0].spans[0].attributes[0].value.string_value = MASKED
    assert found.SerializeToString() == made.SerializeToString()


def test_a_huge_list_is_hidden_whole():
    """A list of more than 64 KiB that mentions the key is not gone through: all of it goes. A huge text stays."""
    made = ExportLogsServiceRequest()
    records = made.resource_logs.add().scope_logs.add().log_records
    body = records.add().body.kvlist_value.values
    for _ in range(5000):
        secret(body)
    records.add().body.string_value = "password " * 10_000
    found = redacted(Signal.LOGS, made, "password").resource_logs[0].scope_logs[0].log_records
    assert found[0].body.string_value == MASKED
    assert found[1] == made.resource_logs[0].scope_logs[0].log_records[1]


def test_a_key_on_the_edge_of_what_is_searched_at_once(monkeypatch):
    """A large body is searched in parts that overlap: no key falls between two of them."""
    monkeypatch.setattr(process, "SLICE", 1)
    monkeypatch.setattr(process, "_SEARCHED", 7)
    for filler in range(20):
        made = ExportTraceServiceRequest()
        resource = made.resource_spans.add(schema_url="x" * filler).resource
        secret(resource.attributes)
        assert "hunter2" not in str(redacted(Signal.TRACES, made, "password"))


def test_the_largest_metric_is_little_work_at_a_time():
    """One metric of a hundred thousand points, each with the key, holds the loop for moments only."""
    made = ExportMetricsServiceRequest()
    points = made.resource_metrics.add().scope_metrics.add().metrics.add().gauge.data_points
    point = points.add(as_double=1.0)
    secret(point.attributes)
    body = made.SerializeToString()
    one = b"\x0a" + bytes([len(point.SerializeToString())]) + point.SerializeToString()
    gauge = one * 30_000
    body = nested(nested(nested(nested(gauge, 5), 2), 2), 1)
    assert len(ExportMetricsServiceRequest.FromString(body).resource_metrics) == 1

    steps = Process(Settings(redact=("password",)))
    found, longest = asyncio.run(longest_turn(steps.apply(Signal.METRICS, body, 30_000, ())))
    assert b"hunter2" not in found.body
    assert found.body.count(MASKED.encode()) == 30_000
    assert longest < 0.2, f"{longest * 1000:.1f} ms"


def nested(body, number):
    """The body as a field of that number."""
    size, encoded = len(body), bytearray()
    while size > 0x7F:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2]) + bytes([*encoded, size]) + body


CLEANED = [
    ("password=hunter2 rest", "password=[redacted] rest"),
    ("password: hunter2, rest", "password: [redacted], rest"),
    ('{"password": "hun ter2", "a": 1}', '{"password": "[redacted]", "a": 1}'),
    ("{'password': 'hun\\'ter2'}", "{'password': '[redacted]'}"),
    ('{\\"password\\": \\"hunter2\\"}', '{\\"password\\": \\"[redacted]\\"}'),
    ("https://x.example/?a=1&password=hunter2&b=2", "https://x.example/?a=1&password=[redacted]&b=2"),
    ("db.password=hunter2", "db.password=[redacted]"),
    ("PASSWORD = hunter2", "PASSWORD = [redacted]"),
    ("http.request.header.authorization: Bearer hunter2", "http.request.header.authorization: [redacted]"),
    ("my.token=hunter2; x", "my.token=[redacted]; x"),
    ('password="hunter2 without an end', 'password="[redacted]'),
    ("password=a\npassword=b", "password=[redacted]\npassword=[redacted]"),
    ("wrong password for bob", "wrong password for bob"),
    ("nopassword=x", "nopassword=x"),
]


@pytest.mark.parametrize(("text", "expected"), CLEANED)
def test_texts_are_cleaned(text, expected):
    """In an exception's message, what looks like a value of such a key is masked, and the rest stays readable."""
    assert Redactor(("password", "http.request.header.*", "*.token")).clean(text) == expected


def test_cleaning_twice_is_cleaning_once():
    """A cleaned text stays as it is."""
    clean = Redactor(("password",)).clean
    assert all(clean(expected) == expected for _, expected in CLEANED)


@pytest.mark.parametrize("text", ["password", "password=", 'password="', "password: '\\", "a" * 9, "p*" * 4, "\\\"'"])
def test_cleaning_takes_no_time(text):
    """No text, however repeated, takes more than a few milliseconds for a hundred kilobytes."""
    clean = Redactor(("password", "p*", "*d")).clean
    before = time.thread_time()
    clean(text * (100_000 // len(text)))
    assert time.thread_time() - before < 1.0


def test_nothing_to_hide_is_nothing_to_clean():
    """Without keys a text stays as it is."""
    assert Process(Settings()).clean("password=hunter2") == "password=hunter2"
    assert re.search("hunter2", Process(Settings(redact=("other",))).clean("password=hunter2"))
