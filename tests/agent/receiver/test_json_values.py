"""Values of OTLP/JSON: each arrives as what it is, or is refused with the path of its field."""

import random

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.agent.receiver.otlp_json import attribute, in_span, read, span, valued, why


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ('"7"', 7),
        ("-0", 0),
        ("7.0", 7),
        ("1e3", 1000),
        ('"1e3"', 1000),
        (str(-(2**63)), -(2**63)),
        (f'"{2**63 - 1}"', 2**63 - 1),
    ],
)
def test_whole_numbers_come_as_numbers_or_strings(text, value):
    """64 bits arrive exactly, either way."""
    assert attribute(f'{{"intValue":{text}}}').int_value == value


@pytest.mark.parametrize(
    "text", ["1.5", '"1.5"', '""', '" 7"', '"0x7"', '"007"', "true", "[]", str(2**63), '"1e30"', "1" * 3000]
)
def test_what_is_no_integer_of_64_bits_is_refused(text):
    """Fractions, white space, other bases and numbers out of range are named."""
    assert why(valued(f'{{"intValue":{text}}}')).startswith(
        "resourceSpans[0].scopeSpans[0].spans[0].attributes[0].value.intValue: "
    )


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("kind", '"SPAN_KIND_SERVER"'),
        ("kind", '"2"'),
        ("kind", str(2**31)),
        ("flags", "-1"),
        ("flags", str(2**32)),
        ("droppedLinksCount", str(2**32)),
        ("startTimeUnixNano", str(2**64)),
        ("startTimeUnixNano", "-1"),
        ("name", "7"),
        ("status", "[]"),
        ("status", '"OK"'),
        ("attributes", "{}"),
    ],
)
def test_a_value_of_another_type_is_named(key, text):
    """Names of enums, numbers out of range and wrong types refuse the request with the field's path."""
    body = in_span(x=0).replace('"x": 0', f'"{key}": {text}')
    assert why(body).startswith(f"resourceSpans[0].scopeSpans[0].spans[0].{key}: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"NaN"', "nan"),
        ('"Infinity"', "inf"),
        ('"-Infinity"', "-inf"),
        ('"1.5"', "1.5"),
        ("-0.0", "-0.0"),
        ("5e-324", "5e-324"),
    ],
)
def test_doubles_come_as_numbers_or_strings(text, value):
    """What is no number has its three names; the sign of zero is kept."""
    assert str(attribute(f'{{"doubleValue":{text}}}').double_value) == value


@pytest.mark.parametrize("text", ["1e999", "-1e999", '"1e999"', "NaN", '"nan"', '"inf"', '""', "true", "1" * 3000])
def test_what_is_no_double_is_refused(text):
    """Overflow, bare names, Python's spellings and endless numbers are refused."""
    assert "doubleValue: " in why(valued(f'{{"doubleValue":{text}}}'))


@pytest.mark.parametrize("text", ["AA=A", "A", "AA A", "\u00e9", "!!!!", "AAA=="])
def test_bytes_that_are_no_base64_are_refused(text):
    """Every character of bytes is one of base64."""
    body = in_span(attributes=[{"key": "a", "value": {"bytesValue": text}}])
    if text == "AAA==":  # more padding than needed hurts nobody
        assert read(body)
    else:
        assert "bytesValue: base64 expected" in why(body)


def test_two_values_at_once_are_refused():
    """A oneof has one member; a null one is none."""
    body = in_span(attributes=[{"key": "a", "value": {"stringValue": "x", "intValue": 1}}])
    assert why(body).endswith("attributes[0].value: has stringValue and intValue, of which only one may be there")
    assert attribute('{"stringValue":null,"intValue":1}').int_value == 1


def test_null_is_absent():
    """A null leaves a field as if its key were not there."""
    assert span(name=None, status=None, attributes=None, kind=None) == Span()


def test_long_strings_with_escapes_arrive_whole():
    """A string is read in runs; a surrogate pair is never parted by their border."""
    text = "".join(random.Random(7).choices(["a", "\n", '"', "\\", "\u00e9", "\U0001f600", "/"], k=20_000))
    assert span(name=text).name == text
