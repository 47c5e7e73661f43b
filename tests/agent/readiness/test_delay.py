"""The way back: held for a random share of the delay, and no longer than it helps."""

from agent.readiness.delay import ReadyDelay


def settled(*steps, most=10.0):
    """After these (now, out, hurry), each with a chance of one half."""
    delay = ReadyDelay(most)
    for now, out, hurry in steps:
        delay.settle(now, out=out, hurry=hurry, chance=0.5)
    return delay


def test_the_start_is_no_recovery():
    """A replica that was never out is held by nothing."""
    assert settled((0.0, False, False)).left(0.0) == 0.0


def test_a_recovery_is_held_for_its_share():
    """Half of ten seconds, counted from the recovery, whatever is settled meanwhile."""
    delay = settled((0.0, True, False), (20.0, False, False), (22.0, False, False))
    assert [delay.left(now) for now in (20.0, 24.0, 25.0, 30.0)] == [5.0, 1.0, 0.0, 0.0]


def test_who_is_out_is_not_returning():
    """Down again before it came back: it is out for that, and the wait starts over at the next recovery."""
    delay = settled((0.0, True, False), (20.0, False, False), (21.0, True, False))
    assert delay.left(21.0) == 0.0
    delay.settle(30.0, out=False, hurry=False, chance=0.5)
    assert delay.left(30.0) == 5.0


def test_a_fault_that_turns_out_to_be_for_all_ends_the_wait():
    """The others are no better off: come back at once, and also out of a wait that has begun."""
    assert settled((0.0, True, False), (20.0, False, True)).left(20.0) == 0.0
    assert settled((0.0, True, False), (20.0, False, False), (21.0, False, True)).left(21.0) == 0.0


def test_no_delay():
    """Of 0 s: at once."""
    assert settled((0.0, True, False), (20.0, False, False), most=0.0).left(20.0) == 0.0
