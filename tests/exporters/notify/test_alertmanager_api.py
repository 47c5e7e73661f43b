"""What is asked of Alertmanager: the next member where one fails, and a sentence where all do."""

import json
from datetime import UTC, datetime

import pytest

from config.types import Secret, Url
from exporters.notify.alertmanager import AlertmanagerOptions
from exporters.notify.alertmanager_api import AlertmanagerApi, MatcherForm, SilenceForm, Unanswered
from tests.exporters.notify.place import Place

WANTED = SilenceForm(
    matchers=(MatcherForm("slo", "orders", isEqual=False),),
    startsAt=datetime(2026, 1, 1, tzinfo=UTC),
    endsAt=datetime(2026, 1, 2, tzinfo=UTC),
    createdBy="alice",
    comment="why",
)


@pytest.fixture
async def api():
    """Makes one for some members, closed at the end."""
    made = []

    def make(*urls, **options):
        made.append(AlertmanagerApi(AlertmanagerOptions(urls=tuple(map(Url, urls)), **options)))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


async def test_a_silence_is_made_as_alertmanager_writes_it(place, api):
    """Under the base URL, with the receiver's headers; what comes back is its id."""
    place.answer(200, '{"silenceID": "abc"}')
    assert await api(f"{place.url}/am/", headers={"X-Scope": Secret("a")}).silence(WANTED) == "abc"
    ((path, headers, body),) = place.got
    assert (path, headers["X-Scope"], headers["Content-Type"]) == ("/am/api/v2/silences", "a", "application/json")
    assert json.loads(body) == {
        "matchers": [{"name": "slo", "value": "orders", "isRegex": False, "isEqual": False}],
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-02T00:00:00Z", "createdBy": "alice", "comment": "why",
    }  # fmt: skip


async def test_the_next_member_is_asked(place, api, unused_tcp_port):
    """One that answers is enough: members pass silences on."""
    place.answer(200, "[]")
    assert await api(f"http://127.0.0.1:{unused_tcp_port}", place.url).silences() == []


async def test_alerts_are_looked_for_at_every_member(place, api):
    """Members do not pass alerts on: the first that lists one decides, and none is listed where none of them does."""
    async with Place() as second:
        place.answer(200, "[]")
        second.answer(200, '[{"labels": {"alertname": "W", "env": "prod"}, "status": {"state": "suppressed"}}]')
        both = api(place.url, second.url)
        assert await both.firing("W") == [{"alertname": "W", "env": "prod"}]
        assert place.got[0][0] == "/api/v2/alerts?filter=alertname%3D%22W%22"
        place.answer(500)
        second.answer(200, "[]")
        assert await both.firing("W") == []


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, "no", "answered 401"),
        (302, "", "answered 302"),
        (200, "<html>", "answered something else than Alertmanager would; is the URL right?"),
        (200, '{"a": 1}', "answered something else"),
        (200, "[" * 100_000, "answered something else"),
        (200, b"x" * (2 * 1024 * 1024 + 1), "answered what cannot be read: the body has more than"),
    ],
)
async def test_an_answer_that_is_none(place, api, status, body, said):
    """Is told with the member it came from, its password hidden; and nothing is believed."""
    place.answer(status, body)
    with pytest.raises(Unanswered) as caught:
        await api(place.url.replace("://", "://u:hunter2@")).silences()
    assert said in str(caught.value)
    assert "u:***@127.0.0.1" in str(caught.value)


async def test_nobody_answers(api, unused_tcp_port):
    """The first member's trouble is told."""
    with pytest.raises(Unanswered, match="cannot be reached: connection refused"):
        await api(f"http://127.0.0.1:{unused_tcp_port}").firing("W")
