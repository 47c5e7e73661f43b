"""OTLP/JSON for tests: short ways to read some, a writer of our own, and requests of any content."""

import base64
import json
import math
import random
import string
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor as Field
from hypothesis import strategies as st

from agent.receiver.json_ids import to_protobuf
from agent.receiver.validate import Invalid, request_type
from agent.relay.entry import Signal

CORPUS = Path(__file__).parent / "corpus"
ORDINARY = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "it"}


def read(text, signal=Signal.TRACES):
    """The request that a text is, parsed from what we make of it."""
    return request_type(signal).FromString(to_protobuf(text.encode(), signal).body)


def in_span(**fields):
    """A request with one span that has these keys."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]})


def span(**fields):
    """The span that these keys make."""
    return read(in_span(**fields)).resource_spans[0].scope_spans[0].spans[0]


def valued(text):
    """A request with one attribute, whose value is this JSON of an AnyValue."""
    return in_span(attributes=[{"key": "a", "value": 0}]).replace('"value": 0', f'"value": {text}')


def attribute(text):
    """The value that this JSON of an AnyValue makes."""
    return read(valued(text)).resource_spans[0].scope_spans[0].spans[0].attributes[0].value


def why(text, signal=Signal.TRACES):
    """What is wrong with a text."""
    body = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(Invalid) as refused:
        to_protobuf(body, signal)
    return str(refused.value)


IDS = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
QUOTED = {Field.TYPE_INT64, Field.TYPE_UINT64, Field.TYPE_FIXED64, Field.TYPE_SFIXED64}
RANGES = {
    Field.TYPE_INT32: (-(2**31), 2**31 - 1),
    Field.TYPE_SINT32: (-(2**31), 2**31 - 1),
    Field.TYPE_ENUM: (0, 2**31 - 1),
    Field.TYPE_UINT32: (0, 2**32 - 1),
    Field.TYPE_FIXED32: (0, 2**32 - 1),
    Field.TYPE_INT64: (-(2**63), 2**63 - 1),
    Field.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    Field.TYPE_UINT64: (0, 2**64 - 1),
    Field.TYPE_FIXED64: (0, 2**64 - 1),
}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)


def written(message, dice=None) -> str:
    """A message as OTLP/JSON; with dice in any order, with any escapes, spaces, numbers and cases that are allowed."""
    dice = dice or random.Random(0)
    return json.dumps(
        _object(message, dice),
        ensure_ascii=dice.random() < 0.5,
        indent=dice.choice((None, None, 1)),
        separators=dice.choice((None, (",", ":"))),
    )


def _object(message, dice):
    fields = message.ListFields()
    dice.shuffle(fields)
    return {
        field.json_name: [_value(field, each, dice) for each in value]
        if field.is_repeated
        else _value(field, value, dice)
        for field, value in fields
    }


def _value(field, value, dice):
    if field.message_type:
        return _object(value, dice)
    if field.type == Field.TYPE_BYTES and field.name in IDS:
        return value.hex() if dice.random() < 0.5 else value.hex().upper()
    if field.type == Field.TYPE_BYTES:
        encode = dice.choice((base64.b64encode, base64.urlsafe_b64encode))
        text = encode(value).decode()
        return text if dice.random() < 0.5 else text.rstrip("=")
    if field.type == Field.TYPE_DOUBLE and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if field.type in QUOTED and dice.random() < 0.7:
        return str(value)
    return value


@st.composite
def requests(draw, signal):
    """Any request of a signal, of moderate size."""
    return _message(draw, request_type(signal), 0)


def _message(draw, kind, depth):
    message = kind()
    chosen = {}
    for field in kind.DESCRIPTOR.fields:
        group = field.containing_oneof.name if field.containing_oneof else field.name
        chosen.setdefault(group, []).append(field)
    for fields in chosen.values():
        field = draw(st.sampled_from([None, *fields]))
        if field is None or (depth > 9 and field.message_type):
            continue
        _fill(draw, message, field, depth)
    return message


def _fill(draw, message, field, depth):
    kind = field.message_type and getattr(message, field.name)
    if field.is_repeated:
        place = getattr(message, field.name)
        for _ in range(draw(st.integers(0, 2))):
            if field.message_type:
                place.append(_message(draw, field.message_type._concrete_class, depth + 1))
            else:
                place.append(draw(_scalars(field)))
    elif kind is not None:
        getattr(message, field.name).SetInParent()
        getattr(message, field.name).CopyFrom(_message(draw, field.message_type._concrete_class, depth + 1))
    else:
        setattr(message, field.name, draw(_scalars(field)))


def _scalars(field):
    if field.type in RANGES:
        return st.integers(*RANGES[field.type])
    if field.type == Field.TYPE_DOUBLE:
        return st.floats().map(lambda number: math.nan if math.isnan(number) else number)  # JSON has one NaN
    if field.type == Field.TYPE_BOOL:
        return st.booleans()
    if field.type == Field.TYPE_STRING:
        return TEXTS | st.text(string.ascii_letters, max_size=5)
    if field.name in IDS:
        return st.sampled_from((b"", bytes(IDS[field.name]), bytes(range(1, IDS[field.name] + 1))))
    return st.binary(max_size=7)
