"""Pure: attributes that a resource lacks are put behind those it has; what the SDK sent is never changed."""

from collections.abc import Mapping

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

_KNOWN = 128  # resources that are remembered: each process of the service has one
_LARGEST_KNOWN = 16 * 1024  # bytes of a resource that is remembered, and read


class Completer:
    """Adds attributes. An SDK sends the same resource with every batch, so the results are remembered by its bytes."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self._added = {
            key.encode(): Resource(
                attributes=[KeyValue(key=key, value=AnyValue(string_value=value))]
            ).SerializeToString()
            for key, value in attributes.items()
        }
        self._known: dict[bytes, bytes] = {}

    def complete(self, resource: bytes) -> bytes:
        """The encoded resource with every attribute that it lacks; the same object when it lacks none."""
        if (full := self._known.pop(resource, None)) is None:
            full = self._complete(resource)
            if len(resource) > _LARGEST_KNOWN:
                return full
            if len(self._known) >= _KNOWN:
                del self._known[next(iter(self._known))]
        self._known[resource] = full  # the last to be forgotten
        return full

    def _complete(self, resource: bytes) -> bytes:
        """Encoded messages are merged by concatenation: what is there need not be written anew."""
        present = {key for key in self._added if key in resource}
        if present and len(resource) <= _LARGEST_KNOWN:
            present = {each.key.encode() for each in Resource.FromString(resource).attributes}
        lacking = [field for key, field in self._added.items() if key not in present]
        return b"".join((resource, *lacking)) if lacking else resource
