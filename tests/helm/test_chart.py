"""The chart, rendered by the real Helm engine and checked against Kubernetes' own schemas."""

import os
from pathlib import Path

import helm_python
import kubernetes_validate
import pytest
import yaml

from tests.helm.engine import CHART, CI_VALUES, objects, of_kind, outrider, pod, service, templates, values_of

GOLDEN = Path(__file__).parent / "golden" / "app.yaml"
VERSIONS = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")

EACH_VALUES = pytest.mark.parametrize("name", CI_VALUES)
APP = {"app": {"image": "registry.example/checkout:1", "ports": [{"name": "http", "containerPort": 8000}]}}


@EACH_VALUES
def test_lint_is_clean(name):
    """Helm's linter, warnings as errors, has nothing to say of any supported use."""
    report = helm_python.lint(CHART, values_of(name), strict=True, kube_version="v1.33.0")
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] >= 2] == []


@EACH_VALUES
@pytest.mark.parametrize("kube", VERSIONS)
def test_objects_fit_kubernetes_schemas(name, kube):
    """Every object is valid in every Kubernetes that has native sidecars: no unknown key, no wrong type."""
    for one in objects(values_of(name), kube=kube).values():
        if one["apiVersion"] != "monitoring.coreos.com/v1":
            kubernetes_validate.validate(one, kube, strict=True)


@EACH_VALUES
@pytest.mark.parametrize("kube", ["1.25", "1.33"])
def test_pods_fit_the_restricted_standard(name, kube):
    """A namespace that enforces Kubernetes' strictest pod security admits the Pod."""
    spec = pod(objects(values_of(name), kube=kube))
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    allowed = {"configMap", "emptyDir", "secret", "persistentVolumeClaim"}
    assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= allowed
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["runAsNonRoot"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert context.get("runAsUser", 1) != 0
        assert not any("hostPort" in port for port in container.get("ports", []))
    assert outrider(spec)["securityContext"]["readOnlyRootFilesystem"] is True


def test_golden_app():
    """What people deploy changes only on purpose (REGENERATE=1 rewrites the file)."""
    rendered = "".join(
        f"# {path}\n{text.strip()}\n" for path, text in templates(values_of("app")).items() if text.strip()
    )
    if os.environ.get("REGENERATE"):
        GOLDEN.write_text(rendered)
    assert rendered == GOLDEN.read_text()


@pytest.mark.parametrize(
    ("kube", "native", "place"),
    [
        ("1.28", "auto", "containers"),
        ("1.29", "auto", "initContainers"),
        ("1.33", "auto", "initContainers"),
        ("1.33", False, "containers"),
        ("1.28", True, "initContainers"),
    ],
)
def test_native_where_the_cluster_has_it(kube, native, place):
    """A native sidecar starts before the app and outlives it; an older cluster would refuse the field."""
    spec = pod(objects({**APP, "sidecar": {"native": native}}, kube=kube))
    (container,) = (one for one in spec[place] if one["name"] == "outrider")
    assert container.get("restartPolicy") == ("Always" if place == "initContainers" else None)
    assert len(spec["containers"]) + len(spec.get("initContainers", [])) == 2


def test_alone_without_an_app():
    """With nothing to ride beside, Outrider is the Pod's one ordinary container."""
    spec = pod(objects({}))
    assert [one["name"] for one in spec["containers"]] == ["outrider"]
    assert "initContainers" not in spec
    assert "restartPolicy" not in outrider(spec)


def test_the_kubelet_asks_outrider_about_itself_then_about_the_replica():
    """Start and life never wait for the app (that would deadlock a native sidecar); readiness is the verdict."""
    container = outrider(pod(objects(APP)))
    paths = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {one["path"] for one in paths.values()} == {"/livez", "/readyz"}
    assert paths["readinessProbe"]["path"] == "/readyz"
    assert {one["port"] for one in paths.values()} == {container["ports"][0]["name"]} == {"outrider"}
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["outrider", "drain"]
    assert container["args"] == ["run", "-c", "/etc/outrider/outrider.yaml", "--on-bad-config=last-good"]


def test_readiness_can_be_left_out():
    """Who only wants to watch first keeps the Pod's readiness as it was."""
    assert "readinessProbe" not in outrider(pod(objects(values_of("plain"))))


@pytest.mark.parametrize(
    ("values", "port"),
    [
        ({}, 9740),
        ({"config": {"listen": {"public": "*:19740"}}}, 19740),
        ({"config": {"listen": {"public": "[::]:19741"}}}, 19741),
        ({"config": {"listen": {"admin": "127.0.0.1:1"}}}, 9740),
        ({"existingConfigMap": "theirs", "port": 19742}, 19742),
    ],
)
def test_the_port_is_that_of_the_file(values, port):
    """One place decides the port: container, Service and probes follow the file."""
    found = objects(values)
    assert outrider(pod(found))["ports"][0]["containerPort"] == port
    assert service(found)["spec"]["ports"][-1]["port"] == port


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({}, []),
        ({"config": {"listen": {"admin": "127.0.0.1:19741"}}}, ["http://127.0.0.1:19741"]),
        ({"config": {"listen": {"admin": "unix:/tmp/admin"}}}, ["unix:/tmp/admin"]),
        ({"config": {"listen": {"admin": "127.0.0.1:${ADMIN_PORT}"}}}, []),
        ({"existingConfigMap": "theirs"}, []),
    ],
)
def test_the_hook_finds_the_admin_listener(values, where):
    """A drain that asks the wrong port is a termination nobody was told of; what Helm cannot see the agent has left."""
    hook = outrider(pod(objects(values)))["lifecycle"]["preStop"]
    assert hook["exec"]["command"] == ["outrider", "drain", *where]


