"""The configurations that the chart and the compose file carry are ones that Outrider takes."""

from pathlib import Path

import pytest
import yaml

from agent.assemble import assemble
from config.errors import Problems
from config.load import load
from tests.helm.engine import CI_VALUES, objects, values_of

ENVIRONMENT = {"DATABASE_URL": "postgres://orders@db/orders", "REDIS_URL": "redis://cache:6379/0"}
COMPOSE = Path(__file__).parents[2] / "compose.yaml"


def planned(file):
    """The probes that would run, after every part has checked its own options."""
    problems = Problems("outrider.yaml")
    plan = assemble(file, problems)
    problems.raise_if_any()
    return set(plan.probes)


@pytest.mark.parametrize("name", CI_VALUES)
def test_the_charts_file_loads(name, tmp_path):
    """What Helm printed is read back by Outrider, the chart's bare default included."""
    text = objects(values_of(name))["ConfigMap", "checkout-outrider"]["data"]["outrider.yaml"]
    (tmp_path / "token").write_text("shared by all replicas")
    text = text.replace("/run/secrets/outrider-peers", str(tmp_path))
    file = load(text.encode(), ENVIRONMENT).config
    assert file.service in {"checkout", "storefront"}
    assert planned(file) == set(file.probes)


def test_the_compose_files_file_loads():
    """`docker compose up` starts from a file without faults."""
    text = yaml.safe_load(COMPOSE.read_text())["configs"]["outrider"]["content"]
    assert planned(load(text.encode(), {}).config) == {"app", "memory"}
