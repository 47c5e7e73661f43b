"""One alert with everything that may be known of it, as each receiver shows it: nothing twice, nothing lost."""

import json
import logging
from dataclasses import replace
from email import message_from_bytes, policy

from config.types import Secret
from exporters.notify.log import LogNotifier, LogOptions
from exporters.notify.mail_address import Mailbox
from exporters.notify.mail_text import mail
from exporters.notify.pagerduty import pagerduty_body
from exporters.notify.slack import slack_body
from exporters.notify.teams import teams_body
from exporters.notify.webhook import native_body
from tests.exporters.notify.place import alert

CAUSE = "postgres orders-db has been down for 40 s: connect_refused in connect"
DEPLOY = "1.4.2 since 2025-12-31T23:57:30Z, 3 min before this alert; was 1.4.1"
LEFT = "97.7% (42.2 of 43.2 minutes)"
DESCRIPTION = f"It burns. Error budget left: {LEFT}. Likely root cause: {CAUSE}. Last deploy: {DEPLOY}."
TRACES = " ".join(letter * 32 for letter in "abc")
NOTES = {
    "summary": "shop pg-availability burns",
    "description": DESCRIPTION,
    "runbook_url": "https://r.example/db",
    "budget_left": LEFT,
    "root_cause": CAUSE,
    "last_deploy": DEPLOY,
    "trace_ids": TRACES,
    "seen_by": "2 of 3 replicas so far",
    "replica": "shop-7f9c",
}
ALERT = replace(alert(), annotations=NOTES)
#: What a text for people has beside its description.
BESIDE = [f"trace_ids: {TRACES}", "seen_by: 2 of 3 replicas so far", "replica: shop-7f9c"]


def test_slack():
    """The description holds cause, deploy and budget; what follows says none of them again."""
    header, *sections = [block["text"]["text"] for block in json.loads(slack_body(ALERT))["blocks"]]
    assert header.endswith("Firing (page): shop pg-availability burns")
    assert sections[:2] == [DESCRIPTION, "\n".join(BESIDE)]
    assert sections[-1] == "<https://r.example/db|Runbook>"


def test_teams():
    """The same, a line for each."""
    blocks = json.loads(teams_body(ALERT))["attachments"][0]["content"]["body"]
    lines = ["".join(run["text"] for run in block["inlines"]) for block in blocks]
    assert lines[1:5] == [DESCRIPTION, *BESIDE]


def test_mail():
    """The runbook first, as it is no button here."""
    box = Mailbox("a@b.example")
    raw = mail([ALERT], box, [box], name="n@x", now=0.0)
    text = message_from_bytes(raw, policy=policy.default).get_body("plain").get_content().replace("\r\n", "\n")
    _, description, rows = text.strip().split("\n\n")
    assert description == DESCRIPTION
    assert rows.splitlines()[2:6] == ["runbook_url: https://r.example/db", *BESIDE]


def test_pagerduty():
    """Each has a field of its own in the details, for rules of a service and for templates; the runbook is a link."""
    event = json.loads(pagerduty_body(ALERT, Secret("0" * 32)))
    details = event["payload"]["custom_details"]
    assert {key: details[key] for key in NOTES if key not in {"summary", "runbook_url"}} == {
        key: text for key, text in NOTES.items() if key not in {"summary", "runbook_url"}
    }
    assert event["links"] == [{"href": "https://r.example/db", "text": "Runbook"}]


def test_webhook():
    """All annotations as they are."""
    assert json.loads(native_body(ALERT))["data"]["annotations"] == NOTES


async def test_log(caplog):
    """The cause fits into the line of the beginning; at the end nobody asks."""
    caplog.set_level(logging.INFO)
    await LogNotifier(LogOptions()).notify([ALERT, replace(ALERT, resolved_at=2e9)])
    assert [record.getMessage() for record in caplog.records] == [
        f"alert firing (page): shop pg-availability burns; likely root cause: {CAUSE}",
        "alert resolved (page): shop pg-availability burns",
    ]


def test_what_a_description_lacks_is_shown_beside_it():
    """An alert of another make may have a cause and no sentence about it."""
    bare = replace(ALERT, annotations=NOTES | {"description": "It burns."})
    section = json.loads(slack_body(bare))["blocks"][2]["text"]["text"]
    assert section.splitlines() == [
        f"budget_left: {LEFT}",
        f"root_cause: {CAUSE}",
        f"last_deploy: {DEPLOY}",
        *BESIDE,
    ]
