"""Counters of other processes only grow here."""

from hypothesis import given
from hypothesis import strategies as st

from probes.prometheus.totals import Totals


def test_one_of_several_that_restarts_adds_what_it_counted_since():
    """1000 + 1000, and then 1000 + 5: five more, not a thousand and five."""
    totals = Totals()
    assert totals.advance([(1, 1000.0), (2, 1000.0)]) == 2000.0
    assert totals.advance([(1, 1000.0), (2, 5.0)]) == 2005.0
    assert totals.advance([(1, 1001.0), (2, 6.0)]) == 2007.0


def test_a_new_series_counts_in_full():
    """Its first event happened since the last page; one that was away goes on from where it was."""
    totals = Totals()
    assert totals.advance([(1, 10.0)]) == 10.0
    assert totals.advance([(2, 3.0)]) == 13.0
    assert totals.advance([(1, 12.0), (2, 3.0)]) == 15.0
    assert totals.advance([(1, float("nan"))]) == 15.0


@given(st.lists(st.dictionaries(st.integers(0, 3), st.integers(0, 1000).map(float)), min_size=1, max_size=20))
def test_a_total_never_falls(pages):
    """Whatever the pages say."""
    totals = Totals()
    seen = [totals.advance(page.items()) for page in pages]
    assert seen == sorted(seen)
