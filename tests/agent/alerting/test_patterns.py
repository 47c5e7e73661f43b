"""Regular expressions of silences: right, and never slow."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.alerting.patterns import Pattern

_ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\.", "-"])
_ONES = st.builds("{}{}".format, _ATOMS, st.sampled_from(["", "", "*", "+", "?"]))
_PATTERNS = st.recursive(
    _ONES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: f"({'|'.join(each)})"),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(_PATTERNS, st.text("ab1.-", max_size=8))
def test_it_matches_what_python_matches(pattern, text):
    """Whole texts, with the meaning that these signs have everywhere."""
    assert Pattern(pattern).fits(text) is (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "fits", "misfits"),
    [
        ("pay.*", ["pay", "payments"], ["repay", ""]),
        ("orders|cart", ["orders", "cart"], ["orders2", "orderscart"]),
        ("(?:pay(ments|roll))?", ["", "payroll"], ["pay"]),
        (r"^10\.0\.[0-9]+$", ["10.0.17"], ["10.0.", "10x0.1"]),
        ("", [""], ["a"]),
        ("a|", ["a", ""], ["b"]),
        (r"\w+-\d?", ["ab_1-", "x-9"], ["-", "é-1"]),
    ],
)
def test_examples(pattern, fits, misfits):
    """Anchored at both ends, as in Alertmanager."""
    asked = Pattern(pattern)
    assert all(map(asked.fits, fits))
    assert not any(map(asked.fits, misfits))


@pytest.mark.parametrize("pattern", ["a?" * 80 + "a" * 80, "(a|a)" * 50 + "b", ".*.*.*.*.*.*.*.*x", "(a|aa|aaa)" * 20])
def test_no_pattern_is_slow(pattern):
    """Each of these holds a backtracking engine for years; here it is under a second of CPU."""
    before = time.process_time()
    Pattern(pattern).fits("a" * 1000)
    assert time.process_time() - before < 1


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(ab)+", "repeats a group"),
        ("a**", "repeats a repetition"),
        ("*a", "repeats nothing"),
        ("a{2}", "counts"),
        ("(a", "opens a group"),
        ("a)", "closes a group"),
        ("(?i)a", r"\(\?"),
        ("[a", r"\[ \]"),
        ("[z-a]", "cannot be read"),
        ("[[:alpha:]]", r"\[ \]"),
        (r"\1", "not taken"),
        ("a\\", "not taken"),
        ("(" * 20 + ")" * 20, "nests"),
        ("a" * 257, "256"),
    ],
)
def test_what_is_not_taken_is_told(pattern, what):
    """One sentence that says what is wrong."""
    with pytest.raises(ValueError, match=what):
        Pattern(pattern)
