"""Sampling agrees with OpenTelemetry's own samplers, bit by bit."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace._sampling_experimental import composable_traceid_ratio_based, composite_sampler
from opentelemetry.sdk.trace._sampling_experimental._trace_state import OtelTraceState
from opentelemetry.trace import TraceState

from agent.relay.sampling import Sampler

shares = st.decimals("0.0001", "1", places=4)
trace_ids = st.binary(min_size=16, max_size=16)
hexadecimal = st.text("0123456789abcdef", min_size=1, max_size=14)
members = st.one_of(
    st.builds("th:{}".format, hexadecimal),
    st.builds("rv:{}".format, st.text("0123456789abcdef", min_size=14, max_size=14)),
    st.builds("x:{}".format, st.text("abc", max_size=200)),
    st.sampled_from(["th:", "th:xyz", "rv:12", "th:123456789abcdef0"]),
)
states = st.builds(
    lambda ours, before, after: ",".join([*before, "ot=" + ";".join(ours), *after]),
    st.lists(members, min_size=1, max_size=4),
    st.lists(st.sampled_from(["a=1", "b=2"]), unique=True, max_size=2),
    st.lists(st.sampled_from(["c=1", "d=2"]), unique=True, max_size=2),
)


def text(trace_state):
    return trace_state.to_header() if trace_state else ""


def parsed(state):
    return OtelTraceState.parse(TraceState.from_header([state]) if state else None)


@settings(max_examples=300)
@given(shares, trace_ids)
def test_a_new_trace_is_judged_as_by_the_sdk(share, trace_id):
    """Without a tracestate, the decision and the new tracestate are those of the SDK's sampler."""
    sampler = composite_sampler(composable_traceid_ratio_based(float(share)))
    theirs = sampler.should_sample(None, int.from_bytes(trace_id, "big"), "span")
    ours = Sampler(share).judge(trace_id, b"")
    assert (ours is not None) == theirs.decision.is_sampled()
    if ours is not None:
        assert ours.decode() == text(theirs.trace_state)


@settings(max_examples=400)
@given(shares, trace_ids, states)
@example(Decimal("0.5"), b"\xff" * 16, "ot=th:8;x:" + "a" * 240)
def test_a_span_is_judged_by_the_rules_for_downstream_samplers(share, trace_id, state):
    """Rarer than ours stays, more frequent becomes ours, what cannot be is erased; all else of the entry is kept."""
    sampler, before = Sampler(share), parsed(state)
    random = before.random_value if before.random_value >= 0 else int.from_bytes(trace_id[-7:], "big")
    after = sampler.judge(trace_id, state.encode())
    assert (after is not None) == (random >= sampler.threshold) == sampler.kept(trace_id, state)
    if after is None:
        return
    result = parsed(after.decode())
    if before.threshold > random:
        assert result.threshold == -1
    else:
        assert result.threshold == max(before.threshold, sampler.threshold)
    assert result.random_value == before.random_value
    assert len(TraceState.from_header([after.decode()]).get("ot", "")) <= 256
    if after != state.encode():
        expected = OtelTraceState(result.random_value, result.threshold, before.rest).serialize()
        assert TraceState.from_header([after.decode()]).get("ot", "") == expected
    assert [entry for entry in after.decode().split(",") if entry and entry[:3] != "ot="] == [
        entry for entry in state.split(",") if entry[:3] != "ot="
    ]


@given(shares, shares, trace_ids, states)
def test_decisions_are_consistent(one, other, trace_id, state):
    """What is kept at a share is kept at every larger one, and again by the next one of the same share."""
    smaller, larger = Sampler(min(one, other)), Sampler(max(one, other))
    if smaller.kept(trace_id, state):
        assert larger.kept(trace_id, state)
        after = smaller.judge(trace_id, state.encode())
        if parsed(after.decode()).threshold >= 0:  # else it was erased, as it could not be
            assert smaller.judge(trace_id, after) == after
        assert larger.judge(trace_id, after) is not None


@pytest.mark.parametrize(
    ("share", "state"),
    [
        (Decimal(1), b"ot=th:0"),
        (Decimal("0.5"), b"ot=th:8"),
        (Fraction(1, 4), b"ot=th:c"),
        (Decimal("0.1"), b"ot=th:e6666666666666"),
        (Decimal("1e-30"), b"ot=th:ffffffffffffff"),
    ],
)
def test_thresholds_are_written_as_specified(share, state):
    """Hexadecimal digits without the zeros at the end; a share too small for them is the smallest there is."""
    assert Sampler(share).judge(b"\xff" * 16, b"") == state


def test_our_entry_comes_first():
    """As the trace context has it, the entry that changed leads; OTLP's spaces around entries are no part of them."""
    assert Sampler(Decimal("0.5")).judge(b"\xff" * 16, b"a=1 ,\tot=rv:ffffffffffffff,b=2") == (
        b"ot=th:8;rv:ffffffffffffff,a=1,b=2"
    )


def test_a_full_tracestate_loses_its_last_entry():
    """At most 32 entries: the last one makes room for ours."""
    state = ",".join(f"k{number}=v" for number in range(32)).encode()
    after = Sampler(Decimal("0.5")).judge(b"\xff" * 16, state).split(b",")
    assert len(after) == 32
    assert after[0] == b"ot=th:8"
    assert after[-1] == b"k30=v"


def test_an_entry_that_is_too_long_is_none():
    """An `ot` entry of more than 256 characters is not read, and ours stands in its place."""
    state = b"ot=rv:00000000000000;x:" + b"a" * 300
    assert Sampler(Decimal("0.5")).judge(b"\xff" * 16, state) == b"ot=th:8"


def test_nothing_is_written_where_nothing_is_known():
    """An impossible threshold that was alone leaves an empty tracestate."""
    assert Sampler(Decimal("0.5")).judge(b"\x80" * 16, b"ot=th:f") == b""


def test_about_the_share_is_kept():
    """Of many random traces, the share is kept."""
    import random

    chance = random.Random(4)
    sampler = Sampler(Decimal("0.1"))
    kept = sum(sampler.kept(chance.randbytes(16)) for _ in range(20_000))
    assert 1_850 < kept < 2_150
