"""The first route that matches decides."""

import pytest

from agent.alerting.routes import receivers_for
from config.sections.alerts import Route

ROUTES = (
    Route(match={"severity": "page", "team": "payments"}, to=("oncall", "fleet", "oncall")),
    Route(match={"severity": "page"}, to=("fleet",)),
    Route(match={"team": ""}, to=("orphans",)),
)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "page", "team": "payments"}, ("oncall", "fleet")),
        ({"severity": "page", "team": "search"}, ("fleet",)),
        ({"severity": "ticket"}, ("orphans",)),
        ({"severity": "ticket", "team": "search"}, ()),
    ],
)
def test_first_match_wins(labels, receivers):
    """Later routes are not asked, each receiver is told once, an absent label is an empty one."""
    assert receivers_for(labels, ROUTES) == receivers


def test_a_route_without_match_takes_everything():
    """The usual last route."""
    assert receivers_for({"a": "b"}, [Route(to=("all",))]) == ("all",)
