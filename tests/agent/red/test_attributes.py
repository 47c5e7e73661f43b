"""One attribute, found again: always what a full search would find, where spans of one make look alike."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from agent.red.attributes import LIMIT, Spot, find
from tests.agent.red.bodies import put

KEYS = ("a", "b", "wanted", "c")


def attributes(values):
    """As a span has them."""
    span = Span()
    put(span.attributes, values)
    return span.attributes


@given(st.lists(st.tuples(st.permutations(KEYS), st.sampled_from(["x", "y", 7, 500])), max_size=20))
def test_a_spot_finds_what_a_search_finds(spans):
    """Wherever the attribute moves, and whatever its value becomes."""
    spot = Spot("wanted")
    for keys, value in spans:
        given_ = attributes({key: value if key == "wanted" else "other" for key in keys})
        assert spot.read(given_) == find(given_, "wanted") == value


def test_spans_with_and_without():
    """One that lacks the attribute says nothing of the next one that has it."""
    spot = Spot("wanted", "old")
    shapes = [{}, {"wanted": "x", "a": "b"}, {"a": "b"}, {"old": 3, "a": "b"}, {"a": "b"}, {"a": "b", "wanted": "y"}]
    assert [spot.read(attributes(shape)) for shape in shapes] == [None, "x", None, 3, None, "y"]


def test_only_the_first_attributes_are_read():
    """A span of ten thousand attributes costs no more than one of as many as an SDK sends."""
    many = attributes({f"k{number}": "v" for number in range(LIMIT)} | {"wanted": "far"})
    assert (find(many, "wanted"), Spot("wanted").read(many)) == (None, None)


def test_other_kinds_of_values_are_none():
    """A list is no name and no number."""
    span = Span()
    span.attributes.add(key="wanted").value.array_value.values.add().string_value = "x"
    assert (find(span.attributes, "wanted"), Spot("wanted").read(span.attributes)) == (None, None)


def test_a_spot_holds_no_body():
    """What is remembered is a short copy, or nothing."""
    spot = Spot("wanted")
    assert spot.read(attributes({"wanted": "v" * 100_000})) == "v" * 100_000
    assert spot._known is None
    assert spot.read(attributes({"wanted": "w" * 100_000})) == "w" * 100_000
