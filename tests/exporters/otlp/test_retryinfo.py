"""When to come back, in each of the places where it may stand, however it is written."""

import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.status_pb2 import Status

from config.net.retry import MAX_RETRY_AFTER
from exporters.otlp import retryinfo
from exporters.otlp.retryinfo import DETAILS, LEGACY, as_json, in_details, in_json, in_metadata, longest, made


def whole(*seconds):
    status = Status(code=14)
    status.details.add(type_url="type.googleapis.com/google.rpc.BadRequest")
    for each in seconds:
        status.details.add().Pack(made(each))
    return status


@pytest.mark.parametrize(
    ("given", "after"), [(0, 0.0), (1.5, 1.5), (0.9999999999, 1.0), (1e6, MAX_RETRY_AFTER), (-3, 0.0)]
)
def test_what_is_made_is_read(given, after):
    """Among other details, clamped to what anyone may ask for."""
    assert in_details(whole(given)) == after


def test_no_advice_is_none():
    """Nothing said is not the same as zero."""
    assert in_details(whole()) is None
    assert in_json({}) is None
    assert in_metadata(()) is None
    assert longest(None, None) is None
    assert longest(None, 0.0) == 0.0


@pytest.mark.parametrize(
    ("delay", "after"),
    [("3s", 3.0), ("0.5s", 0.5), ("1000000s", 300.0), ("s", None), ("3", None), ("-3s", None), ("1e9s", None)],
)
def test_json(delay, after):
    """The JSON form of a duration, and nothing that only looks like one."""
    status = {"details": [3, {"@type": "other"}, {**as_json(0), "retryDelay": delay}]}
    assert in_json(status) == after


@pytest.mark.parametrize("details", [None, 3, {}, [[]], [{"@type": 3}], [{**as_json(1), "retryDelay": 3}]])
def test_json_of_any_shape(details):
    """Whatever an upstream writes there, nothing breaks."""
    assert in_json({"details": details}) is None


def test_metadata_that_is_no_message():
    """A carrier that cannot be read says nothing, and the other one still does."""
    good = made(2).SerializeToString()
    assert in_metadata(((DETAILS, b"\xff"), (LEGACY, good), ("other-bin", b"\xff"), (LEGACY, "text"))) == 2.0
    broken = Status(details=[Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\xff")])
    assert in_metadata(((DETAILS, broken.SerializeToString()),)) is None


def test_it_is_what_others_read():
    """The JSON form is the one that protobuf itself writes."""
    assert retryinfo.as_json(1.25) == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.25s"}
