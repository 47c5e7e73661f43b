"""Silences at a real Alertmanager, and its word on whether Prometheus calls."""

import asyncio
import json
import logging
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from agent.alerting.row import Notice
from agent.alerting.silences import Silences, Unreachable
from agent.alerting.standby import Standby
from agent.alertmanager_view import AlertmanagerView, Pace
from agent.assemble import assemble, survey
from agent.guard import Guard
from agent.silencing import Silencing
from config.errors import Problems
from config.load import load
from config.types import Url
from exporters.notify.alertmanager import AlertmanagerOptions
from exporters.notify.alertmanager_api import AlertmanagerApi
from tests.agent.alerting.test_silences import silence
from tests.agent.alertmanagers import alertmanager
from tests.agent.generate.test_rules_live import Ruled
from tests.agent.generate.tools import needs
from tests.exporters.notify.place import ANSWER_SECONDS, alert

OURS = {"service": "shop", "env": "prod"}
QUICK = Pace(every=0.1, again=0.1)


@pytest.fixture
def server():
    """A real Alertmanager."""
    with alertmanager() as started:
        yield started


def ask(server, method, path, body=None):
    """One request to the API of a real Alertmanager."""
    raw, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/api/v2{path}", raw if body else None, headers, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read() or b"null")


def made_there(server, **labels):
    """A silence that somebody makes in Alertmanager, for an hour; `team_` means a regular expression."""
    now = datetime.now(UTC)
    matchers = [
        {"name": name.rstrip("_"), "value": value, "isRegex": name.endswith("_"), "isEqual": True}
        for name, value in labels.items()
    ]
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    return ask(server, "POST", "/silences", {"matchers": matchers, **times, "createdBy": "bob", "comment": "x"})


def watchdog(server, *, fires=True, **labels):
    """Prometheus tells that it is there, or that it is not any more."""
    ends = {} if fires else {"endsAt": datetime.now(UTC).isoformat()}
    ask(server, "POST", "/alerts", [{"labels": {"alertname": "OutriderWatchdog", **labels}, **ends}])


