"""The named template in somebody's own chart, through a real `file://` dependency."""

import shutil
from pathlib import Path

import helm_python
import kubernetes_validate
import pytest
import yaml

from tests.helm.engine import CHART, objects, of_kind, outrider, pod


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """The parent chart with its dependency fetched by Helm."""
    folder = tmp_path_factory.mktemp("charts")
    shutil.copytree(CHART, folder / "outrider")
    shutil.copytree(Path(__file__).parent / "parent", folder / "shop")
    helm_python.dependency_update(folder / "shop")
    return folder / "shop"


@pytest.mark.parametrize(("kube", "place"), [("1.33", "initContainers"), ("1.28", "containers")])
def test_the_sidecar_joins_their_pod(parent, kube, place):
    """Native or plain, Outrider stands where it belongs, and every volume it mounts is there."""
    found = objects({}, chart=parent, kube=kube)
    spec = pod(found)
    assert "outrider" in [one["name"] for one in spec[place]]
    container = outrider(spec)
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in spec["volumes"]}
    assert container["image"] == "registry.example/outrider:0.1.0"
    kubernetes_validate.validate(of_kind(found, "Deployment"), kube, strict=True)


def test_only_their_deployment_and_our_file_are_rendered(parent):
    """With `deployment.enabled: false` the dependency adds its ConfigMap and monitor, and no Pod of its own."""
    found = objects({}, chart=parent)
    assert {kind for kind, _ in found} == {"ConfigMap", "Deployment", "PodMonitor"}
    (volume,) = (one for one in pod(found)["volumes"] if one["name"] == "outrider-config")
    file = of_kind(found, "ConfigMap")
    assert volume["configMap"]["name"] == file["metadata"]["name"] == "checkout-outrider"
    assert yaml.safe_load(file["data"]["outrider.yaml"])["service"] == "checkout"
    assert of_kind(found, "PodMonitor")["spec"]["selector"]["matchLabels"] == {"app": "shop"}


def test_their_pods_find_each_other_once_their_labels_are_said(parent):
    """The dependency cannot know the labels; with them it brings the headless Service, and the file names it."""
    shared = {"db": {"type": "redis", "url": "redis://cache", "shared": True}}
    values = {"outrider": {"config": {"probes": shared}, "peers": {"selector": {"app": "shop"}}}}
    found = objects(values, chart=parent)
    peers = of_kind(found, "Service")
    labels = of_kind(found, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert peers["spec"]["selector"].items() <= labels.items()
    file = yaml.safe_load(of_kind(found, "ConfigMap")["data"]["outrider.yaml"])
    assert file["readiness"]["peers"] == {"dns": peers["metadata"]["name"]}


def test_global_values_reach_the_dependency(parent):
    """The schema's closed top level leaves room for what every parent hands down."""
    found = objects({"global": {"imageRegistry": "mirror.example", "other": 1}}, chart=parent)
    assert outrider(pod(found))["image"].startswith("mirror.example/")


def test_a_typo_below_the_dependency_is_refused(parent):
    """Values for the dependency are checked by its own schema."""
    with pytest.raises(helm_python.HelmValuesError, match="confg"):
        objects({"outrider": {"confg": {}}}, chart=parent)
