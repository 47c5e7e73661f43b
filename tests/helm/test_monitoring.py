"""The rules and dashboards that the chart brings are those that Outrider writes."""

import base64
import gzip
import json
import os

import pytest
import yaml

from agent.generate.boards import BOARDS
from agent.generate.dashboard import text
from agent.generate.rules import rules
from tests.helm.engine import CHART, objects, of_kind, templates, values_of

FILES = {"outrider-rules.yaml": rules} | {
    f"dashboards/{name}.json": lambda board=board: text(board) for name, board in BOARDS.items()
}
RULE = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}  # of prometheus-operator 0.64


def dashboards(found):
    """The ConfigMaps of dashboards, by the file in each."""
    maps = [one for (kind, name), one in found.items() if kind == "ConfigMap" and "-dashboard-" in name]
    return {file: (one, written) for one in maps for file, written in one["data"].items()}


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_what_the_commands_print(name):
    """Changed only together with the code (REGENERATE=1 rewrites them)."""
    file = CHART / "files" / name
    if os.environ.get("REGENERATE"):
        file.write_text(FILES[name]())
    assert file.read_text() == FILES[name]()


def test_no_other_file_is_shipped():
    """A dashboard that is gone from the code is gone from the chart."""
    assert {str(path.relative_to(CHART / "files")) for path in (CHART / "files").rglob("*.*")} == set(FILES)


def test_the_rule_object_is_the_rule_file():
    """Templates of Prometheus in it are left as they are, and the operator knows every key."""
    rule = of_kind(objects(values_of("dashboards")), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(rules())
    assert rule["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    for group in rule["spec"]["groups"]:
        assert set(group) == {"name", "interval", "rules"} or set(group) == {"name", "rules"}
        assert all(set(each) <= RULE for each in group["rules"])


def test_a_dashboard_is_found_by_the_sidecar_of_grafana():
    """Each is a ConfigMap with the label that it looks for and the folder it goes to, to the byte what is generated."""
    found = dashboards(objects(values_of("dashboards")))
    assert set(found) == {f"outrider-{name}.json" for name in BOARDS}
    for name, board in BOARDS.items():
        one, written = found[f"outrider-{name}.json"]
        assert written == text(board)
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert one["metadata"]["annotations"] == {"grafana_folder": "Outrider"}
    assert len({json.loads(written)["uid"] for _, written in found.values()}) == len(BOARDS)


def test_another_sidecar_looks_for_another_label():
    """The values decide it, for whoever renamed the label."""
    values = {"dashboards": {"enabled": True, "labels": {"grafana_dashboard": None, "board": "yes"}}}
    labels = [one["metadata"]["labels"] for one, _ in dashboards(objects(values)).values()]
    assert all(each["board"] == "yes" and "grafana_dashboard" not in each for each in labels)


def test_neither_is_there_unless_asked_for():
    """One release brings them for all; the others must not repeat them."""
    kinds = {kind for kind, _ in objects(values_of("app"))}
    assert "PrometheusRule" not in kinds
    assert dashboards(objects(values_of("app"))) == {}


def test_a_service_monitor_leaves_our_labels_alone():
    """The label `service`, by which rules and boards find everything, is not renamed to `exported_service`."""
    (endpoint,) = of_kind(objects({"serviceMonitor": {"enabled": True}}), "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["honorLabels"] is True


@pytest.mark.parametrize("name", ["checkout", "a" * 60, "a" * 44 + "-b"])
def test_names_stay_within_limits(name):
    """Whatever the release is called, and also as a part of another chart without a Deployment."""
    found = objects({**values_of("dashboards"), "deployment": {"enabled": False}}, name=name)
    assert len(dashboards(found)) == len(BOARDS)
    assert all(len(own) <= 63 and "--" not in own for _, own in found)


def test_a_release_stays_far_below_what_kubernetes_keeps():
    """Helm keeps chart and manifests, compressed, in one Secret of at most 1 MiB."""
    shipped = [path.read_bytes() for path in CHART.rglob("*.*") if path.is_file()]
    rendered = "".join(templates(values_of("dashboards")).values()).encode()
    kept = base64.b64encode(gzip.compress(base64.b64encode(b"".join(shipped)) + rendered))
    assert len(base64.b64encode(kept)) < 512 * 1024
    assert all(len(written) < 256 * 1024 for _, written in dashboards(objects(values_of("dashboards"))).values())
