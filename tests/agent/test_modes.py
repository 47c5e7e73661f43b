"""`alerts.mode`: what an agent calls itself beside Prometheus, and how loudly it may speak."""

import pytest

from agent.assemble import assemble, survey
from agent.cli.check import explain
from config.errors import ConfigError, Problems
from config.load import load
from exporters.base import Severity

FILE = """service: shop
labels: {team: payments}
probes: {db: {type: postgres, dsn: postgres://h/x, slo: 99.9%}}
alerts:
  mode: MODE
  receivers: {fleet: {type: alertmanager, urls: [http://am:9093]}}
"""
PEERS = "readiness: {peers: {dns: shop-outrider}}\n"


def plan(mode, more=""):
    """The plan of a file with this mode."""
    loaded, problems = load(f"{FILE.replace('MODE', mode)}{more}".encode(), {}, survey=survey), Problems("file")
    made = assemble(loaded.config, problems)
    problems.raise_if_any()
    return made


@pytest.mark.parametrize("mode", ["agent", "auto"])
def test_an_agent_that_calls_pages_as_itself(mode):
    """Also where it only stands in: its alerts are those of `agent`."""
    made = plan(mode, PEERS)
    assert made.labels == {"team": "payments"}
    assert {pair.severity for pair in made.objectives[0].pairs} == {Severity.PAGE, Severity.TICKET}


def test_one_of_several_replicas_opens_tickets_at_most():
    """Where Prometheus calls; the pairs keep their names, which its rules know them by, and their factors."""
    (ours,), (plain,) = plan("fleet", PEERS).objectives, plan("agent").objectives
    assert {pair.severity for pair in ours.pairs} == {Severity.TICKET}
    assert [(pair.name, pair.factor) for pair in ours.pairs] == [(pair.name, pair.factor) for pair in plain.pairs]
    assert ours.measure == plain.measure


def test_where_prometheus_calls_alerts_are_those_of_a_replica():
    """Alertmanager inhibits them by this label; without peers a page stays one."""
    made = plan("fleet")
    assert made.labels == {"team": "payments", "view": "replica"}
    assert Severity.PAGE in {pair.severity for pair in made.objectives[0].pairs}


@pytest.mark.parametrize(
    ("mode", "said"), [("agent", ""), ("auto", "while Alertmanager lists OutriderWatchdog"), ("fleet", "view=replica")]
)
def test_check_says_who_calls(mode, said):
    """In one sentence, where it is not this agent."""
    sentences = [line for line in explain(plan(mode)) if "Prometheus calls" in line]
    assert [said in line for line in sentences] == [True] * bool(said)


def test_auto_needs_an_alertmanager():
    """The error says why, and what to write."""
    with pytest.raises(ConfigError) as caught:
        load(b"service: s\nalerts: {mode: auto, receivers: {a: {type: log}}}\n", {}, survey=survey)
    assert "alerts.mode: auto asks an Alertmanager whether Prometheus calls, and no receiver is one" in str(
        caught.value
    )
    assert "{type: alertmanager, urls: [http://alertmanager:9093]}" in str(caught.value)
