"""A 5xx that the instrumentation left unset is an error; what it set is believed."""

import pytest

from agent.red.red import Red
from agent.red.settings import Settings
from agent.red.statuses import SELDOM, THOROUGH
from tests.agent.red.bodies import CONSUMER, ERROR, OK, body, counts, measured, samples, send, span


@pytest.mark.parametrize("key", ["http.response.status_code", "http.status_code"])
@pytest.mark.parametrize(
    ("code", "status", "counted"),
    [
        (200, 0, "ok"),
        (404, 0, "ok"),
        (499, 0, "ok"),
        (500, 0, "error"),
        (503, 0, "error"),
        (503, OK, "ok"),
        (200, ERROR, "error"),
    ],
)
def test_server_errors(key, code, status, counted):
    """5xx with the status unset is an error, 4xx is none, and a status that is set is never doubted."""
    red = measured(body(span(attributes={"a": "b", key: code}, status=status)))
    assert counts(red) == {("/orders", counted): 1}


def test_consumers_have_no_http_status():
    """A consumer that called a broken server did not fail by that."""
    red = measured(body(span(kind=CONSUMER, attributes={"http.response.status_code": 500})))
    assert samples(red, "outrider_span_requests_total")["checkout", "/orders", "consumer", "error"] == 0


def test_mixed_codes_are_told_apart():
    """The remembered value of one span is not taken for that of the next."""
    codes = [200, 500, 200, 201, 503, 200]
    spans = [span(attributes={"url.path": "/", "http.response.status_code": code}) for code in codes]
    assert counts(measured(body(*spans))) == {("/orders", "ok"): 4, ("/orders", "error"): 2}


def test_a_clean_instrumentation_is_looked_at_now_and_then():
    """After a thousand good spans at most a few hidden errors are missed, and after the first one none."""
    red = Red(Settings())
    good, bad = (span(attributes={"http.response.status_code": code}) for code in (200, 503))
    send(red, body(*[good] * THOROUGH))
    send(red, body(*[bad] * 100))
    found = counts(red)[("/orders", "error")]
    assert 100 - SELDOM < found <= 100
    send(red, body(*[good] * THOROUGH * 2))
    send(red, body(*[bad] * 100))
    assert counts(red)[("/orders", "error")] == found + 100


def test_each_scope_is_judged_by_itself():
    """A clean scope does not vouch for another one."""
    red = Red(Settings())
    send(red, body(*[span(attributes={"http.response.status_code": 200})] * THOROUGH * 2, scope="clean"))
    send(red, body(*[span(attributes={"http.response.status_code": 500})] * 10, scope="other"))
    assert counts(red)[("/orders", "error")] == 10
