"""Slots, windows and the period against a plain list of everything that happened."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.slo.burn import Counts
from agent.slo.rings import COARSE_SECONDS
from agent.slo.sli import Verdict
from agent.slo.track import Track

WINDOWS = (3600, 300)
LONG = 7 * 3600
PERIOD = 10 * 3600
ATTEMPTS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 40), st.integers(0, 9000), st.just(3 * PERIOD)),  # seconds since the one before
        st.sampled_from([None, Verdict.UNKNOWN, Verdict.GOOD, Verdict.BAD]),  # None: only time passes
    ),
    max_size=60,
)


def slots_of(story, slot, stale_after):
    """The verdict of every slot up to the open one, by going through all of them."""
    end = int(story[-1][0] // slot)
    verdicts = []
    for index in range(int(story[0][0] // slot), end + 1):
        inside = [verdict for at, verdict in story if verdict is not None and at // slot == index]
        earlier = [(at, verdict) for at, verdict in story if verdict is not None and at < index * slot]
        if inside:
            verdicts.append(max(inside))
        elif index < end and earlier and index * slot - earlier[-1][0] < stale_after:
            held = earlier[-1][1]
            verdicts.append(Verdict.HELD_BAD if held is Verdict.BAD else held)
        else:
            verdicts.append(Verdict.UNKNOWN)
    return verdicts


def counts_of(verdicts, slots):
    """What a window over these verdicts holds."""
    bad = sum(verdict >= Verdict.HELD_BAD for verdict in verdicts)
    return Counts(slots, sum(map(bool, verdicts)), bad, verdicts.count(Verdict.BAD))


@settings(deadline=None)
@given(ATTEMPTS, st.sampled_from([10, 15, 60, 300]), st.sampled_from([0.0, 33.0, 700.0]))
def test_sums_equal_a_count_of_everything(steps, slot, stale_after):
    """However attempts fall and time jumps, the running sums equal a count over all slots."""
    track = Track(slot, (*WINDOWS, LONG), PERIOD, stale_after)
    now, story = 1_767_225_607, []
    for wait, verdict in steps:
        now += wait
        story.append((now, verdict))
        if verdict is None:
            track.advance(now)
        else:
            track.record(verdict, now)
    if not story:
        return
    every = slots_of(story, slot, stale_after)
    at_last = next((each for at, each in reversed(story) if each is not None and at // slot == now // slot), None)
    for window in WINDOWS:
        size = window // slot
        ended = len(every) if at_last is not None else len(every) - 1
        assert track.window(window) == counts_of(every[max(0, ended - size) : ended], size)
    closed = every[:-1]
    assert track.events == sum(map(bool, closed))
    assert track.bad_events == sum(verdict >= Verdict.HELD_BAD for verdict in closed)
    assert track.unknown_events == closed.count(Verdict.UNKNOWN)
    per_entry = COARSE_SECONDS // slot
    entry = int(now // slot) // per_entry
    for length, found in ((LONG, track.window(LONG)), (PERIOD, track.period())):
        kept = [
            verdict
            for index, verdict in enumerate(every, int(story[0][0] // slot))
            if index // per_entry > entry - length // COARSE_SECONDS
        ]
        assert found == counts_of(kept, length // slot)
