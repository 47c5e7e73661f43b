"""google.rpc.Status, written and read."""

import json

import pytest
from google.rpc.status_pb2 import Status

from exporters.otlp.status import JSON, PROTOBUF, encode, message_of


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_what_is_encoded_is_read(content_type):
    """A message comes back from either encoding."""
    body, told = encode("too many spans", content_type)
    assert told == content_type
    assert message_of(body, told) == "too many spans"


def test_unknown_senders_get_json():
    """Who sent something else can read JSON."""
    body, told = encode("no", "text/plain")
    assert (json.loads(body), told) == ({"message": "no"}, JSON)


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"upstream connect error", "text/plain", "upstream connect error"),
        (b"\xff\xfe", PROTOBUF, "\ufffd\ufffd"),
        (b"{", JSON, "{"),
        (b"[1]", JSON, "[1]"),
        (b'{"message": 3}', JSON, '{"message": 3}'),
        (b"[" * 100_000, JSON, "[" * 199 + "…"),
        (b"", PROTOBUF, ""),
        (b"a\nb\x1b[31m", "text/html", "a b [31m"),
        (Status(message="x\ny" * 500).SerializeToString(), PROTOBUF, None),
    ],
    ids=["text", "bad-protobuf", "bad-json", "list", "number", "deep-json", "nothing", "controls", "long"],
)
def test_any_error_body_becomes_one_short_line(body, content_type, said):
    """Whatever an upstream or a proxy sends, the log gets one printable line of at most 200 characters."""
    found = message_of(body, content_type)
    assert said is None or found == said
    assert len(found) <= 200
    assert found.isprintable()
