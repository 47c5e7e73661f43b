"""`outrider alerts test` sends a marked alert and its end, and says what came of it."""

import asyncio
import json
import logging
import threading

import pytest

from exporters.base import Notifier
from outrider.__main__ import main
from tests.agent.cli.test_check import write
from tests.exporters.notify.place import Place
from tests.exporters.notify.smtp import MailServer

__all__ = ["write"]


@pytest.fixture(autouse=True)
def level():
    """The command's own log level ends with it."""
    log = logging.getLogger("outrider.alerts")
    before = log.level
    yield
    log.setLevel(before)


def beside(server):
    """Starts a server of the tests in a thread with a loop of its own; gives it and a way to end it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def do(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    def end():
        do(server.__aexit__())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    do(server.__aenter__())
    return end


@pytest.fixture
def place():
    """An HTTP receiver."""
    started = Place()
    end = beside(started)
    yield started
    end()


@pytest.fixture
def mail_server():
    """An SMTP server."""
    started = MailServer()
    end = beside(started)
    yield started
    end()


def file(receivers):
    """A configuration with these receivers."""
    return f"service: shop\nlabels: {{team: payments}}\nprobes: {{}}\nalerts:\n  receivers:\n    {receivers}\n"


def hook(place, **options):
    """A webhook towards the place."""
    more = "".join(f", {key}: {value}" for key, value in options.items())
    return file(f'oncall: {{type: webhook, url: "{place.url}/h?token=s3cret"{more}}}')


def test_an_alert_and_its_end_are_sent(place, write, capsys):
    """Marked as a test, a ticket, with the file's labels; both under one key."""
    assert main(["alerts", "test", "oncall", "-c", write(hook(place))]) == 0
    firing, resolved = (json.loads(body) for _, _, body in place.got)
    assert (firing["type"], resolved["type"]) == ("slo.alert.firing", "slo.alert.resolved")
    assert firing["data"]["key"] == resolved["data"]["key"]
    assert firing["data"]["severity"] == "ticket"
    assert firing["data"]["labels"] == {
        "team": "payments",
        "alertname": "OutriderTest",
        "service": "shop",
        "severity": "ticket",
    }
    assert firing["data"]["annotations"]["summary"] == "[TEST] shop: receiver oncall is being tried"
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("oncall (webhook) took the alert in ")
    assert second.startswith("oncall (webhook) took its end in ")


@pytest.mark.parametrize(
    ("status", "said"),
    [(403, "auth: it answered 403: no way (after "), (503, "server: it answered 503: no way (after ")],
)
def test_a_refusal_is_1_and_told(place, write, capsys, status, said):
    """With the reason, whether the agent would try again, without the URL's secret; the end is not sent then."""
    place.answer(status, "no way")
    assert main(["alerts", "test", "oncall", "-c", write(hook(place))]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert f"oncall (webhook) did not take the alert: {said}" in first
    assert ("would not try again" in second) == (status == 403)
    assert "s3cret" not in first + second
    assert len(place.got) == 1


def test_an_end_that_is_not_taken_is_1(place, write, capsys):
    """Somebody would be left with an alert."""
    place.answer(204)
    place.answer(400)
    assert main(["alerts", "test", "oncall", "-c", write(hook(place))]) == 1
    assert "did not take its end: refused: it answered 400" in capsys.readouterr().out


def test_json_tells_the_same(place, write, capsys):
    """For scripts."""
    place.answer(204)
    place.answer(503)
    assert main(["alerts", "test", "oncall", "--json", "-c", write(hook(place))]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {key: told[key] for key in ("receiver", "type", "taken", "ends_by_itself")} == {
        "receiver": "oncall",
        "type": "webhook",
        "taken": False,
        "ends_by_itself": False,
    }
    first, second = told["attempts"]
    assert (first["event"], first["taken"], first["error"], first["retryable"]) == ("firing", True, None, None)
    assert (second["event"], second["taken"], second["retryable"]) == ("resolved", False, True)
    assert second["error"] == "server: it answered 503"


def test_a_lease_ends_by_itself(place, write, capsys):
    """Alertmanager is told once, and a person why there is no end."""
    assert main(["alerts", "test", "am", "-c", write(file(f"am: {{type: alertmanager, urls: [{place.url}]}}"))]) == 0
    ((path, _, body),) = place.got
    assert path == "/api/v2/alerts"
    assert json.loads(body)[0]["labels"]["alertname"] == "OutriderTest"
    assert "it ends by itself" in capsys.readouterr().out


def test_mail_is_tested_too(mail_server, write, capsys):
    """Two mails of one thread, from the receiver as it is written."""
    receiver = f"team: {{type: email, host: 127.0.0.1:{mail_server.port}, encryption: none, from: a@b, to: [c@d]}}"
    assert main(["alerts", "test", "team", "-c", write(file(receiver))]) == 0
    firing, resolved = (got.mail for got in mail_server.got)
    assert firing["Subject"] == "[FIRING] [TEST] shop: receiver team is being tried"
    assert resolved["Subject"] == "[RESOLVED] [TEST] shop: receiver team is being tried"
    assert firing["References"] == resolved["References"]


def test_a_receiver_in_the_log_is_shown(write, capsys, caplog):
    """Its lines are the answer."""
    assert main(["alerts", "test", "log", "-c", write(file("log: {type: log}"))]) == 0
    said = [record.getMessage() for record in caplog.records if record.name == "outrider.alerts"]
    assert said == [
        f"alert {word} (ticket): [TEST] shop: receiver log is being tried" for word in ("firing", "resolved")
    ]


class Broken(Notifier):
    """Somebody's plug-in with a bug."""

    async def notify(self, alerts):
        raise KeyError("oh\nno")


class Unmakeable(Notifier):
    """One that cannot even be made."""

    def __init__(self, options):
        raise RuntimeError("no")

    async def notify(self, alerts):
        raise AssertionError


def test_a_broken_plug_in_is_told_without_a_traceback(write, capsys):
    """By the error it raised, on one line."""
    assert main(["alerts", "test", "own", "-c", write(file(f"own: {{type: '{__name__}:Broken'}}"))]) == 1
    assert "did not take the alert: the notifier broke: KeyError: 'oh\\nno'" in capsys.readouterr().out


def test_one_that_cannot_be_made_is_78(write, capsys):
    """As at the start of the agent."""
    assert main(["alerts", "test", "own", "-c", write(file(f"own: {{type: '{__name__}:Unmakeable'}}"))]) == 78
    assert "alerts.receivers.own: cannot be made: RuntimeError: no" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "receivers", "said"),
    [("oncal", "oncall: {type: log}", "did you mean `oncall`"), ("x", "{}", "there are no receivers in the file")],
)
def test_an_unknown_receiver_is_64(write, capsys, name, receivers, said):
    """With what was probably meant."""
    assert main(["alerts", "test", name, "-c", write(file(receivers))]) == 64
    assert said in capsys.readouterr().err


def test_a_bad_file_is_78(write, capsys):
    """With all that is wrong with it; nothing is sent."""
    assert main(["alerts", "test", "a", "-c", write(file("a: {type: email, host: mail.example, from: a@b}"))]) == 78
    assert "alerts.receivers.a" in capsys.readouterr().err
