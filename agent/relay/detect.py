"""Pure: what the environment says about where we run, as resource attributes of OpenTelemetry's conventions."""

import logging
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

#: Variables as people name them when they pass the downward API's fields, the better name first.
_KUBERNETES: Final = {
    "k8s.pod.name": ("K8S_POD_NAME",),
    "k8s.pod.uid": ("K8S_POD_UID",),
    "k8s.namespace.name": ("K8S_NAMESPACE_NAME", "K8S_NAMESPACE"),
    "k8s.node.name": ("K8S_NODE_NAME",),
    "k8s.container.name": ("K8S_CONTAINER_NAME",),
}
_INSTANCE = ("k8s.namespace.name", "k8s.pod.name", "k8s.container.name")

_ID = "[0-9a-f]{64}|[0-9a-f]{32}-[0-9]{1,20}"  # the second is that of AWS Fargate
# The last group on the way: /docker/ID, /kubepods/burstable/podUID/ID, .../cri-containerd-ID.scope, ...:crio:ID
_GROUP = re.compile(rf"[/:](?:[a-z]+(?:-[a-z]+)*-)?({_ID})(?:\.scope)?$")
# Files that Docker and Podman mount into a container. In a pod these are those of its sandbox, which is another one.
_MOUNTED = re.compile(rf"/(?:containers/({_ID})/(?:hostname|hosts|resolv\.conf)|overlay-containers/({_ID})/userdata/)")

_logger = logging.getLogger(__name__)


def detect(environment: Mapping[str, str], host: str = "", cgroup: str = "", mountinfo: str = "") -> dict[str, str]:
    """Attributes for resources that lack them.

    `host`: its name. `cgroup`, `mountinfo`: the texts of these files in /proc/self; only from the service's own
    container, as in a pod of several they are those of another one.
    """
    found = {"host.name": _text(host)}
    found["container.id"] = container_id(cgroup, mountinfo, pod="KUBERNETES_SERVICE_HOST" in environment)
    for attribute, names in _KUBERNETES.items():
        found[attribute] = next((text for name in names if (text := _text(environment.get(name, "")))), "")
    found |= _written(environment.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    if all(found[part] for part in _INSTANCE):
        found.setdefault("service.instance.id", ".".join(found[part] for part in _INSTANCE))
    return {attribute: text for attribute, text in found.items() if text}


def container_id(cgroup: str, mountinfo: str, *, pod: bool = False) -> str:
    """The container's id, from either version of cgroups; "" when there is none, or it does not show."""
    for line in cgroup.splitlines():
        if match := _GROUP.search(line):
            return match[1]
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5:
            continue
        if after.startswith("cgroup") and (match := _GROUP.search(fields[3])):
            return match[1]
        if not pod and (match := _MOUNTED.search(fields[3])):
            return match[1] or match[2]
    return ""


def _written(text: str) -> dict[str, str]:
    """The attributes of OTEL_RESOURCE_ATTRIBUTES. As its specification has it, one fault leaves out all of it."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            key, value = _pair(part)
            found[key] = value
        except ValueError as error:
            place = len(found) + 1
            _logger.warning("OTEL_RESOURCE_ATTRIBUTES is left out: its %d. attribute cannot be read: %s", place, error)
            return {}
    return found


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError("write key=value, and a comma between two of them")
    return _decoded(key.strip()), _decoded(value.strip())


def _decoded(text: str) -> str:
    if re.search("%(?![0-9a-fA-F]{2})", text):
        raise ValueError("a % needs two hexadecimal digits behind it; write a percent sign as %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        raise ValueError("it is not UTF-8") from None


def _text(text: str) -> str:
    """The text, "" when it is not UTF-8: other bytes of the environment arrive as lone surrogates."""
    try:
        text.encode()
    except UnicodeError:
        return ""
    return text
