import pytest

from agent.web.negotiate import HEALTH_JSON, JSON, TEXT, best

OFFERS = (TEXT, JSON, HEALTH_JSON)


@pytest.mark.case("S16")
@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("application/json", JSON, id="json"),
        pytest.param("text/html;q=0.5, application/json", JSON, id="json beside html"),
        pytest.param("*/*", TEXT, id="anything"),
        pytest.param(None, TEXT, id="absent"),
        pytest.param("  ", TEXT, id="empty"),
        pytest.param("image/png", None, id="unsupported"),
        pytest.param("application/health+json", HEALTH_JSON, id="draft"),
        pytest.param("application/*", JSON, id="a family"),
        pytest.param("application/*;q=0.2, text/plain;q=0.1", JSON, id="weights"),
        pytest.param("*/*;q=0.1, application/json;q=0", TEXT, id="all but json"),
        pytest.param("text/plain;q=0, */*", JSON, id="all but text"),
        pytest.param("application/json;q=nan, text/plain;q=0.1", TEXT, id="not a weight"),
        pytest.param("application/json;q=7, text/plain;q=0.1", TEXT, id="weight out of range"),
        pytest.param("application/json;q=high, text/plain;q=0.1", TEXT, id="word for a weight"),
        pytest.param("Application/JSON; charset=utf-8", JSON, id="case and parameters"),
        pytest.param(";;;,,,q=,/", None, id="rubbish"),
    ],
)
def test_best(accept, expected):
    """The offer of the highest weight wins, the more specific range decides, nonsense weighs nothing."""
    assert best(accept, OFFERS) == expected
