"""What the chart does for spans: who may send them, what they are told of their Pod, and where they wait."""

import pytest

from agent.relay.detect import detect
from tests.helm.engine import objects, outrider, pod, templates

APP = {"app": {"image": "registry.example/checkout:1", "name": "checkout"}}
FORWARD = {"gateway": {"endpoint": "http://otel-gateway:4318"}}


def with_traces(**traces):
    """Values of an app whose spans are carried."""
    return {**APP, "config": {"traces": {"forward": FORWARD, **traces}}}


def notes(values):
    """What a person reads after the install, each sentence on one line."""
    return templates(values)["outrider/templates/NOTES.txt"]


@pytest.mark.parametrize(
    ("receive", "ports"),
    [
        ({}, {}),
        ({"http": "127.0.0.1:4318", "grpc": "localhost:4317"}, {}),
        ({"http": "unix:/tmp/otlp-4318", "grpc": "[::1]:4317"}, {}),
        ({"http": "${OTLP}"}, {}),
        ({"http": "*:4318", "grpc": "0.0.0.0:14317"}, {"otlp-http": 4318, "otlp-grpc": 14317}),
        ({"grpc": "[::]:4317"}, {"otlp-grpc": 4317}),
    ],
)
def test_a_port_is_named_where_others_may_send(receive, ports):
    """On loopback, where the app sends, there is nothing to name; what is open to others is a port of the Pod."""
    found = outrider(pod(objects(with_traces(receive=receive))))["ports"]
    assert {one["name"]: one["containerPort"] for one in found if one["name"].startswith("otlp")} == ports


def test_spans_can_be_told_of_their_pod():
    """The variables are those that `detect_resource` reads, and each comes from the field of that name."""
    variables = {one["name"]: one for one in outrider(pod(objects(APP)))["env"]}
    fields = {
        name: one["valueFrom"]["fieldRef"]["fieldPath"] if "valueFrom" in one else one["value"]
        for name, one in variables.items()
    }
    assert detect(fields) == {
        "k8s.pod.name": "metadata.name",
        "k8s.pod.uid": "metadata.uid",
        "k8s.namespace.name": "metadata.namespace",
        "k8s.node.name": "spec.nodeName",
        "k8s.container.name": "checkout",
        "service.instance.id": "metadata.namespace.metadata.name.checkout",
    }


def test_the_apps_container_is_only_named_where_it_is_known():
    """In somebody's own chart, or alone, it would be a guess."""
    assert "K8S_CONTAINER_NAME" not in {one["name"] for one in outrider(pod(objects({})))["env"]}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (with_traces(), "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 in the app"),
        (with_traces(receive={"http": "127.0.0.1:14318"}), "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14318"),
        (with_traces(), "on the Pod's disk: it outlives a restart of the container, and is lost with the Pod"),
        (with_traces(durability="memory"), "in memory, and is lost with the container"),
        (
            {**with_traces(), "stateVolume": {"persistentVolumeClaim": {"claimName": "x"}}},
            "in your volume, and outlives the Pod",
        ),
        ({**with_traces(), "stateVolume": {"ephemeral": {}}}, "is lost with the Pod"),
    ],
)
def test_notes_say_where_spans_go_and_wait(values, said):
    """What the app must be told, and what a deleted Pod takes with it."""
    assert said in notes(values)


@pytest.mark.parametrize("values", [{}, with_traces(receive={"http": "unix:/tmp/otlp.sock"})])
def test_notes_name_no_address_where_there_is_none(values):
    """Without traces, or on a socket."""
    assert "OTEL_EXPORTER" not in notes(values)


@pytest.mark.parametrize(
    ("limit", "queue", "needed"),
    [
        ("256Mi", {}, "384Mi"),
        ("383Mi", {}, "384Mi"),
        ("384Mi", {}, None),
        ("1Gi", {"disk": "1GiB"}, "1536Mi"),
        ("2Gi", {"disk": "1GiB"}, None),
        ("100M", {}, None),
        (None, {}, None),
    ],
)
def test_a_volume_too_small_for_the_queue_is_warned_of(limit, queue, needed):
    """A sizeLimit that the queue can reach evicts the Pod, and the app with it; what Helm cannot read is left alone."""
    volume = {"stateVolume": {"emptyDir": {"sizeLimit": limit}}} if limit else {}
    said = notes({**with_traces(queue=queue), **volume})
    assert ("the kubelet would evict the Pod" in said) == bool(needed)
    assert needed is None or f"Set it to {needed} or more" in said


@pytest.mark.parametrize(("replicas", "warned"), [(1, False), (2, True)])
def test_a_claim_that_replicas_would_share_is_warned_of(replicas, warned):
    """Each agent needs a state folder of its own."""
    values = {**APP, "replicaCount": replicas, "stateVolume": {"persistentVolumeClaim": {"claimName": "x"}}}
    assert ("share one claim" in notes(values)) == warned
