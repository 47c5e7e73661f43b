"""Slack: blocks within its limits, nobody called by a label, and an address that is never told."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given

from config.types import Duration, SecretUrl
from exporters.base import Permanent, Retryable, Severity
from exporters.notify.chat import ChatOptions
from exporters.notify.slack import SlackNotifier, slack_body
from exporters.notify.wording import units
from tests.exporters.notify.made import alerts
from tests.exporters.notify.place import alert

PATH = "/services/T00000000/B00000000/canaryCANARYcanaryCANARY"


@pytest.fixture
async def notifier(place):
    """Makes notifiers for the place, closed at the end."""
    made = []

    def make(**options):
        made.append(SlackNotifier(ChatOptions(**({"url": SecretUrl(place.url + PATH)} | options))))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def texts(message):
    """Every text of a message that Slack shows."""
    return [message["text"], *(block["text"]["text"] for block in message["blocks"])]


async def test_a_message_says_what_a_person_needs(place, notifier):
    """The headline twice, for the notification and the channel; then what, details, labels, since when, what to do."""
    place.answer(200, "ok")
    notes = {
        "summary": "shop <b> & co burns",
        "description": "First.\nSecond.",
        "root_cause": "db is down",
        "runbook_url": "https://r.example/?a=1&b=2",
    }
    await notifier().notify([replace(alert(), annotations=notes)])
    ((path, headers, body),) = await place.requests(1)
    assert (path, headers["Content-Type"]) == (PATH, "application/json")
    message = json.loads(body)
    assert texts(message) == [
        "\U0001f534 Firing (page): shop &lt;b&gt; &amp; co burns",
        "\U0001f534 Firing (page): shop &lt;b&gt; &amp; co burns",
        "First.\nSecond.",
        "root_cause: db is down",
        "alertname: OutriderSLOBurn\nservice: shop\nseverity: page\nslo: pg-availability",
        "since 2026-01-01T00:00:30.000Z",
        "<https://r.example/?a=1&amp;b=2|Runbook>",
    ]
    assert [block["type"] for block in message["blocks"]] == ["header", *["section"] * 5]


def test_the_end_and_a_ticket_look_different():
    """Resolved says how long it fired."""
    ended = json.loads(slack_body(alert(resolved_at=1_767_226_350.0)))
    assert ended["text"] == "\U0001f7e2 Resolved after 12 min: shop pg-availability burns"
    ticket = json.loads(slack_body(replace(alert(), severity=Severity.TICKET)))
    assert ticket["text"].startswith("\U0001f7e0 Firing (ticket): ")


@given(alerts)
def test_limits_hold_for_any_alert(made):
    """Blocks, texts and their sum are within what Slack takes, and no text can call anybody."""
    message = json.loads(slack_body(made))
    blocks = message["blocks"]
    assert 2 <= len(blocks) <= 20
    assert sum(map(units, texts(message))) <= 10_000
    assert units(message["text"]) > 0
    assert 0 < units(blocks[0]["text"]["text"]) <= 150
    for block in blocks:
        text = block["text"]
        assert 0 < units(text["text"]) <= 3000
        if text["type"] == "plain_text":
            assert not re.search("[<>]|&(?!amp;|lt;|gt;)", text["text"])
        else:
            assert re.fullmatch(r"<https?://[^<>|]+\|Runbook>", text["text"])
            assert text["verbatim"] is True
    assert not re.search("[<>]|&(?!amp;|lt;|gt;)", message["text"])


def test_the_largest_alert_fits():
    """Every text at its longest, each character escaped: the sum stays below what Slack was seen to refuse."""
    flood = {f"{number}": "&" * 5000 for number in range(40)}
    notes = {"summary": "&" * 5000, "description": "&" * 9000, "runbook_url": "https://r.example/" + "&" * 790}
    message = json.loads(slack_body(replace(alert(), labels=flood, annotations=notes | flood)))
    assert 8000 < sum(map(units, texts(message))) <= 10_000
    assert all(units(text) <= 3000 for text in texts(message))


def test_a_label_calls_nobody():
    """What Slack would take for a mention is text."""
    body = slack_body(alert(env="<!channel> <@U123> <https://evil.example|here>")).decode()
    assert "&lt;!channel&gt; &lt;@U123&gt;" in body
    assert "<" not in body


@pytest.mark.parametrize(
    ("status", "said", "error", "reason"),
    [
        (400, "invalid_payload", Permanent, "refused"),
        (403, "action_prohibited", Permanent, "auth"),
        (404, "channel_not_found", Permanent, "gone"),
        (410, "channel_is_archived", Permanent, "gone"),
        (500, "rollup_error", Retryable, "server"),
    ],
)
async def test_what_slack_says_is_told(place, notifier, status, said, error, reason):
    """Its one word is the whole explanation there is."""
    place.answer(status, said)
    with pytest.raises(error, match=f"{reason}: it answered {status}: {said}$") as caught:
        await notifier().notify([alert()])
    assert caught.value.reason == reason


async def test_throttling_is_waited_out(place, notifier):
    """A message a second is what a channel takes; the next attempt is the same message."""
    place.answer(429, "rate_limited", **{"Retry-After": "3"})
    place.answer(200, "ok\n")
    hook = notifier()
    with pytest.raises(Retryable) as caught:
        await hook.notify([alert()])
    assert (caught.value.reason, caught.value.after) == ("throttled", 3)
    await hook.notify([alert()])
    assert place.got[0][2] == place.got[1][2]


@pytest.mark.parametrize("body", ["", "<html>Please sign in</html>", '{"ok":false}', "ok" * 5000, b"\xff\xfe"])
async def test_success_is_the_word_ok(place, notifier, body):
    """Another page that answers 200 did not post anything; trying on would not help."""
    place.answer(200, body)
    with pytest.raises(Permanent, match="it answered 200, but not 'ok'; is the URL right"):
        await notifier().notify([alert()])


async def test_a_redirect_is_not_followed(place, notifier):
    """The address would be told to whoever it leads to."""
    place.answer(302, Location="/elsewhere")
    with pytest.raises(Permanent, match="redirect"):
        await notifier().notify([alert()])
    assert len(place.got) == 1


async def test_no_error_holds_the_address(place, notifier, unused_tcp_port):
    """Not when it is down, not when it hangs, not when it says the address itself."""
    place.answer(404, f"The requested URL {PATH} was not found on this server")
    place.answer(404, "x" * 1010 + PATH)
    place.hang()
    hook = notifier(timeout=Duration(0.5))
    down = notifier(url=SecretUrl(f"http://127.0.0.1:{unused_tcp_port}{PATH}"))
    for each in (hook, hook, hook, down):
        with pytest.raises((Permanent, Retryable)) as caught:
            await each.notify([alert()])
        assert "canary" not in str(caught.value)
    assert f"127.0.0.1:{unused_tcp_port} cannot be reached" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "key"),
    [({"url": SecretUrl("ftp://h/hunter2")}, "url"), ({"timeout": Duration(0)}, "timeout")],
)
def test_options_that_cannot_work_are_refused(options, key):
    """Each names its key, and no secret."""
    chosen = ChatOptions(**({"url": SecretUrl("https://hooks.slack.com/services/x")} | options))
    problems = list(chosen.problems())
    assert [found for found, _ in problems] == [key]
    assert "hunter2" not in f"{problems}{chosen}"
