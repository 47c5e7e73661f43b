import pytest

from agent.units import number, seconds


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.00042, "seconds", "0.42 ms"),
        (0.0123, "seconds", "12.3 ms"),
        (0.9994, "seconds", "999 ms"),
        (0.9996, "seconds", "1 s"),
        (1.25, "seconds", "1.25 s"),
        (59.96, "seconds", "1 min"),
        (0, "seconds", "0 s"),
        (-2, "seconds", "-2 s"),
        (0, "bytes", "0 B"),
        (999, "bytes", "999 B"),
        (1000, "bytes", "0.977 KiB"),
        (8 * 2**30, "bytes", "8 GiB"),
        (2**70, "bytes", "1,048,576 PiB"),
        (0.421, "ratio", "42.1 %"),
        (1.0, "ratio", "100 %"),
        (12345.0, "", "12,345"),
        (14.4, "", "14.4"),
        (0.0000123, "", "1.2e-05"),
        (float("inf"), "", "infinite"),
        (float("nan"), "ratio", "not a number"),
    ],
)
def test_number(value, unit, expected):
    """Three digits, a unit that fits, no letters where a number should be."""
    assert number(value, unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (59, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3599.9, "60 min"),
        (3600, "1 h"),
        (11040, "3 h 4 min"),
        (86400, "1 d"),
        (180000, "2 d 2 h"),
        (2592000, "30 d"),
    ],
)
def test_seconds(value, expected):
    """Two units at most, the second one left out when it is zero."""
    assert seconds(value) == expected
