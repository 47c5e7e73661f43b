"""Teams: a card that fits, without markdown, and an address that is never told."""

import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given

from config.types import Duration, SecretUrl
from exporters.base import Permanent, Retryable, Severity
from exporters.notify.chat import ChatOptions
from exporters.notify.teams import MAX_BODY, TeamsNotifier, teams_body
from tests.exporters.notify.made import alerts
from tests.exporters.notify.place import alert

PATH = "/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke?api-version=1&sig=canary-CANARY_canary"


@pytest.fixture
async def notifier(place):
    """Makes notifiers for the place, closed at the end."""
    made = []

    def make(**options):
        made.append(TeamsNotifier(ChatOptions(**({"url": SecretUrl(place.url + PATH)} | options))))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def card(body):
    """The adaptive card of a message."""
    message = json.loads(body)
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["contentUrl"] is None
    return attachment["content"]


def lines(content):
    """What a card shows, a line for each block."""
    return ["".join(run["text"] for run in block["inlines"]) for block in content["body"]]


async def test_a_card_says_what_a_person_needs(place, notifier):
    """Headline, what, details, labels, since when, and a button to the runbook; any 2xx is success."""
    place.answer(202)
    notes = {"summary": "it burns", "description": "First.", "root_cause": "db", "runbook_url": "https://r.example/x"}
    await notifier().notify([replace(alert(), annotations=notes)])
    ((path, headers, body),) = await place.requests(1)
    assert (path, headers["Content-Type"]) == (PATH, "application/json")
    content = card(body)
    assert (content["type"], content["version"], content["msteams"]) == ("AdaptiveCard", "1.2", {"width": "full"})
    assert lines(content) == [
        "Firing (page): it burns",
        "First.",
        "root_cause: db",
        "alertname: OutriderSLOBurn",
        "service: shop",
        "severity: page",
        "slo: pg-availability",
        "since: 2026-01-01T00:00:30.000Z",
    ]
    assert content["actions"] == [{"type": "Action.OpenUrl", "title": "Runbook", "url": "https://r.example/x"}]


@pytest.mark.parametrize(
    ("made", "said", "color"),
    [
        (alert(), "Firing (page): ", "attention"),
        (replace(alert(), severity=Severity.TICKET), "Firing (ticket): ", "warning"),
        (alert(resolved_at=1_767_226_350.0), "Resolved after 12 min: ", "good"),
    ],
    ids=["page", "ticket", "resolved"],
)
def test_the_color_says_what_the_words_say(made, said, color):
    """And the end says how long it fired."""
    content = card(teams_body(made))
    assert lines(content)[0] == f"{said}shop pg-availability burns"
    assert content["body"][0]["inlines"][0]["color"] == color


@given(alerts)
def test_limits_hold_for_any_alert(made):
    """Whatever the texts, the body fits, and all text stands where markdown is not read."""
    body = teams_body(made)
    assert len(body) <= MAX_BODY
    content = card(body)
    assert {block["type"] for block in content["body"]} == {"RichTextBlock"}
    for block in content["body"]:
        assert {run["type"] for run in block["inlines"]} == {"TextRun"}
        assert all(run["text"] for run in block["inlines"])


@pytest.mark.parametrize("letter", ["\U0001f525", "中", '"', "\\", "x"])
def test_the_largest_alert_fits(letter):
    """Every text at its longest, in letters of every size."""
    flood = {f"{number}" * 50: letter * 5000 for number in range(40)}
    texts = {"summary": letter * 5000, "description": letter * 9000, "runbook_url": "https://r.example/" + "é" * 790}
    body = teams_body(replace(alert(), labels=flood, annotations=texts | flood))
    assert 5000 < len(body) <= MAX_BODY


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (400, Permanent, "refused"),
        (401, Permanent, "auth"),
        (404, Permanent, "gone"),
        (410, Permanent, "gone"),
        (413, Permanent, "too_large"),
        (429, Retryable, "throttled"),
        (502, Retryable, "server"),
    ],
)
async def test_statuses_decide(place, notifier, status, error, reason):
    """And a body that repeats the address, as it is or encoded, is not shown."""
    hook = notifier()
    for said in (PATH, quote(PATH), "nothing secret"):
        place.answer(status, said)
        with pytest.raises(error) as caught:
            await hook.notify([alert()])
        assert caught.value.reason == reason
        assert "canary" not in str(caught.value)
        assert ("nothing secret" in str(caught.value)) == (said == "nothing secret")


async def test_a_workflow_that_hangs_is_left(place, notifier):
    """The whole exchange has a deadline, and the address is not in what is said of it."""
    place.hang()
    with pytest.raises(Retryable, match=r"timeout: no answer within 0\.2 s$"):
        await notifier(timeout=Duration(0.2)).notify([alert()])


@pytest.mark.parametrize(
    ("options", "key"),
    [({"url": SecretUrl("ftp://h/hunter2")}, "url"), ({"timeout": Duration(31)}, "timeout")],
)
def test_options_that_cannot_work_are_refused(options, key):
    """Each names its key, and no secret."""
    chosen = ChatOptions(**({"url": SecretUrl("https://x.logic.azure.com/workflows/x")} | options))
    problems = list(chosen.problems())
    assert [found for found, _ in problems] == [key]
    assert "hunter2" not in f"{problems}{chosen}"
