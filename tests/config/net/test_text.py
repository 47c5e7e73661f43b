"""Text from outside is made fit to be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.net.text import MARK, clean, clean_bytes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("  two\r\n lines\t", "two lines"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("null\x00byte\x7f\x85", "null byte"),
        ("right\u202eleft", "right left"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("", ""),
    ],
)
def test_one_printable_line(text, shown):
    """Nothing that forges a line, paints a terminal or breaks an encoder is left."""
    assert clean(text) == shown


def test_cut_with_a_mark():
    """What is too long ends in a mark, and has the length asked for."""
    assert clean("x" * 300, 10) == "x" * 9 + MARK
    assert clean("x" * 10, 10) == "x" * 10


def test_a_window_of_white_space_is_still_marked():
    """Text that is cut before anything printable came does not look complete."""
    assert clean(" " * 10_000 + "x", 10) == MARK


def test_bytes_that_are_not_text():
    """Bytes that are not UTF-8 become replacement characters, and long ones end in the mark."""
    assert clean_bytes(b"ok \xff\xfe") == "ok \ufffd\ufffd"
    assert clean_bytes(b"y" * 100_000, 20) == "y" * 19 + MARK


@given(st.text(), st.integers(1, 50))
def test_any_text_can_be_encoded_and_is_short(text, limit):
    """Whatever comes in, UTF-8 takes what comes out, within the limit, on one line."""
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert len(shown.encode().decode().splitlines()) <= 1
