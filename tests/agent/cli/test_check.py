"""`outrider check` explains and warns."""

import json

import pytest

from outrider.__main__ import main

WHOLE = """
service: checkout
readiness: {drain: 20s}
probes:
  app: {type: http, url: "http://127.0.0.1:8000/healthz", interval: 5s}
  orders-db:
    type: postgres
    dsn: postgres://shop:s3cret@db.internal/orders
    degraded_above: {connections_used: 80%, replication_lag: 10s, deadlocks: 5/min}
    slo: 99.9%
  cache: {type: redis, url: "redis://cache", shared: true}
  side: {type: http, url: "http://127.0.0.1:9", when_down: ignore}
traces: {forward: {gateway: {endpoint: "http://gateway:4318"}}}
alerts:
  receivers: {hook: {type: webhook, url: "http://hook/x"}}
  routes: [{match: {severity: page}, to: [hook]}]
heartbeat: {url: https://hc-ping.com/s3cret}
"""


@pytest.fixture
def write(tmp_path):
    """Writes a file and gives its path."""

    def written(text):
        file = tmp_path / "outrider.yaml"
        file.write_text(text)
        return str(file)

    return written


def test_explains_in_sentences(write, capsys):
    """Cadence, thresholds in their units, what being down means, the SLO in minutes, where alerts go."""
    assert main(["check", "-c", write(WHOLE)]) == 0
    said = capsys.readouterr().out
    for words in (
        "valid.",
        "app (http at http://127.0.0.1:8000/healthz): asked every 5s",
        "then the replica is unready.",
        "warns while connections_used is above 80 %",
        "warns while replication_lag is above 10 s",
        "degraded and stays ready, because the dependency is shared.",
        "then nothing follows for the replica.",
        "99.9% over 30d allows 43.2 minutes; an outage pages 50 s after the first of 6 bad slots",
        "forwarded to gateway",
        "Alerts with severity=page go to hook.",
        "While it judges and its alerts leave, https://hc-ping.com/*** hears of it every 1m.",
        "unready, for 20s.",
    ):
        assert words in said
    assert "s3cret" not in said


def test_warns_of_what_may_take_every_replica_out(write, capsys):
    """A dependency that is not on this machine and not shared; a shared one without peers; no state folder."""
    main(["check", "-c", write(WHOLE)])
    said = capsys.readouterr().out
    assert "warning: orders-db is not on this machine" in said
    assert "warning: cache is shared and there is no peer view" in said
    assert "warning: no `state_dir`" in said
    assert "app is not on this machine" not in said


def test_json_has_the_same(write, capsys):
    """For tools."""
    assert main(["check", "-c", write(WHOLE), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["source"].endswith("outrider.yaml")
    assert len(said["warnings"]) >= 3


def test_an_empty_file_is_explained_too(write, capsys):
    """No probes, no SLOs: said plainly."""
    assert main(["check", "-c", write("service: a\nprobes: {}\n")]) == 0
    assert "No probes: the replica is always ready." in capsys.readouterr().out


def test_objectives_without_receivers_are_warned_of(write, capsys):
    """Nobody would be called."""
    main(["check", "-c", write("service: a\nprobes: {m: {type: memory, slo: 99%}}\n")])
    assert "nobody is called" in capsys.readouterr().out


def test_a_bad_file_is_78_with_every_problem(write, capsys):
    """To standard error, one line each, beginning with its place."""
    file = write("service: a\nprobs: 1\nprobes: {x: {type: http}}\n")
    assert main(["check", "-c", file]) == 78
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{file}:") for line in lines)


def test_the_schema_needs_no_file(capsys):
    """For editors."""
    assert main(["check", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$defs"]


def test_the_environment_is_a_file_too(monkeypatch, capsys, tmp_path):
    """Without a file, what was discovered is printed as YAML, references in place of values."""
    monkeypatch.delenv("OUTRIDER_CONFIG", raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgres://shop:s3cret@db.internal/orders")
    monkeypatch.setattr("config.load.DEFAULT", tmp_path / "none.yaml")
    assert main(["check"]) == 0
    said = capsys.readouterr().out
    assert "dsn: ${DATABASE_URL}" in said
    assert "shared: true" in said
    assert "s3cret" not in said
