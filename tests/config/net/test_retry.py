"""When to try again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.net.retry import MAX_RETRY_AFTER, Backoff, retry_after

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC).timestamp()


def test_ceiling_doubles_up_to_the_cap():
    """The longest wait doubles with every failure, and stops at the cap."""
    backoff = Backoff(base=1.0, cap=60.0)
    assert [backoff.ceiling(failures) for failures in (0, 1, 2, 3, 7, 8, 10_000)] == [1, 1, 2, 4, 60, 60, 60]


@given(st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_full_jitter_stays_below_the_ceiling(failures, chance):
    """Every wait lies between nothing and the ceiling, wherever chance puts it."""
    backoff = Backoff(base=0.5, cap=30.0)
    assert 0 <= backoff.wait(failures, lambda: chance) <= backoff.ceiling(failures) <= 30


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("-5", None),
        ("1.5", None),
        ("9" * 400, MAX_RETRY_AFTER),
        ("Wed, 21 Oct 2026 07:29:30 GMT", 90.0),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0),
        ("Wed, 21 Oct 9999 07:00:00 GMT", MAX_RETRY_AFTER),
        ("soon", None),
        ("٣", None),
    ],
)
def test_retry_after(header, seconds):
    """Seconds and dates are understood and clamped, anything else is as if absent."""
    assert retry_after(header, NOW) == seconds
