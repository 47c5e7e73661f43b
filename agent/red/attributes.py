"""One attribute out of many, found again where it stood the last time: reading them all costs more than anything else.

Attributes are protobuf's own `repeated KeyValue`; only the first LIMIT are looked at, as many as an SDK sends.
"""

from itertools import islice
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

LIMIT = 128
_LONGEST = 500  # bytes of what is remembered

Attributes = Any  # protobuf's repeated KeyValue, which has no type of its own


def value_of(attribute: Any) -> str | int | None:
    """A string or an integer; None for the other kinds."""
    kind = attribute.value.WhichOneof("value")
    if kind == "string_value":
        return str(attribute.value.string_value)
    return int(attribute.value.int_value) if kind == "int_value" else None


def find(attributes: Attributes, *keys: str) -> str | int | None:
    """The first attribute with one of these keys, or None."""
    return next((value_of(one) for one in islice(attributes, LIMIT) if one.key in keys), None)


class Spot:
    """Where an attribute stands in spans of one make, and its last value.

    An instrumentation writes the attributes of its spans in the same order, so this is nearly always one comparison.
    Spans without it are known by their number of attributes and the key of the last one.
    """

    __slots__ = ("_count", "_keys", "_known", "_last", "_place", "_value")

    def __init__(self, *keys: str) -> None:
        self._keys = keys
        self._place = -1
        self._known: Any = None
        self._value: str | int | None = None
        self._count = -1
        self._last = ""

    def read(self, attributes: Attributes) -> str | int | None:
        """Its value in these attributes, or None."""
        count = len(attributes)
        if 0 <= self._place < count:
            attribute = attributes[self._place]
            if attribute == self._known:
                return self._value
            if attribute.key in self._keys:
                return value_of(attribute)
        elif count == self._count and (not count or attributes[-1].key == self._last):
            return None
        return self._search(attributes, count)

    def _search(self, attributes: Attributes, count: int) -> str | int | None:
        for place, attribute in enumerate(islice(attributes, LIMIT)):
            if attribute.key in self._keys:
                self._place = place
                self._value = value_of(attribute)
                # A copy, as the attribute itself holds the whole body in memory; and no copy of what is long.
                short = attribute.ByteSize() <= _LONGEST
                self._known = KeyValue.FromString(attribute.SerializeToString()) if short else None
                return self._value
        self._place, self._count = -1, count
        self._last = attributes[-1].key if count else ""
        return None
