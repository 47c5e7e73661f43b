"""What is no JSON, or JSON of ill will: refused in a sentence, soon, and without holding anybody up."""

import asyncio
import json
import re
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.receiver.json_ids import AT_ONCE, convert, to_protobuf
from agent.receiver.validate import Invalid, request_type
from agent.relay.entry import Signal
from tests.agent.receiver.otlp_json import CORPUS, ORDINARY, attribute, in_span, valued, why


@settings(max_examples=300, deadline=None)
@given(choices=st.data())
def test_a_damaged_body_is_refused_or_read_and_nothing_else(choices):
    """Cut, doubled or overwritten anywhere, a body is valid OTLP or Invalid: no other exception ever escapes."""
    body = (CORPUS / choices.draw(st.sampled_from(("traces.json", "metrics.json", "logs.json")))).read_bytes()
    at = choices.draw(st.integers(0, len(body)))
    put = choices.draw(st.sampled_from((b"", b"[", b"{", b'"', b"\\", b"1e9", b"null", b"\xff", b"\x00", b",", b"}")))
    skip = choices.draw(st.integers(0, 40))
    damaged = body[:at] + put + body[at + skip :]
    for signal in Signal:
        try:
            request_type(signal).FromString(to_protobuf(damaged, signal).body)
        except Invalid:
            continue


@pytest.mark.case("B5")
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "[]",
        "null",
        '"{}"',
        "{",
        '{"resourceSpans":[}',
        '{"resourceSpans":[{}}',
        '{"resourceSpans":[{},]}',
        '{"resourceSpans":[],}',
        '{"a":1,,"b":2}',
        '{"a" 1}',
        "{a:1}",
        "{'a':1}",
        '{"a":01}',
        '{"a":+1}',
        '{"a":.5}',
        '{"a":1.}',
        '{"a":1e}',
        '{"a":0x1}',
        '{"a":truex}',
        '{"a":nul}',
        '{"a":nullx}',
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":-Infinity}',
        '{"a":"\\x41"}',
        '{"a":"\\u12"}',
        '{"a":"\\ud800"}',
        '{"a":"\\ude00\\ud83d"}',
        '{"\\ud800":1}',
        '{"a":"line\nbreak"}',
        '{"a":"never ends',
        '{"a":1,"a":2}',
        '{"resourceSpans":[],"resourceSpans":[]}',
        '{"resourceSpans":[],"resource\\u0053pans":[]}',
        '{"x":[{"a":{"b":1,"b":1}}]}',
        "{} {}",
        "{}x",
        "\ufeff{}",
        '{/**/"a":1}',
        '{"resourceSpans":{}}',
        '{"resourceSpans":[null]}',
        '{"resourceSpans":[[]]}',
        '{"resourceSpans":"x"}',
        '{"x":' + "9" * 5000 + "x}",
    ],
)
def test_what_is_no_json_or_no_request_is_invalid(text):
    """Each is refused in a short sentence."""
    assert len(why(text)) < 300


@pytest.mark.case("B5")
@pytest.mark.parametrize("start", ["", '{"x":', '{"resourceSpans":', '{"resourceSpans":[{"x":'])
@pytest.mark.parametrize("bomb", ["[", '{"a":', '[{"a":'])
def test_a_depth_bomb_is_refused_at_once(start, bomb):
    """A megabyte of brackets costs no recursion and hardly any time."""
    began = time.process_time()
    why((start + bomb * 1_000_000)[:1_000_000])
    assert time.process_time() - began < 0.5


def test_nesting_that_protobuf_takes_is_taken():
    """A value as deep as protobuf's own parser allows arrives; one far deeper is refused."""

    def nested(levels):
        return '{"arrayValue":{"values":[' * levels + '{"stringValue":"deep"}' + "]}}" * levels

    value = attribute(nested(46))
    for _ in range(46):
        value = value.array_value.values[0]
    assert value.string_value == "deep"
    assert "nested too deep" in why(valued(nested(60)))


@pytest.mark.case("B5")
@pytest.mark.parametrize(
    "raw", [b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\x80"}', b"\xff\xfe{\x00}\x00", b"{}\x00", b"\x80"]
)
def test_what_is_no_utf_8_is_invalid(raw):
    """Surrogates in UTF-8, overlong forms, UTF-16 and stray bytes are refused."""
    assert why(raw)


def test_an_object_with_endless_keys_is_refused():
    """Keys cost memory, so there are at most a thousand."""
    assert why(json.dumps({f"k{number}": 0 for number in range(1001)})) == "an object with more than 1000 keys"


def test_an_error_shows_neither_controls_nor_much():
    """What a stranger wrote cannot forge a line in whatever shows the error."""
    long, forged = "k" * 5000, "\\u001b[31m\\n"
    said = why(f'{{"{long}":{{"{forged}":{{"{long}":x}}}}}}')
    assert said.isprintable()
    assert len(said) < 400
    assert re.search(r"found 'x\}\}\}' at character \d+$", said)


async def test_a_long_body_is_read_while_the_loop_turns():
    """Five thousand spans are read in a thread, and meanwhile the loop is on time, within what one turn may take."""
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [ORDINARY] * 5000}]}]}).encode()
    assert len(body) > 8 * AT_ONCE
    reading = asyncio.create_task(convert(body, Signal.TRACES))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 5
    assert (
        len(request_type(Signal.TRACES).FromString(reading.result().body).resource_spans[0].scope_spans[0].spans)
        == 5000
    )


async def test_a_short_body_needs_no_thread():
    """What takes less than a thread's start is read on the spot."""
    before = threading.active_count()
    assert (await convert(in_span(**ORDINARY).encode(), Signal.TRACES)).body
    assert threading.active_count() == before


async def test_a_long_body_that_is_wrong_says_so():
    """The error comes out of the thread as it is."""
    with pytest.raises(Invalid, match=r"spans\[5000\]\.name: a string expected"):
        await convert(
            json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [*[ORDINARY] * 5000, {"name": 1}]}]}]}).encode(),
            Signal.TRACES,
        )
