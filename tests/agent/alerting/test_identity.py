"""One identity for one alert, everywhere."""

import pytest

from agent.alerting.identity import identity

LABELS = {
    "alertname": "OutriderSLOBurn",
    "env": "prod",
    "service": "shop",
    "severity": "page",
    "slo": "pg-availability",
}


@pytest.mark.case("identity")
def test_the_published_vector():
    """SHA-256 over the sorted labels: the number that the tables give."""
    assert identity(LABELS) == "4d5b2643ea32c31b1106e88cc15e747670326006f044b08f86c44c34d5fe764b"
    ticket = LABELS | {"severity": "ticket"}
    assert identity(ticket) == "bb5862fa016ba78f63609fba284dde6ef39283fa64f5a0f6ec81f51c3cb7bbe2"


@pytest.mark.case("identity")
def test_order_and_empty_labels_do_not_matter():
    """Two replicas that write their labels differently mean the same alert."""
    assert identity(dict(reversed(LABELS.items())) | {"pod": ""}) == identity(LABELS)


def test_a_boundary_cannot_be_moved():
    """`a=bc` and `ab=c` are two alerts; a lone surrogate is no reason to fail."""
    assert identity({"a": "bc"}) != identity({"ab": "c"})
    assert len(identity({"a": "\ud800"})) == 64
