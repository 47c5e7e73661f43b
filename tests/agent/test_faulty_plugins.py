"""The whole agent with plug-ins that raise, hang, block and refuse to end: no verdict is theirs to spoil."""

import time
from pathlib import Path

import pytest

from agent.app import FLUSH
from tests.agent.hostile import answering
from tests.agent.spans import request
from tests.running import PATIENCE, agent

pytestmark = pytest.mark.e2e

FOLDER = Path(__file__).with_name("plugins")
BESIDES = "  me: {type: memory, of: self, interval: 700ms, timeout: 600ms}\n"


@pytest.fixture
def orders(tmp_path):
    """The file that tells a plug-in what to do."""
    path = tmp_path / "orders"
    path.write_text("")
    return path


def running(body):
    """An agent that finds the plug-ins."""
    return agent(body, env={"PYTHONPATH": str(FOLDER)})


def probes(orders, cls="Faulty", more=""):
    """A faulty probe beside a good one."""
    options = f"orders: '{orders}', interval: 700ms, timeout: 600ms, failure_threshold: 1{more}"
    return f"probes:\n{BESIDES}  bad: {{type: 'faulty:{cls}', {options}}}\n"


def metric(one, start):
    """The value of the one sample whose line starts so."""
    (line,) = [line for line in one.get("/metrics")[1].decode().splitlines() if line.startswith(start)]
    return float(line.split()[-1])


def broken(one):
    """Attempts of the faulty probe that proved nothing."""
    lines = one.get("/metrics")[1].decode().splitlines()
    return sum(float(x.split()[-1]) for x in lines if 'outcome="inconclusive"' in x and 'probe="bad"' in x)


@pytest.mark.parametrize(
    ("order", "said"),
    [("raise", "RuntimeError"), ("exit", "tried to end the process"), ("nothing", "returned NoneType")],
)
def test_a_probe_that_breaks_keeps_its_verdict(orders, order, said):
    """Whatever it raises or returns: up as before, the traceback once, nobody else concerned."""
    with running(probes(orders)) as one:
        one.until("/readyz/bad")
        one.until("/readyz/me")
        orders.write_text(order)
        one.wait(lambda: broken(one) >= 4)
        assert one.get("/readyz/bad")[0] == 200
        assert one.get("/readyz/me")[0] == 200
        one.says("Traceback")
        one.says(said)
        assert one.log.read_text().count("probe bad broke") == 1
        assert one.process.poll() is None


def test_a_probe_that_cannot_be_cancelled_is_left_behind(orders):
    """It is counted and replaced, at most three times; the others go on, and the process ends in time all the same."""
    with running(probes(orders, "Greedy", ", when_down: degraded")) as one:
        one.until("/readyz/bad")
        one.until("/readyz/me")
        orders.write_text("stay")
        one.wait(lambda: metric(one, 'outrider_probe_stuck_tasks_total{probe="bad"}') == 3)
        assert one.get("/readyz")[0] == 200
        assert one.get("/readyz/me")[0] == 200
        one.signal(15)
        assert one.ends() == 0


def test_a_probe_that_blocks_the_loop_takes_nobody_down(orders):
    """Timeouts of others while the loop stands still prove nothing; the lag is on the metrics page."""
    with answering() as good:
        app = f"  app: {{type: http, url: '{good.url}', interval: 1s, timeout: 900ms, failure_threshold: 1}}\n"
        with running(probes(orders) + app) as one:
            one.until("/readyz")
            orders.write_text("block")
            one.wait(lambda: metric(one, "outrider_event_loop_lag_seconds") > 0.9)
            deadline = time.monotonic() + 3
            while time.monotonic() < deadline:
                assert one.get("/readyz/app")[0] == 200
            orders.write_text("")
            assert "probe app is down" not in one.log.read_text()


ALERTING = """
slos:
  promise: {{objective: 99.99%, sli: {{probe: bad}}, alerts: {{min_bad: 1}}}}
alerts:
  receivers:
    hanging: {{type: 'faulty:Hanging'}}
    raising: {{type: 'faulty:Raising'}}
    cancelling: {{type: 'faulty:Cancelling'}}
    told: {{type: webhook, url: '{url}'}}
"""