def test_the_file_is_the_values_and_two_defaults():
    """What the user wrote is not touched; the service's name and the state folder are filled in."""
    written = {"probes": {"memory": {"type": "memory"}}}
    file = yaml.safe_load(of_kind(objects({"config": written}), "ConfigMap")["data"]["outrider.yaml"])
    assert file == {**written, "service": "checkout", "state_dir": "/var/lib/outrider"}
    own = {"service": "till", "state_dir": "/data"}
    assert yaml.safe_load(of_kind(objects({"config": own}), "ConfigMap")["data"]["outrider.yaml"]) == own


def test_every_mount_has_its_volume_and_the_state_folder_is_one():
    """The root filesystem is read-only: what Outrider writes goes to volumes."""
    spec = pod(objects(values_of("app")))
    mounts = {mount["mountPath"]: mount["name"] for mount in outrider(spec)["volumeMounts"]}
    assert set(mounts.values()) == {volume["name"] for volume in spec["volumes"]}
    assert {"/etc/outrider", "/var/lib/outrider", "/tmp", "/run/secrets/outrider"} == set(mounts)
    assert not any("subPath" in mount for mount in outrider(spec)["volumeMounts"])  # such a mount is never updated


def test_secrets_come_by_reference_only():
    """The chart names Secrets and never holds one: the ConfigMap shows `${...}` where a value would be."""
    found = objects(values_of("app"))
    assert outrider(pod(found))["envFrom"] == [{"secretRef": {"name": "checkout-outrider"}}]
    assert "${DATABASE_URL}" in of_kind(found, "ConfigMap")["data"]["outrider.yaml"]
    assert not any(kind == "Secret" for kind, _ in found)


def test_an_edit_restarts_nothing_unless_asked():
    """Outrider reloads by itself: the app must not restart because a probe was edited, nor because the chart is new."""
    one, other = ({**APP, "config": {"labels": {"team": team}}} for team in "ab")
    template = [of_kind(objects(values), "Deployment")["spec"]["template"] for values in (one, other)]
    assert template[0] == template[1]
    assert "helm.sh/chart" not in template[0]["metadata"]["labels"]
    asked = [
        of_kind(objects({**values, "restartOnConfigChange": True}), "Deployment")["spec"]["template"]
        for values in (one, other)
    ]
    assert asked[0] != asked[1]