async def until(condition, seconds=ANSWER_SECONDS):
    """Waits until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.fixture
async def view(server):
    """A view of it, and what it knows; looks ten times a second."""
    known, standby = Silences(), Standby(time.monotonic(), patience=1.0)
    api = AlertmanagerApi(AlertmanagerOptions(urls=(Url(server.url),)))
    made = AlertmanagerView(api, known, lambda: OURS, lambda: standby, pace=QUICK)
    made.known, made.standby = known, standby
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.wait({task})
    await made.aclose()


def hour(*matchers):
    """A silence for the next hour."""
    return silence(*matchers, starts=time.time(), ends=time.time() + 3600)


async def test_made_and_ended_in_alertmanager(server, view):
    """What is asked of the agent stands in Alertmanager, with who and why, and is in force here at once."""
    made = await view.ask(hour("slo=orders", 'team!~"pay.*"'), time.time())
    (there,) = ask(server, "GET", "/silences")
    assert (there["id"], there["createdBy"], there["comment"]) == (made.id, "alice", "upgrade")
    assert sorted((each["name"], each["isRegex"], each["isEqual"]) for each in there["matchers"]) == [
        ("slo", False, True),
        ("team", True, False),
    ]
    assert view.known.matching({"slo": "orders"}, time.time()).id == made.id
    assert (await view.end(made.id, time.time())).id == made.id
    assert ask(server, "GET", "/silences")[0]["status"]["state"] == "expired"
    assert view.known.every(time.time()) == ()
    assert await view.end(made.id, time.time()) is None


async def test_those_made_there_are_kept_to(server, view, caplog):
    """As far as they may concern this agent; one that cannot be understood is told, once, and left to Alertmanager."""
    made_there(server, service="other")
    made_there(server, slo_="(or)+ders")
    ours = made_there(server, service="shop", slo_="ord.*")["silenceID"]
    await until(lambda: view.known.every(time.time()))
    assert [each.id for each in view.known.every(time.time())] == [ours]
    assert (await view.end(ours, time.time())).by == "bob"
    await until(lambda: not view.known.every(time.time()))
    told = [record.getMessage() for record in caplog.records if "kept to by Alertmanager alone" in record.getMessage()]
    assert len(told) == 1
    assert "matcher slo repeats a group" in told[0]


async def test_while_alertmanager_is_away(server, view, caplog):
    """The last list is believed, a new silence is refused in words, and the trouble is told once."""
    caplog.set_level(logging.INFO)
    made = await view.ask(hour("slo=orders"), time.time())
    server.close()
    await until(lambda: "silences are not known" in caplog.text)
    with pytest.raises(Unreachable, match="silences live in Alertmanager, and it made none: http://127.0.0.1"):
        await view.ask(hour("slo=cart"), time.time())
    with pytest.raises(Unreachable, match="none was ended"):
        await view.end(made.id, time.time())
    assert view.known.matching({"slo": "orders"}, time.time()).id == made.id
    assert caplog.text.count("silences are not known") == 1


async def test_quiet_while_it_lists_the_watchdog(server, view):
    """Of our environment; it ends when Alertmanager says that it is gone, and when nobody answers."""
    watchdog(server, env="test")
    await until(lambda: view.standby.looked)
    assert not view.standby.quiet(time.monotonic())
    watchdog(server, env="prod")
    await until(lambda: view.standby.quiet(time.monotonic()))
    made_there(server, alertname="OutriderWatchdog")
    watchdog(server, env="prod", fires=False)
    await until(lambda: not view.standby.quiet(time.monotonic()))
    watchdog(server, env="prod")
    await until(lambda: view.standby.quiet(time.monotonic()))
    server.close()
    await until(lambda: not view.standby.quiet(time.monotonic()))


class Calling(Ruled):
    """A Prometheus of `prod` with the rules of `outrider slo rules`, which tells an Alertmanager."""

    def __init__(self, alertmanager):
        super().__init__({})
        self._target = alertmanager.url.partition("://")[2]

    def _prepare(self):
        super()._prepare()
        file = self.folder / "prometheus.yml"
        config = json.loads(file.read_text())
        config["global"]["external_labels"] = {"environment": "prod"}
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [self._target]}]}]}
        file.write_text(json.dumps(config))

    def _command(self):
        # It finds its Alertmanagers after five seconds, and says again what was lost until then.
        return [*super()._command(), "--rules.alert.resend-delay=500ms"]


@needs("prometheus")
async def test_quiet_while_a_real_prometheus_calls(server, view):
    """The generated rule, sent by Prometheus, is what is looked for; its environment is an external label."""
    with Calling(server):
        await until(lambda: view.standby.looked and view.standby.quiet(time.monotonic()), 30)
    (found,) = ask(server, "GET", "/alerts")
    assert (found["labels"]["alertname"], found["labels"]["environment"]) == ("OutriderWatchdog", "prod")


def plan(server, mode="agent"):
    """Of an agent with an Alertmanager and a webhook, or with the webhook alone."""
    fleet = f"fleet: {{type: alertmanager, urls: ['{server.url}']}}," if server else ""
    receivers = f"{{{fleet} oncall: {{type: webhook, url: 'http://127.0.0.1:1/'}}}}"
    text = f"service: shop\nlabels: {{env: prod}}\nalerts: {{mode: {mode}, receivers: {receivers}}}\n"
    loaded, problems = load(text.encode(), {}, survey=survey), Problems("file")
    found = assemble(loaded.config, problems)
    problems.raise_if_any()
    return found


@pytest.fixture
async def silencing():
    """As the agent has it."""
    guard = Guard()
    made = Silencing(guard)
    yield made
    await made.aclose()
    await guard.aclose()


def stepped(silencing, *notices):
    """Who is told what, in short."""
    said = silencing.step(notices, time.time(), time.monotonic())
    return [(notice.alert.firing, notice.receivers) for notice in said]


FIRES = Notice(alert(slo="orders"), ("fleet", "oncall"))


async def test_alertmanager_hears_what_it_silences(server, silencing):
    """It shows the alert as suppressed; the others are not told until the silence is over. Each change is kept."""
    kept = []
    silencing.changed = lambda: kept.append(1)
    await silencing.configure(plan(server))
    made = await silencing.ask(hour("slo=orders"), time.time())
    assert stepped(silencing, FIRES) == [(True, ("fleet",))]
    assert stepped(silencing) == []
    await silencing.end(made.id, time.time())
    before = len(kept)
    assert stepped(silencing) == [(True, ("oncall",))]
    assert len(kept) > before


async def test_after_a_reload_without_alertmanager(server, silencing):
    """What lived there is no more, what was made here is still ended here."""
    own = await silencing.ask(hour("slo=cart"), time.time())
    await silencing.configure(plan(server))
    await silencing.ask(hour("slo=orders"), time.time())
    assert len(silencing.silences.every(time.time())) == 2
    await silencing.configure(plan(None))
    assert silencing.silences.every(time.time()) == (own,)
    assert await silencing.end(own.id, time.time()) == own


async def test_quiet_by_the_file(server, silencing, caplog):
    """`auto` is quiet while the watchdog is listed, which is told once and shown in the metrics; `agent` is not."""
    caplog.set_level(logging.INFO)
    watchdog(server, env="prod")
    await silencing.configure(plan(server, "auto"))
    assert stepped(silencing, FIRES) == []
    await until(lambda: silencing.standby.looked)
    assert stepped(silencing) == []
    assert stepped(silencing) == []
    assert dict(silencing.samples())["outrider_alerts_quiet"][0].value == 1
    await silencing.configure(plan(server))
    assert stepped(silencing) == [(True, ("fleet", "oncall"))]
    assert dict(silencing.samples())["outrider_alerts_quiet"][0].value == 0
    told = [record.getMessage() for record in caplog.records if "OutriderWatchdog" in record.getMessage()]
    assert told == ["Alertmanager lists OutriderWatchdog: Prometheus calls, and this agent is quiet"]


async def test_without_the_watchdog_it_calls(server, silencing, caplog):
    """From the first look on, and says so once."""
    await silencing.configure(plan(server, "auto"))
    assert stepped(silencing, FIRES) == []
    await until(lambda: silencing.standby.looked)
    assert stepped(silencing) == [(True, ("fleet", "oncall"))]
    assert stepped(silencing) == []
    told = [record.getMessage() for record in caplog.records if "OutriderWatchdog" in record.getMessage()]
    assert told == ["Alertmanager does not list OutriderWatchdog: this agent calls by itself"]
