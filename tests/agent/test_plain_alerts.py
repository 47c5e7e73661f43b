"""A real agent without any objective, a real server that is stopped, one that comes and goes, and a webhook."""

import itertools

import pytest

from agent.demo.servers import Valkey
from tests.agent.hostile import OK, answering, serving
from tests.running import agent

pytestmark = pytest.mark.e2e

FILE = """
defaults: {{interval: 300ms, fast_interval: 300ms, slow_interval: 300ms, timeout: 290ms, failure_threshold: 5}}
probes:
  cache: {{type: redis, url: '{cache}', runbook_url: 'https://runbooks.example/cache'}}
  moody: {{type: http, url: 'http://127.0.0.1:{moody}/', when_down: degraded}}
alerts:
  receivers: {{oncall: {{type: webhook, url: '{hook}'}}}}
  plain: {{probe_down: {{keep_firing_for: 1s}}, isolated: {{off: true}}}}
"""


def told(hook, about):
    """(what, fires, summary) of what the webhook heard about one probe."""
    heard = [(each["type"], each["data"]) for each in hook.messages]
    return [
        (what["alertname"].removeprefix("Outrider"), kind == "slo.alert.firing", what["annotations"]["summary"])
        for kind, what in heard
        if what["labels"].get("probe") == about
    ]


def test_a_server_that_is_stopped_is_told_of_once_and_one_that_flaps_once():
    """Firing and resolved of the one, with reason and runbook; a single ticket for the other; both in the API."""
    answers = itertools.cycle([OK, b"HTTP/1.1 500 No\r\n"])
    with (
        Valkey() as cache,
        answering() as hook,
        serving(lambda client: client.sendall(next(answers) + b"Content-Length: 0\r\n\r\n")) as moody,
        agent(FILE.format(cache=cache.url, moody=moody, hook=hook.url)) as one,
    ):
        one.until("/readyz/cache")
        one.wait(lambda: told(hook, "moody"), "the ticket that it flaps")
        cache.stop()
        one.wait(lambda: told(hook, "cache"), "the page")
        shown = {(each["name"], each["about"]): each["state"] for each in one.json("/api/v1/alerts")["alerts"]}
        assert shown["OutriderProbeDown", "cache"] == "firing"
        assert b'alert="OutriderProbeDown:cache"' in one.get("/metrics")[1]
        cache.start()
        one.wait(lambda: len(told(hook, "cache")) > 1, "its end")
        first = next(each["data"] for each in hook.messages if each["data"]["labels"].get("probe") == "cache")
        assert (first["severity"], first["slo"]) == ("page", "")
        assert first["annotations"]["runbook_url"] == "https://runbooks.example/cache"
        assert [each[:2] for each in told(hook, "cache")] == [("ProbeDown", True), ("ProbeDown", False)]
        assert told(hook, "cache")[0][2].startswith("bench cache is down: ")
        assert [each[:2] for each in told(hook, "moody")] == [("ProbeFlapping", True)]
