"""How the chart lets replicas find each other, and what it says of a termination that is too short."""

import helm_python
import pytest
import yaml

from tests.helm.engine import objects, of_kind, outrider, pod, service, templates, values_of

SHARED = {"probes": {"db": {"type": "redis", "url": "redis://cache", "shared": True}}}
APP = {"app": {"image": "registry.example/checkout:1"}}
PEERS = "checkout-outrider-peers"
TOKEN = "${file:/run/secrets/outrider-peers/token}"


def readiness(values):
    """The section of the file that the chart writes."""
    file = yaml.safe_load(of_kind(objects(values), "ConfigMap")["data"]["outrider.yaml"])
    return file.get("readiness")


def notes(values):
    """What a person reads after the install."""
    return templates(values)["outrider/templates/NOTES.txt"]


def test_the_service_names_every_replica_ready_or_not():
    """Headless, unready ones too: a replica that is out must still be heard. By number, whatever the Pod calls it."""
    spec = service(objects(values_of("peers")), PEERS)["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert spec["ports"] == [{"name": "peers", "port": 9740, "targetPort": 9740, "protocol": "TCP"}]
    assert spec["ipFamilyPolicy"] == "PreferDualStack"


def test_a_service_monitor_scrapes_nobody_twice():
    """It selects both Services by their labels, so only one may have the port that it names."""
    found = objects({**APP, "config": SHARED, "serviceMonitor": {"enabled": True}})
    (wanted,) = of_kind(found, "ServiceMonitor")["spec"]["endpoints"]
    having = [
        name
        for (kind, name), one in found.items()
        if kind == "Service" and wanted["port"] in {port["name"] for port in one["spec"]["ports"]}
    ]
    assert having == ["checkout-outrider"]


@pytest.mark.parametrize(
    ("values", "rendered"),
    [
        ({}, False),
        ({"config": {"probes": {"me": {"type": "memory"}}}}, False),
        ({"config": SHARED}, True),
        ({**APP, "config": SHARED}, True),
        ({"config": {"defaults": {"shared": True}, "probes": {"me": {"type": "memory"}}}}, True),
        ({"config": {"defaults": {"shared": True}, "probes": {"me": {"type": "memory", "shared": False}}}}, False),
        ({"config": {**SHARED, "readiness": {"peers": {"urls": ["http://10.0.0.2:9740"]}}}}, False),
        ({"config": SHARED, "peers": {"enabled": False}}, False),
        ({"config": SHARED, "deployment": {"enabled": False}}, False),
        ({"config": SHARED, "deployment": {"enabled": False}, "peers": {"selector": {"app": "shop"}}}, True),
        ({"existingConfigMap": "theirs"}, False),
        ({"existingConfigMap": "theirs", "peers": {"enabled": True}}, True),
        ({"peers": {"enabled": True}}, True),
        ({"config": {**SHARED, "readiness": None}}, True),
        ({"config": {"readiness": None, "defaults": None, "probes": None, "listen": None}}, False),
    ],
)
def test_auto_renders_it_where_it_is_of_use(values, rendered):
    """With a shared probe, known Pods and no other way; and the file and the Service always come together."""
    found = objects(values)
    assert (("Service", PEERS) in found) == rendered
    if "existingConfigMap" not in values:
        assert ((readiness(values) or {}).get("peers") or {}).get("dns") == (PEERS if rendered else None)


def test_what_the_user_wrote_of_peers_stays():
    """Their keys are kept beside the name and the token that the chart knows."""
    values = {"config": {**SHARED, "readiness": {"drain": "20s", "peers": {"refresh": "5s"}}}}
    assert readiness(values) == {"drain": "20s", "peers": {"refresh": "5s", "dns": PEERS}}
    urls = {"config": {"readiness": {"peers": {"urls": ["http://a:1"]}}}, "peers": {"existingSecret": "tokens"}}
    assert readiness(urls) == {"peers": {"urls": ["http://a:1"], "token": TOKEN}}


def test_the_token_is_a_file_that_the_file_names():
    """Mounted from their Secret under one name whatever its key, so that a rotation is seen without a restart."""
    found = objects(values_of("peers"))
    (volume,) = (one for one in pod(found)["volumes"] if one["name"] == "outrider-peers")
    assert volume["secret"]["secretName"] == "checkout-peers"
    assert volume["secret"]["items"] == [{"key": "peers-token", "path": "token"}]
    (mount,) = (one for one in outrider(pod(found))["volumeMounts"] if one["name"] == "outrider-peers")
    assert TOKEN == f"${{file:{mount['mountPath']}/token}}" == readiness(values_of("peers"))["peers"]["token"]
    assert "subPath" not in mount


def test_labels_of_their_own_pods_may_be_template_text():
    """A parent chart's labels often hold the release's name."""
    values = {"config": SHARED, "deployment": {"enabled": False}}
    values["peers"] = {"selector": {"app.kubernetes.io/instance": "{{ .Release.Name }}"}}
    assert service(objects(values), PEERS)["spec"]["selector"] == {"app.kubernetes.io/instance": "checkout"}


@pytest.mark.parametrize("name", ["a" * 60, "outrider"])
def test_the_name_fits_kubernetes(name):
    """At most 63 characters, and the file names the same."""
    found = objects({"config": SHARED}, name=name)
    (peers,) = (own for kind, own in found if kind == "Service" and own.endswith("-peers"))
    assert len(peers) <= 63
    assert f"dns: {peers}\n" in of_kind(found, "ConfigMap")["data"]["outrider.yaml"]


def test_ports_of_balancers_are_named():
    """The listeners that the file opens can be referred to by name; those on sockets have no port."""
    ports = {port["name"]: port["containerPort"] for port in outrider(pod(objects(values_of("peers"))))["ports"]}
    assert ports == {"outrider": 9740, "agent-check": 9742, "grpc-health": 9743}
    socket = {"config": {"listen": {"grpc_health": "unix:/tmp/grpc9", "agent_check": None}}}
    assert [port["name"] for port in outrider(pod(objects(socket)))["ports"]] == ["outrider"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"peers": {"enabled": True}, "deployment": {"enabled": False}}, "labels of your own Pods"),
        (
            {"peers": {"enabled": True}, "config": {"readiness": {"peers": {"redis": "redis://r"}}}},
            "readiness.peers.redis is set; keep one",
        ),
    ],
)
def test_peers_that_cannot_be_are_refused_with_advice(values, said):
    """Asked for outright, it must not be left out silently."""
    with pytest.raises(helm_python.HelmRenderError, match=said):
        objects(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"config": SHARED}, "headless Service checkout-outrider-peers."),
        ({"existingConfigMap": "theirs", "peers": {"enabled": True}}, "peers, once theirs says"),
        ({"config": SHARED, "peers": {"enabled": False}}, "WARNING: config has a shared probe"),
        ({"config": SHARED, "deployment": {"enabled": False}}, "Set peers.selector"),
    ],
)
def test_notes_tell_how_replicas_find_each_other(values, said):
    """Whoever has a shared probe and no peers hears what is missing."""
    assert said in notes(values)


@pytest.mark.parametrize(
    ("drain", "grace", "warned"),
    [
        ("15s", 45, False),
        ("15s", 25, False),
        ("15s", 24, True),
        (None, 24, True),
        ("1m30s", 99, True),
        ("1m30s", 100, False),
        ("500ms", 11, False),
        ("0s", 9, True),
        ("${DRAIN}", 1, False),
    ],
)
def test_a_grace_period_that_is_too_short_is_told(drain, grace, warned):
    """The kubelet would kill Outrider with spans still waiting; a drain behind a variable is not guessed at."""
    values = {"config": {"readiness": {"drain": drain}} if drain else {}, "terminationGracePeriodSeconds": grace}
    assert ("WARNING: terminationGracePeriodSeconds" in notes(values)) == warned
