"""Heartbeats: who may send them, and what they do to a real agent."""

import urllib.error
import urllib.request

from agent.heartbeats import Heartbeats
from config.types import Secret
from probes.beats import Word
from tests.running import agent

FILE = """
probes:
  backup: {type: heartbeat, every: 1h, token: SECRET, interval: 1s, when_down: unready}
"""


def test_only_the_token_of_the_probe_opens():
    """Neither another probe's token, nor none, nor any for a name that is not there."""
    beats = Heartbeats()
    beats.configure({"backup": Secret("one"), "report": Secret("two")})
    assert beats.accepts("backup", "Bearer one")
    for name, header in [
        ("backup", "Bearer two"),
        ("backup", None),
        ("backup", ""),
        ("nope", "Bearer one"),
        ("nope", None),
    ]:
        assert not beats.accepts(name, header)


def test_both_tokens_open_during_a_rotation():
    """The one before is good for a while after a reload."""
    now = 1000.0
    beats = Heartbeats(clock=lambda: now)
    beats.configure({"backup": Secret("old")})
    beats.configure({"backup": Secret("new")})
    assert beats.accepts("backup", "Bearer old")
    assert beats.accepts("backup", "Bearer new")
    now += 3600
    assert not beats.accepts("backup", "Bearer old")


def test_what_was_pushed_outlives_a_reload():
    """A probe that stays keeps its heartbeats; one that left, and comes back, begins anew."""
    beats = Heartbeats()
    beats.configure({"backup": Secret("one")})
    beats.take("backup", Word.OK)
    beats.configure({"backup": Secret("one"), "report": Secret("two")})
    assert beats.of("backup").last is not None
    beats.configure({})
    assert beats.of("backup").last is None


def test_each_word_is_counted_from_0():
    """Three series a probe, there before the first heartbeat; the probe is asked at once."""
    poked = []
    beats = Heartbeats(poked.append)
    beats.configure({"backup": Secret("one")})
    beats.take("backup", Word.FAIL)
    ((name, samples),) = beats.samples()
    counted = {sample.labels: sample.value for sample in samples}
    assert name == "outrider_heartbeats_total"
    assert counted == {("backup", "ok"): 0, ("backup", "fail"): 1, ("backup", "start"): 0}
    assert poked == ["backup"]


def push(running, path, token, body=None):
    """As curl would."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"http://127.0.0.1:{running.public}/heartbeats/{path}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="POST"), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_job_moves_a_real_agent():
    """Unready before the first heartbeat, ready after it, unready when the job failed; a reload forgets nothing."""
    with agent(FILE) as running:
        running.until("/livez")
        assert running.get("/readyz")[0] == 503
        assert push(running, "backup", "wrong") == push(running, "nope", "wrong") == 401
        assert push(running, "backup/start", "SECRET") == push(running, "backup", "SECRET") == 204
        running.until("/readyz", 200)
        assert push(running, "backup/fail", "SECRET", b"disk full") == 204
        running.until("/readyz", 503)
        (probe,) = running.json("/api/v1/probes")["probes"]
        assert (probe["last"]["reason"], "disk full" in probe["last"]["detail"]) == ("reported", True)
        running.file.write_text(running.file.read_text().replace("every: 1h", "every: 2h"))
        assert running.post("/api/v1/reload")[0] == 200
        assert running.get("/readyz")[0] == 503
        assert push(running, "backup", "SECRET") == 204
        running.until("/readyz", 200)
        metrics = running.get("/metrics")[1].decode()
        assert 'outrider_heartbeats_total{probe="backup",said="ok"} 2.0' in metrics
        assert "outrider_heartbeat_age_seconds" in metrics
        assert "disk full" not in metrics
        assert "SECRET" not in running.log.read_text()
