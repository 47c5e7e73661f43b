"""Resources are completed, never changed."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from agent.relay import enrich
from agent.relay.enrich import Completer

KEYS = ["service.name", "host.name", "k8s.pod.name", "é"]


def resource(**values):
    made = Resource(dropped_attributes_count=2)
    for key, value in values.items():
        made.attributes.add(key=key).value.string_value = value
    return made.SerializeToString()


def attributes(encoded):
    return [(each.key, each.value.string_value) for each in Resource.FromString(encoded).attributes]


@given(st.dictionaries(st.sampled_from(KEYS), st.text("ab")), st.dictionaries(st.sampled_from(KEYS), st.text("cd")))
def test_only_what_is_missing_is_added(had, added):
    """Keys stay unique, and what was sent keeps its value, an empty one too."""
    found = Completer(added).complete(resource(**had))
    assert attributes(found) == [*had.items(), *((key, added[key]) for key in added if key not in had)]
    assert found.startswith(resource(**had))


def test_a_key_within_a_value_is_no_key():
    """A value that mentions the key does not stand for it."""
    found = Completer({"host.name": "node"}).complete(resource(note="no host.name here"))
    assert attributes(found)[1] == ("host.name", "node")


def test_the_same_object_when_nothing_is_missing():
    """Nothing is copied for a resource that is complete."""
    whole = resource(a="1")
    assert Completer({"a": "2"}).complete(whole) is whole


def test_few_are_remembered(monkeypatch):
    """A sender whose resource differs each time costs no memory; the ones in use stay."""
    monkeypatch.setattr(enrich, "_KNOWN", 3)
    completer = Completer({"a": "1"})
    used = completer.complete(resource(used="x"))
    for number in range(20):
        completer.complete(resource(number=str(number)))
        assert completer.complete(resource(used="x")) is used
    assert len(completer._known) == 3


def test_a_huge_resource_is_not_read():
    """It is not remembered, and a key that it mentions at all counts as its own."""
    completer = Completer({"a": "1", "zebra": "2"})
    found = completer.complete(huge := resource(filler="a" * 20_000))
    assert found == huge + resource(zebra="2").removesuffix(b"\x10\x02")
    assert not completer._known
