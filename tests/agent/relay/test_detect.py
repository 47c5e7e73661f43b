"""What the environment says becomes attributes, as OpenTelemetry's conventions name them."""

import logging

import pytest

from agent.relay.detect import container_id, detect

ID = "0123456789abcdef" * 4
OTHER = "f" * 64
POD = {
    "K8S_POD_NAME": "checkout-5d8f-x2",
    "K8S_POD_UID": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
    "K8S_NAMESPACE_NAME": "shop",
    "K8S_NODE_NAME": "node-3",
    "K8S_CONTAINER_NAME": "app",
}


def mount(root, kind="ext4"):
    """One line of mountinfo."""
    return f"36 35 98:0 {root} /mnt rw,noatime master:1 - {kind} /dev/root rw,errors=continue\n"


def test_a_pod():
    """The downward API's fields, the host, and the instance by OpenTelemetry's recipe for Kubernetes."""
    assert detect(POD, "checkout-5d8f-x2") == {
        "host.name": "checkout-5d8f-x2",
        "k8s.pod.name": "checkout-5d8f-x2",
        "k8s.pod.uid": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
        "k8s.namespace.name": "shop",
        "k8s.node.name": "node-3",
        "k8s.container.name": "app",
        "service.instance.id": "shop.checkout-5d8f-x2.app",
    }


def test_nothing_is_invented():
    """Without facts there are no attributes: no instance without its container's name, no service at all."""
    assert detect({}) == {}
    found = detect({**POD, "K8S_CONTAINER_NAME": ""})
    assert not {"service.instance.id", "service.name", "k8s.container.name"} & found.keys()


def test_both_names_of_the_namespace():
    """K8S_NAMESPACE is as good, and K8S_NAMESPACE_NAME is better."""
    assert detect({"K8S_NAMESPACE": "a"}) == {"k8s.namespace.name": "a"}
    assert detect({"K8S_NAMESPACE": "a", "K8S_NAMESPACE_NAME": "b"}) == {"k8s.namespace.name": "b"}


def test_what_is_written_wins():
    """OTEL_RESOURCE_ATTRIBUTES is decoded, and stands above what we find out."""
    text = "host.name=mine, team=a%2Cb%3D%C3%A9 ,empty=,service.instance.id=7,"
    found = detect({**POD, "OTEL_RESOURCE_ATTRIBUTES": text}, "node")
    assert found["host.name"] == "mine"
    assert found["team"] == "a,b=é"
    assert found["service.instance.id"] == "7"
    assert "empty" not in found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a=1,b", "write key=value"),
        ("=1", "write key=value"),
        ("a=100%", "write a percent sign as %25"),
        ("a=%zz", "write a percent sign as %25"),
        ("a=%ff", "it is not UTF-8"),
        ("a=\udcff", "it is not UTF-8"),
    ],
)
def test_one_fault_leaves_out_all_of_it(caplog, text, fault):
    """As its specification has it; and a line says where the fault is and what would be right."""
    with caplog.at_level(logging.WARNING):
        assert detect({"OTEL_RESOURCE_ATTRIBUTES": f"ok=1,{text}"}) == {}
    assert fault in caplog.text
    assert "OTEL_RESOURCE_ATTRIBUTES" in caplog.text


def test_a_variable_that_is_not_text():
    """Bytes that are not UTF-8 are no attribute: they could not be encoded."""
    assert detect({"K8S_POD_NAME": "pod\udcff"}, "host\udcff") == {}


@pytest.mark.parametrize(
    "line",
    [
        f"12:cpuset:/docker/{ID}",
        f"1:name=systemd:/kubepods/burstable/pod2c48/{ID}",
        f"0::/system.slice/docker-{ID}.scope",
        f"0::/kubepods.slice/kubepods-pod2c48.slice/cri-containerd-{ID}.scope",
        f"0::/../crio-{ID}.scope",
        f"4:memory:/kubepods-pod2c48.slice:cri-containerd:{ID}",
        f"0::/machine.slice/libpod-{ID}.scope",
    ],
)
def test_the_container_by_its_group(line):
    """The last group of the way names the container, in both versions of cgroups and in every runtime's spelling."""
    assert container_id(f"13:pids:/\n{line}\n", "") == ID


def test_fargate():
    """The id of a container there is shorter, with a number behind."""
    name = "cd189a933e5849daa93386466019ab50-2495160603"
    assert container_id(f"9:perf_event:/ecs/cd189a933e5849daa93386466019ab50/{name}\n", "") == name


def test_the_container_by_its_mounts():
    """Inside a cgroup namespace the group is `/`: then it is what Docker or Podman mounted, or the group's mount."""
    cgroup = "0::/\n"
    assert container_id(cgroup, mount("/") + mount(f"/var/lib/docker/containers/{ID}/resolv.conf")) == ID
    assert container_id(cgroup, mount(f"/containers/storage/overlay-containers/{ID}/userdata/hostname")) == ID
    assert container_id(cgroup, mount(f"/kubelet/pod2c48/cri-containerd-{ID}.scope", "cgroup2")) == ID


def test_a_sandbox_is_not_the_container():
    """In a pod the mounted files are those of its sandbox, whose id would be wrong."""
    mounts = mount(f"/var/lib/docker/containers/{OTHER}/hostname")
    sandbox = mount(f"/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{OTHER}/hostname")
    assert container_id("0::/\n", mounts + sandbox, pod=True) == ""
    assert container_id("0::/\n", sandbox) == ""
    assert "container.id" not in detect({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "", "0::/\n", mounts)
    assert detect({}, "", "0::/\n", mounts) == {"container.id": OTHER}


def test_no_container():
    """A machine's own groups, an empty file and a broken line are no container."""
    for text in ("", "0::/init.scope\n", "0::/user.slice/user-1000.slice\n", f"4:memory:/process_api/{ID[:32]}\n"):
        assert container_id(text, "broken\n1 2 3\n") == ""
