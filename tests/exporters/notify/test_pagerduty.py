"""PagerDuty: the documented event, its limits, and a resolve that nothing can refuse."""

import json
from dataclasses import replace

import pytest
from hypothesis import given

from config.types import Duration, Secret, Url
from exporters.base import Permanent, Retryable, Severity
from exporters.notify.pagerduty import MAX_BODY, PagerDutyNotifier, PagerDutyOptions, pagerduty_body
from tests.exporters.notify.made import alerts
from tests.exporters.notify.place import alert

KEY = "R0ABCDEFGHIJKLMNOPQRSTUVWXYZ0123"


@pytest.fixture
async def notifier(place):
    """Makes notifiers for the place, closed at the end."""
    made = []

    def make(**options):
        chosen = {"routing_key": Secret(KEY), "url": Url(f"{place.url}/v2/enqueue")} | options
        made.append(PagerDutyNotifier(PagerDutyOptions(**chosen)))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


async def test_an_incident_is_opened_and_closed(place, notifier):
    """One key for both; the resolve holds nothing that could be wrong."""
    place.answer(202, '{"status":"success","message":"Event processed","dedup_key":"k1"}')
    place.answer(202)
    texts = {"summary": "it burns", "description": "200 times", "runbook_url": "https://r.example/x", "deploy": "v2"}
    await notifier().notify([replace(alert(env="production"), annotations=texts)])
    await notifier().notify([alert(resolved_at=2e9)])
    (path, headers, opened), (_, _, closed) = await place.requests(2)
    assert (path, headers["Content-Type"]) == ("/v2/enqueue", "application/json")
    assert json.loads(opened) == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "k1",
        "client": "Outrider",
        "links": [{"href": "https://r.example/x", "text": "Runbook"}],
        "payload": {
            "summary": "it burns",
            "source": "shop",
            "severity": "critical",
            "timestamp": "2026-01-01T00:00:30.000Z",
            "component": "pg-availability",
            "group": "shop",
            "class": "OutriderSLOBurn",
            "custom_details": {
                "description": "200 times",
                "deploy": "v2",
                "labels": dict(alert(env="production").labels),
            },
        },
    }
    assert json.loads(closed) == {"routing_key": KEY, "event_action": "resolve", "dedup_key": "k1"}


def test_a_ticket_is_a_warning():
    """A page is critical, a ticket wakes nobody."""
    event = json.loads(pagerduty_body(replace(alert(), severity=Severity.TICKET), Secret(KEY)))
    assert event["payload"]["severity"] == "warning"


@pytest.mark.parametrize("label", ["probe", "destination"])
def test_the_component_of_an_alert_without_an_objective(label):
    """What it is about, as an objective would be."""
    event = json.loads(pagerduty_body(replace(alert(), labels={label: "orders-db"}), Secret(KEY)))
    assert event["payload"]["component"] == "orders-db"


@given(alerts)
def test_limits_hold_for_any_alert(made):
    """Whatever the texts, the event has what is required within what is allowed."""
    body = pagerduty_body(made, Secret(KEY))
    event = json.loads(body)
    assert len(body) <= MAX_BODY
    assert len(event["dedup_key"]) <= 255
    if made.firing:
        payload = event["payload"]
        assert 0 < len(payload["summary"].encode("utf-16-le")) // 2 <= 1024
        assert payload["source"]
        assert payload["severity"] in {"critical", "warning"}


def test_details_go_before_the_call():
    """A body that is too large loses its details first and keeps its summary."""
    texts = {"summary": "it burns"} | {f"note{number}": "x\U0001f525" * 9000 for number in range(60)}
    body = pagerduty_body(replace(alert(), annotations=texts), Secret(KEY))
    assert len(body) < 1000
    payload = json.loads(body)["payload"]
    assert (payload["summary"], payload["custom_details"]) == ("it burns", {"left_out": "too large"})


async def test_answers_decide(place, notifier):
    """400 is for good, without the key in the error; 429 waits as long as it is told; 5xx is tried again."""
    place.answer(400, f'{{"errors":["routing_key {KEY} is unknown"]}}')
    place.answer(400, '{"errors":["summary is missing"]}')
    place.answer(429, **{"Retry-After": "30"})
    place.answer(502)
    hook = notifier()
    with pytest.raises(Permanent, match=r'"routing_key \*\*\* is unknown"'):
        await hook.notify([alert()])
    with pytest.raises(Permanent, match="summary is missing"):
        await hook.notify([alert()])
    with pytest.raises(Retryable) as caught:
        await hook.notify([alert()])
    assert (caught.value.reason, caught.value.after) == ("throttled", 30)
    with pytest.raises(Retryable):
        await hook.notify([alert()])
    await hook.notify([alert()])
    assert len({body for _, _, body in place.got}) == 1


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"routing_key": Secret("hunter2")}, "routing_key"),
        ({"routing_key": Secret(KEY + "\n")}, "routing_key"),
        ({"url": Url("ftp://events.example/")}, "url"),
        ({"timeout": Duration(0)}, "timeout"),
        ({"timeout": Duration(31)}, "timeout"),
    ],
)
def test_options_that_cannot_work_are_refused(options, key):
    """Each names its key, and no secret."""
    problems = list(PagerDutyOptions(**({"routing_key": Secret(KEY)} | options)).problems())
    assert [found for found, _ in problems] == [key]
    assert "hunter2" not in str(problems)


def test_sound_options_have_no_problems():
    """A key alone is enough."""
    assert not list(PagerDutyOptions(routing_key=Secret(KEY)).problems())
