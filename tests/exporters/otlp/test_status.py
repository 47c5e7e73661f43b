"""google.rpc.Status, written and read."""

import json

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from exporters.base import Delivery
from exporters.otlp.status import JSON, PROTOBUF, Said, accepted, answer, encode, said


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_what_is_encoded_is_read(content_type):
    """A message comes back from either encoding."""
    body, told = encode("too many spans", content_type)
    assert told == content_type
    assert said(body, told).message == "too many spans"


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
@pytest.mark.parametrize("after", [0.0, 1.0, 2.5])
def test_advice_is_read_as_it_was_written(content_type, after):
    """RetryInfo goes along in either encoding, beside the message."""
    assert said(*encode("busy", content_type, after)) == Said("busy", after)


def test_an_answer_says_what_was_left_out():
    """The responses of all three signals are one on the wire, and empty when there is nothing to say."""
    assert answer() == b""
    body = answer(3, "ids")
    assert accepted(body) == Delivery(3, "ids")
    partial = ExportMetricsServiceResponse.FromString(body).partial_success
    assert (partial.rejected_data_points, partial.error_message) == (3, "ids")
    partial = ExportLogsServiceResponse.FromString(body).partial_success
    assert (partial.rejected_log_records, partial.error_message) == (3, "ids")


def test_unknown_senders_get_json():
    """Who sent something else can read JSON."""
    body, told = encode("no", "text/plain")
    assert (json.loads(body), told) == ({"message": "no"}, JSON)


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"upstream connect error", "text/plain", "upstream connect error"),
        (b"\xff\xfe", PROTOBUF, "\ufffd\ufffd"),
        (b"{", JSON, "{"),
        (b"[1]", JSON, "[1]"),
        (b'{"message": 3}', JSON, '{"message": 3}'),
        (b"[" * 100_000, JSON, "[" * 199 + "…"),
        (b"", PROTOBUF, ""),
        (b'{"message": "' + b"x" * 100_000 + b'"}', JSON, '{"message": "' + "x" * 186 + "…"),
        (b"a\nb\x1b[31m", "text/html", "a b [31m"),
        (Status(message="x\ny" * 500).SerializeToString(), PROTOBUF, None),
    ],
    ids=["text", "bad-protobuf", "bad-json", "list", "number", "deep-json", "nothing", "long-json", "controls", "long"],
)
def test_any_error_body_becomes_one_short_line(body, content_type, text):
    """Whatever an upstream or a proxy sends, the log gets one printable line of at most 200 characters."""
    found = said(body, content_type).message
    assert text is None or found == text
    assert len(found) <= 200
    assert found.isprintable()
