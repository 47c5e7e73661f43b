"""An alert in words: bounded, clean, and never empty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.base import Alert, Severity
from exporters.notify.wording import details, fit, headline, link, paragraph, rows, span, units
from tests.exporters.notify.made import alerts, texts
from tests.exporters.notify.place import alert


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0 s"),
        (45.9, "45 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (86400, "1 d"),
        (183600, "2 d 3 h"),
    ],
)
def test_a_length_of_time_is_said_in_two_units(seconds, said):
    """Enough to know whether to get up."""
    assert span(seconds) == said


def test_the_headline_says_what_and_for_how_long():
    """Firing with its severity, resolved with how long it fired."""
    assert headline(alert()) == "Firing (page): shop pg-availability burns"
    assert headline(alert(resolved_at=1_767_226_350.0)) == "Resolved after 12 min: shop pg-availability burns"
    assert headline(Alert("", Severity.TICKET, 0.0, "k")) == "Firing (ticket): an alert"


@given(texts, st.integers(1, 500))
def test_what_is_cut_fits_and_says_so(text, limit):
    """Never longer than asked, no escape in two, and whole where there is room."""
    cut = fit(text, limit, {"&": "&amp;"})
    whole = text.replace("&", "&amp;")
    assert units(cut) <= limit
    assert cut == whole if units(whole) <= limit else cut.endswith("…")
    assert cut.replace("&amp;", "").count("&") == 0


@given(alerts)
def test_rows_are_bounded(made):
    """Twenty at most, within the room, one line each, printable."""
    found = list(rows(made.labels, 500))
    assert len(found) <= 20
    assert sum(units(name) + units(text) + 2 for name, text in found) <= 500
    for name, text in found:
        assert "\n" not in name + text
        (name + text).encode()


def test_lines_stay_lines():
    """Empty ones go, controls go, and a flood is cut."""
    assert paragraph("one\n\n two\x1b[31m\ud800\n", 100) == "one\ntwo [31m�"
    assert units(paragraph("a\n" * 100_000, 50)) <= 50


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "runbooks/checkout",
        "https://x.example/a|b",
        "https://x.example/<!channel>",
        "https://x.example/a b",
        "https://x.example/\u202e",
        "https://x.example/" + "a" * 1000,
    ],
)
def test_only_an_address_becomes_a_link(url):
    """Anything else that stands for a runbook is shown as text."""
    made = Alert("A", Severity.PAGE, 0.0, "k", annotations={"runbook_url": url, "summary": "s", "root_cause": "db"})
    assert link(made) == ""
    assert details(made) == {"runbook_url": url, "root_cause": "db"}


def test_an_address_is_a_link_and_no_detail():
    """It has its own place."""
    made = Alert("A", Severity.PAGE, 0.0, "k", annotations={"runbook_url": "https://runbooks.example/a?b=1&c"})
    assert link(made) == "https://runbooks.example/a?b=1&c"
    assert details(made) == {}
