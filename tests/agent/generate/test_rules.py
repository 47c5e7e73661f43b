"""The rule file for Prometheus does what its tests say, and each of its precautions is needed."""

import re

import pytest
import yaml

from agent.alerting.plain.kinds import OF_AGENT, OF_PROBES, REFUSED
from agent.generate import rule_tests
from agent.generate.alerts import BURN
from agent.generate.rules import FILE, rules
from agent.slo.engine import SloEngine
from exporters.contract import METRICS
from tests.agent.generate.tools import generated, judged, needs, ran
from tests.agent.slo.stream import objective

SLOTH = (
    *(f"slo:sli_error:ratio_rate{window}" for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")),
    *(f"slo:{name}" for name in ("objective:ratio", "error_budget:ratio", "time_period:days")),
    *(f"slo:{name}:ratio" for name in ("current_burn_rate", "period_burn_rate", "period_error_budget_remaining")),
    "sloth_slo_info",
)


def every_rule():
    """All rules of the file, in their order."""
    return [rule for group in yaml.safe_load(rules())["groups"] for rule in group["rules"]]


@needs("promtool")
def test_promtool_finds_nothing_to_complain_about(tmp_path):
    """Every expression parses, and nothing is there twice."""
    file = tmp_path / FILE
    file.write_text(rules())
    code, said = ran("promtool", "check", "rules", "--lint=all", "--lint-fatal", file)
    assert code == 0, said


@needs("promtool")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [each["name"] for each in yaml.safe_load(rule_tests.tests())["tests"]])
def test_generated_tests_pass(name, tmp_path):
    """Prometheus itself plays the outage, the leak, the quiet night."""
    code, said = judged(tmp_path, generated(name))
    assert code == 0, said


PRECAUTIONS = {
    "keep_firing_for": ("V24", r"\n +keep_firing_for: 5m", ""),
    "what fires holds without events": ("V28", r"\nor\n *\(\n *max by \(service, slo\) \(ALERTS.*?\n *\)(?=\n)", ""),
    "three bad events": ("V02", r"> 2\.5", "> 0.5"),
    "no failures are no unknown": ("P03", r"\n *or\n *0 \* .*", ""),
    "no events are no NaN": ("P01", r" > 0\)", ")"),
}


@needs("promtool")
@pytest.mark.parametrize("name", PRECAUTIONS)
def test_each_precaution_is_needed(name, tmp_path):
    """Without it the generated test that is about it fails."""
    case, pattern, instead = PRECAUTIONS[name]
    text = rules()
    # Lines of expressions are set in alike, so that a pattern need not know how far.
    weaker = re.sub(pattern.replace(r"\nor", r"\n +or"), instead, text, flags=re.DOTALL if "ALERTS" in pattern else 0)
    assert weaker != text
    code, said = judged(tmp_path, generated(case), text=weaker)
    assert code == 1, said
    assert "FAILED" in said


@needs("promtool")
def test_a_person_reads_numbers_and_finds_the_runbook(tmp_path):
    """The texts of the alert ask Prometheus for what they tell."""
    case = generated("V09")
    del case["promql_expr_test"]
    case["alert_rule_test"] = [{"eval_time": "2h9m30s", "alertname": BURN, "exp_alerts": []}]
    _, said = judged(tmp_path, case)
    assert "checkout app: error budget burns too fast" in said
    assert "Bad in the last 5m: 100%. Burn rate over 5m: 1k; 1 spends the budget exactly. Budget left: -" in said
    assert "https://runbooks.example/app" in said


def test_names_are_those_of_sloth():
    """Dashboards made for it find their series."""
    assert set(SLOTH) <= {rule.get("record") for rule in every_rule()}


def test_every_metric_is_exported_with_those_labels():
    """A rule over a name that no agent has would be silent for ever."""
    known = {name: metric.labels for name, metric in METRICS.items()}
    asked = re.findall(r"\b(outrider_\w+)(\{[^}]*\})?", "\n".join(rule["expr"] for rule in every_rule()))
    assert len(asked) > 20
    for name, selector in asked:
        if name != "outrider_info":  # made by rule, with `service` and the file's labels
            assert set(re.findall(r"(\w+)=", selector)) <= set(known[name])


def test_pairs_are_those_of_the_agent():
    """What it exports for 30 days has the names that the rules ask for, and the factors that their tests play."""
    exported = dict(SloEngine([objective()]).samples())["outrider_slo_alert_factor"]
    factors = {sample.labels[-1]: sample.value for sample in exported}
    assert factors
    assert factors.items() <= rule_tests.FACTORS.items()


def test_nothing_of_an_objective_stands_in_the_file():
    """One file serves every service: no objective, no factor, no name."""
    text = "\n".join(rule["expr"] for rule in every_rule())
    assert not re.search(r"0\.99|14\.4|13\.44|service=\"|slo=\"", text)


def test_alerts_say_what_a_router_and_a_person_need():
    """Severity, of the rule or of the agents, and view as labels; a summary and what to do."""
    alerts = [rule for rule in every_rule() if "alert" in rule]
    plain = {kind.alert for kind in (*OF_PROBES, *OF_AGENT, REFUSED)}
    own = {BURN, "OutriderWatchdog", "OutriderAgentMissing", "OutriderAgentStale", "OutriderBlind"}
    assert {rule["alert"] for rule in alerts} == own | plain
    for rule in alerts:
        severity = rule["labels"].get("severity")
        assert severity in {"page", "ticket", "none"} or ", severity)" in rule["expr"]
        assert rule["labels"]["view"] == "fleet"
        assert {"summary", "description"} <= set(rule["annotations"])


def test_the_text_is_the_same_every_time():
    """A file under version control changes only when the rules do."""
    assert rules() == rules()
    assert rule_tests.tests() == rule_tests.tests()