def test_notifiers_that_fail_hold_up_nobody(orders):
    """One hangs, one raises, one cancels itself: the fourth is told, no verdict moves, the process ends in time."""
    with answering() as upstream, answering() as dependency:
        dependency.status = 500
        options = f"url: '{dependency.url}', interval: 700ms, timeout: 600ms, when_down: degraded"
        body = f"probes:\n{BESIDES}  bad: {{type: http, {options}}}\n{ALERTING.format(url=upstream.url)}"
        with running(body) as one:
            one.until("/readyz/me")
            one.wait(lambda: upstream.messages, "the alert")
            assert upstream.messages[0]["data"]["slo"] == "promise"
            assert one.get("/readyz")[0] == 200
            assert one.get("/readyz/me")[0] == 200
            assert metric(one, 'outrider_notifications_total{outcome="retried",receiver="raising"}') >= 1
            one.signal(15)
            one.wait(lambda: "draining" in one.log.read_text())
            one.signal(15)
            assert one.ends() == 0


def span(one):
    """Send one span as a service would."""
    import urllib.request

    url = f"http://127.0.0.1:{one.otlp}/v1/traces"
    made = urllib.request.Request(url, request(1), {"Content-Type": "application/x-protobuf"}, method="POST")
    with urllib.request.urlopen(made, timeout=30) as answer:
        return answer.status


@pytest.mark.parametrize("order", ["raise", "cancel"])
def test_a_relay_that_dies_loses_nothing(orders, tmp_path, order):
    """Its deaths are counted, no verdict moves, and the spans arrive when the sender works again."""
    taken = tmp_path / "taken"
    orders.write_text(order)
    sender = f"{{type: 'faulty:Sender', orders: '{orders}', taken: '{taken}'}}"
    body = f"traces: {{receive: {{http: '127.0.0.1:OTLP_PORT'}}, forward: {{up: {sender}}}}}\nprobes:\n{BESIDES}"
    with running(body) as one:
        one.until("/readyz")
        assert span(one) == 200
        one.wait(lambda: metric(one, 'outrider_task_restarts_total{task="relay up"}') >= 1)
        assert one.get("/readyz")[0] == 200
        assert metric(one, 'outrider_otlp_dropped_spans_total{dest="up",reason="shutdown"}') == 0
        orders.write_text("")
        one.wait(lambda: metric(one, 'outrider_otlp_delivered_spans_total{dest="up"}') == 1)
        assert taken.stat().st_size > 0


def test_a_second_signal_ends_a_flush(orders, tmp_path):
    """Spans that nobody takes hold the end up for seconds; a second signal does not wait, and the loss is told."""
    orders.write_text("raise")
    sender = f"{{type: 'faulty:Sender', orders: '{orders}', taken: '{tmp_path}/taken'}}"
    body = f"traces: {{receive: {{http: '127.0.0.1:OTLP_PORT'}}, forward: {{up: {sender}}}}}\nprobes:\n{BESIDES}"
    with running(body) as one:
        one.until("/readyz")
        assert span(one) == 200
        one.signal(15)
        one.wait(lambda: "draining" in one.log.read_text())
        began = time.monotonic()
        one.signal(15)
        assert one.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < FLUSH
        assert "dropped 1, kept on disk 0" in one.log.read_text()


def test_a_plugin_that_cannot_be_made_is_one_line(orders):
    """On reload it is refused before anything is touched: the old configuration goes on as a whole."""
    with running(probes(orders)) as one:
        one.until("/readyz/me")
        good = one.file.read_text()
        one.file.write_text(good.replace("me:", "you:") + "alerts: {receivers: {x: {type: 'faulty:Unmade'}}}\n")
        assert one.post("/api/v1/reload")[0] == 422
        assert one.get("/readyz/me")[0] == 200
        assert one.get("/readyz/you")[0] == 404
        one.file.write_text(good.replace("me:", "you:"))
        one.until("/readyz/you")
        assert "Traceback" not in one.log.read_text()