def test_nothing_is_rendered_that_belongs_to_the_app():
    """A sidecar's chart must not isolate the app, hold back a node's drain, or give its Pods rights."""
    kinds = {kind for kind, _ in objects(APP)}
    assert kinds == {"ConfigMap", "Deployment", "Service"}
    assert pod(objects(APP))["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", ["a" * 60, "outrider", "my-outrider-shop"])
def test_names_stay_within_kubernetes_limits(name):
    """A long release name is cut at 63 without a trailing dash; a name is not said twice."""
    found = objects({**APP, "podMonitor": {"enabled": True}}, name=name)
    for (_, own), one in found.items():
        assert len(own) <= 63
        assert own[-1] != "-"
        assert all(len(value) <= 63 for value in one["metadata"]["labels"].values())
    assert "outrider-outrider" not in str(found)


def test_selectors_find_the_pods():
    """Deployment, Service and PodMonitor select what the Pod's labels say, without the versions that change."""
    found = objects(values_of("app"))
    labels = of_kind(found, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        of_kind(found, "Deployment")["spec"]["selector"]["matchLabels"],
        service(found)["spec"]["selector"],
        service(found, "checkout-outrider-peers")["spec"]["selector"],
        of_kind(found, "PodMonitor")["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
    assert of_kind(found, "PodMonitor")["metadata"]["labels"]["release"] == "kube-prometheus-stack"


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        ({}, "outrider:0.1.0"),
        ({"registry": "r.example", "tag": "9"}, "r.example/outrider:9"),
        ({"tag": "9", "digest": f"sha256:{'a' * 64}"}, f"outrider@sha256:{'a' * 64}"),
    ],
)
def test_image_reference(image, shown):
    """A digest wins over a tag, a tag over the chart's version."""
    assert outrider(pod(objects({"image": image})))["image"] == shown


def test_global_registry_wins():
    """One value moves every chart of a release to a mirror."""
    values = {"global": {"imageRegistry": "mirror.example"}, "image": {"registry": "r.example"}}
    assert outrider(pod(objects(values)))["image"] == "mirror.example/outrider:0.1.0"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"probes": {}}, "probes"),
        ({"image": {"repo": "x"}}, "repo"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"sidecar": {"native": "maybe"}}, "native"),
        ({"port": 70000}, "port"),
        ({"readinessProbe": {"path": "/x"}}, "path"),
        ({"app": {"image": "x", "name": "outrider"}}, "name"),
        ({"podLabels": {"a": 1}}, "podLabels"),
        ({"peers": {"dns": "x"}}, "dns"),
        ({"peers": {"enabled": "yes"}}, "enabled"),
        ({"service": {"ipFamilyPolicy": "DualStack"}}, "ipFamilyPolicy"),
    ],
)
def test_mistyped_values_are_refused_by_name(values, named):
    """A typo stops the install and is named, instead of being ignored."""
    with pytest.raises(helm_python.HelmValuesError, match=named):
        objects(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"config": {"labels": {}}, "existingConfigMap": "x"}, "keep one of them"),
        ({"serviceMonitor": {"enabled": True}, "service": {"enabled": False}}, "use podMonitor"),
        ({"podMonitor": {"enabled": True}, "deployment": {"enabled": False}}, "labels of your own Pods"),
    ],
)
def test_contradicting_values_are_refused_with_advice(values, said):
    """Values that exclude each other stop the install and say what would be right."""
    with pytest.raises(helm_python.HelmRenderError, match=said):
        objects(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, ["runs on its own", "WARNING: config.probes is empty", "WARNING: image.registry is empty"]),
        (APP, ["native sidecar", "deploy/checkout-outrider 9740:9740"]),
        ({**APP, "readinessProbe": {"enabled": False}}, ["does not touch the Pod's readiness"]),
        ({"deployment": {"enabled": False}}, ["ConfigMap is checkout-outrider"]),
    ],
)
def test_notes_tell_what_was_installed_and_what_is_missing(values, said):
    """After an install a person knows where to look, and is warned of what will not work."""
    notes = templates(values)["outrider/templates/NOTES.txt"]
    assert all(sentence in notes for sentence in said)
