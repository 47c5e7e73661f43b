"""Metric names on the pages are those that exist, and queries mean what they say."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from exporters.blackbox import NAMES
from tests.docs.pages import DOCS, PAGES, blocks, name
from tests.docs.tables import BEGIN, END, families, generated

PAGE = DOCS / "metrics.md"
_NAME = re.compile(r"\b(outrider_[a-z0-9_]*[a-z0-9])(?![a-z0-9_]*[A-Z])(_?\*)?")
_SELECTOR = re.compile(r"(outrider_[a-z0-9_]+)\{([^}]*)\}")
QUERIES = [line for block in blocks(PAGE) if block.language == "promql" for line in block.text.splitlines()]
needs_promtool = pytest.mark.skipif(
    not os.environ.get("CI") and shutil.which("promtool") is None, reason="promtool is not installed"
)


def _exists(metric):
    known = families()
    stem = re.sub(r"_(bucket|count|sum)$", "", metric)
    return metric in known or (stem in known and known[stem].kind == "histogram")


def test_the_page_is_what_the_contract_says():
    """A metric that is not on the page does not exist for a reader (REGENERATE=1 writes the part anew)."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    if os.environ.get("REGENERATE"):
        PAGE.write_text(before + generated() + after)
    assert PAGE.read_text() == before + generated() + after


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_metric_that_is_mentioned_exists(page):
    """A query with a name that nobody exports is silent for ever."""
    for metric, more in _NAME.findall(page.read_text()):
        if more:
            assert any(known.startswith(metric) for known in families()), metric
        else:
            assert _exists(metric), metric


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_label_that_is_mentioned_exists(page):
    """The same for labels in braces."""
    for metric, labels in _SELECTOR.findall(page.read_text()):
        stem = re.sub(r"_(bucket|count|sum)$", "", metric)
        known = {*families()[metric if metric in families() else stem].labels, "le"}
        used = {label.partition("=")[0].strip(" ~!") for label in re.sub(r'"[^"]*"', "", labels).split(",")}
        assert metric == "outrider_info" or used <= known, metric


def test_names_of_blackbox_are_all_told():
    """Whoever switches them on knows what comes."""
    told = set(re.findall(r"`(probe_[a-z_]+)`", PAGE.read_text()))
    assert {family.name for family in NAMES.values()} <= told


# What is in Prometheus, a part of the query's text, and what it answers.
MEANT = {
    "failed": (
        """
        outrider_probe_attempts_total{probe='db',outcome='pass'} 0+3x60
        outrider_probe_attempts_total{probe='db',outcome='fail'} 0+1x60
        """,
        'outcome="fail"}[5m])) /',
        [("{probe='db'}", 0.25)],
    ),
    "burns": (
        """
        outrider_slo_events_total{service='s',slo='bad',pod='1'} 0+6x60
        outrider_slo_bad_events_total{service='s',slo='bad',pod='1'} 0+3x60
        outrider_slo_alert_factor{service='s',slo='bad',pair='page-quick'} 14.4x60
        outrider_slo_objective_ratio{service='s',slo='bad'} 0.999x60
        outrider_slo_events_total{service='s',slo='good',pod='1'} 0+6x60
        outrider_slo_bad_events_total{service='s',slo='good',pod='1'} 0x60
        outrider_slo_alert_factor{service='s',slo='good',pair='page-quick'} 14.4x60
        outrider_slo_objective_ratio{service='s',slo='good'} 0.999x60
        """,
        "outrider_slo_bad_events_total[1h]",
        [("{service='s', slo='bad'}", 0.5)],
    ),
    "lost": (
        """
        outrider_otlp_dropped_spans_total{dest='gateway',reason='shutdown'} 0+6x60
        outrider_otlp_rejected_upstream_spans_total{dest='gateway',reason='invalid'} 0+4x60
        """,
        "outrider_otlp_dropped_spans_total",
        [("{dest='gateway'}", 600)],
    ),
}


@needs_promtool
def test_queries_are_promql(tmp_path):
    """Prometheus itself parses every line of the page."""
    rules = [{"record": f"page:line{number}", "expr": query} for number, query in enumerate(QUERIES)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(QUERIES) >= 8


@needs_promtool
def test_queries_mean_what_they_say(tmp_path):
    """Prometheus evaluates them over series whose answer is known."""
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [_unit_test(*meant) for meant in MEANT.values()]}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _unit_test(series, part, answer):
    """As promtool wants it, after an hour of one sample a minute."""
    (query,) = (query for query in QUERIES if part in query)
    pairs = (line.strip().split(" ", 1) for line in series.strip().splitlines())
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in pairs],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "1h",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in answer],
            }
        ],
    }
