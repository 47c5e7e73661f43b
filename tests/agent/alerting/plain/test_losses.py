"""What is lost: from counters to "it goes on now"."""

from agent.alerting.plain.losses import Losses


def test_what_was_counted_before_is_of_another_day():
    """Only growth is a loss, also of a destination that comes later."""
    losses = Losses()
    assert [dict(loss.lost) for loss in losses.step({"a": {"auth": 7}}, 0.0)] == [{}]
    found = losses.step({"a": {"auth": 9}, "b": {"auth": 1}}, 1.0)
    assert {loss.destination: dict(loss.lost) for loss in found} == {"a": {"auth": 2}, "b": {}}


def test_it_goes_on_until_two_minutes_have_been_quiet():
    """Losses add up meanwhile, and are forgotten then."""
    losses, counted, seen = Losses(), 0, {}
    for t in range(0, 600, 30):
        counted += t in {30, 120}
        ((_, lost),) = losses.step({"a": {"invalid": counted}}, float(t))
        seen[t] = lost.get("invalid", 0)
    assert (seen[0], seen[30], seen[90], seen[120], seen[210], seen[240]) == (0, 1, 1, 2, 2, 0)


def test_a_destination_that_goes_is_forgotten():
    """What comes back under its name begins anew."""
    losses = Losses()
    for counts in ({"a": {"auth": 0}}, {"a": {"auth": 5}}, {}):
        list(losses.step(counts, 0.0))
    assert [dict(loss.lost) for loss in losses.step({"a": {"auth": 5}}, 1.0)] == [{}]
