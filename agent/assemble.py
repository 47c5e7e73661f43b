"""File and registries -> a plan: everything typed and checked, nothing opened. Run, check and reload all use it."""

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.events import Outcome
from agent.health.board import Member
from agent.health.judge import Bound
from agent.health.maintenance import Written, written
from agent.health.state import Rules
from agent.objectives import objectives_of
from agent.peers.open import problems as peers_problems
from agent.readiness.groups import Group
from agent.readiness.policy import Policy
from agent.scheduler.reads import who_reads
from agent.scheduler.tasks import Planned
from agent.scheduler.timetable import Pace
from agent.slo.objective import Objective
from config.convert import convert, suggestion
from config.errors import Problems
from config.kinds import Kinds
from config.model import File
from config.options import Options
from config.registry import Registry
from config.schema import json_schema
from config.sections.alerts import Receiver, Route
from config.sections.probes import Bounds, ProbeEntry
from config.sections.traces import Destination
from config.shapes import fields
from config.types import Url
from config.types.address import is_loopback
from config.yaml import Mapping as MappingNode
from config.yaml import Node, Scalar
from exporters.registry import NOTIFIERS, SENDERS
from probes.base import Kind, Probe, ReadingSpec
from probes.registry import PROBES

#: Threshold key -> is it an upper limit, and what crossing it is.
_SIDES = {
    "degraded_above": (True, Outcome.WARN),
    "degraded_below": (False, Outcome.WARN),
    "down_above": (True, Outcome.FAIL),
    "down_below": (False, Outcome.FAIL),
}


#: Where plug-ins stand in the file, the common keys of such an entry, and who knows the kinds.
_ENTRIES: tuple[tuple[str, type[Any], Registry], ...] = (
    ("probes", ProbeEntry, PROBES),
    ("traces.forward", Destination, SENDERS),
    ("alerts.receivers", Receiver, NOTIFIERS),
)


_FAMILIES = {"any": socket.AF_UNSPEC, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Part:
    """A plug-in that is not a probe: its class and its options. Two equal ones need no restart."""

    cls: type[Any]
    options: Options


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall run. Comparing two of them tells what a reload has to touch."""

    file: File
    probes: Mapping[str, Planned]
    senders: Mapping[str, Part]
    notifiers: Mapping[str, Part]
    objectives: tuple[Objective, ...]
    routes: tuple[Route, ...]
    policy: Policy
    groups: Mapping[str, Group]
    windows: tuple[Written, ...]

    @property
    def labels(self) -> Mapping[str, str]:
        """On every alert. Where Prometheus calls for the fleet, an agent's own tell that they are of one replica."""
        return {**self.file.labels, **({"view": "replica"} if self.file.alerts.mode == "fleet" else {})}


def assemble(file: File, problems: Problems, root: Node | None = None) -> Plan:
    """The plan for this file, written as `root`. What is wrong is added to `problems`; then it must not be used."""
    probes = {name: planned for name, entry in file.probes.items() if (planned := _probe(file, name, entry, problems))}
    traces = file.traces.forward if file.traces else {}
    senders = _parts("traces.forward", traces, SENDERS.find, problems)
    notifiers = _parts("alerts.receivers", file.alerts.receivers, NOTIFIERS.find, problems)
    _refuse_loops(file, senders, problems)
    objectives = tuple(objectives_of(file, probes, problems, root))
    _refuse_useless_peers(file, probes, problems)
    readiness = file.readiness
    policy = Policy(readiness.fail_on_degraded, readiness.shared, float(readiness.ready_delay))
    groups = {name: Group(each.members, each.needed, each.fail_on_degraded) for name, each in file.groups.items()}
    windows = written(file.maintenance, {name: entry.maintenance for name, entry in file.probes.items()})
    return Plan(file, probes, senders, notifiers, objectives, file.alerts.routes, policy, groups, windows)


def survey(root: Node, problems: Problems) -> None:
    """What is wrong with the keys of each kind, in a file that may be wrong elsewhere too."""
    for path, entry_type, registry in _ENTRIES:
        node = root
        for key in path.split("."):
            node = node.items.get(key, node) if isinstance(node, MappingNode) else node
        if not isinstance(node, MappingNode) or node is root:
            continue
        for name, entry in node.items.items():
            if isinstance(entry, MappingNode):
                _survey_entry(f"{path}.{name}", entry, entry_type, registry, problems)


def _survey_entry(path: str, entry: MappingNode, entry_type: type[Any], registry: Registry, problems: Problems) -> None:
    known, _ = fields(entry_type)  # type: ignore[arg-type] # mypy: a class is not hashable enough for @cache
    kind = entry.items.get("type")
    name = kind.text if isinstance(kind, Scalar) else known["type"].default
    try:
        cls = registry.find(str(name))
    except LookupError as error:
        if isinstance(kind, Scalar):
            problems.add(f"{path}.type", str(error), kind.position)
        return
    rest = {key: value for key, value in entry.items.items() if key not in known}
    options = convert(MappingNode(rest, entry.position, entry.keys, tuple(known)), cls.options_type, problems, path)
    for key in _SIDES.keys() & entry.items.keys():
        for reading, limit in (convert(entry.items[key], Bounds, Problems()) or {}).items():
            if wrong := _misfit(cls.readings_of(options), reading, limit.unit):
                problems.add(f"{path}.{key}.{reading}", wrong, entry.items[key].position)


def kinds(file: File) -> Kinds:
    """The options of every kind that this file uses: what is secret in it is known by type."""
    used = {entry.type for entry in file.probes.values()}
    senders = {entry.type for entry in (file.traces.forward.values() if file.traces else ())}
    receivers = {entry.type for entry in file.alerts.receivers.values()}
    return Kinds(
        {name: PROBES.find(name).options_type for name in used},
        {name: SENDERS.find(name).options_type for name in senders},
        {name: NOTIFIERS.find(name).options_type for name in receivers},
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, with every kind that is installed."""
    return json_schema(
        File,
        Kinds(
            {name: cls.options_type for name, cls in PROBES.available().items()},
            {name: cls.options_type for name, cls in SENDERS.available().items()},
            {name: cls.options_type for name, cls in NOTIFIERS.available().items()},
        ),
    )


def slug(type_: str) -> str:
    """The name of a probe's type in metrics and labels: `spool` for the dotted `acme.probes:Spool`."""
    return re.sub(r"[^a-z0-9_]", "_", type_.rpartition(":")[2].rpartition(".")[2].lower())


def _probe(file: File, name: str, entry: ProbeEntry, problems: Problems) -> Planned | None:
    path = f"probes.{name}"
    try:
        cls = PROBES.find(entry.type)
    except LookupError as error:
        problems.add(f"{path}.type", str(error), entry.rest.position)
        return None
    options = convert(entry.rest, cls.options_type, problems, path)
    if options is None:
        return None
    bounds = tuple(_bounds(cls, options, path, entry, problems))
    member = Member(
        name,
        slug(entry.type),
        cls.target(options),
        entry.when_down or cls.default_when_down(options),
        entry.shared,
        entry.depends_on,
        cls.steady,
        float(entry.interval),
        float(entry.slow_interval),
        float(entry.timeout),
        Rules(entry.failure_threshold, entry.success_threshold, entry.failures_of),
        bounds,
        entry.description,
        entry.runbook_url,
    )
    pace = Pace(float(entry.interval), float(entry.fast_interval), float(entry.slow_interval), float(entry.fresh_every))
    known = entry.shared and file.readiness.peers is not None
    strict = file.readiness.fail_on_degraded or any(each.fail_on_degraded for each in file.groups.values())
    reads = who_reads(entry.readings, cls, bounds, fleet=known, fail_on_degraded=strict)
    return Planned(member, pace, bounds, options, cls, file.service, entry.invert, _FAMILIES[entry.family], reads)


def _bounds(
    cls: type[Probe[Any]], options: Options, path: str, entry: ProbeEntry, problems: Problems
) -> Iterator[Bound]:
    promised = cls.readings_of(options)
    written = {name for bounds in entry.bounds.values() for name in bounds}
    for key, bounds in entry.bounds.items():
        above, outcome = _SIDES[key]
        for name, limit in bounds.items():
            if wrong := _misfit(promised, name, limit.unit):
                problems.add(f"{path}.{key}.{name}", wrong, entry.rest.position)
            yield Bound(name, limit.value, above, outcome, limit.per_second, _unit(promised, name))
        for name, value in cls.default_thresholds.get(key, {}).items():
            if name not in written:
                yield Bound(name, value, above, outcome, unit=_unit(promised, name))


def _unit(promised: Mapping[str, ReadingSpec], reading: str) -> str:
    """The unit of a reading; the duration and the phases of an attempt are readings too."""
    if reading == "duration" or reading.startswith("phase."):
        return "seconds"
    spec = promised.get(reading)
    return spec.unit if spec else ""


def _misfit(promised: Mapping[str, ReadingSpec], name: str, unit: str) -> str:
    """What is wrong with a threshold of this unit on this reading; "" when it fits."""
    if name == "duration" or name.startswith("phase."):
        return "" if unit == "seconds" else "is a duration; write one such as 300ms"
    spec = promised.get(name)
    if spec is None:
        return f"the kind has no such reading; {suggestion(name, (*promised, 'duration'))}" if promised else ""
    if (spec.kind is Kind.COUNTER) != (unit == "rate"):
        return "only grows; write a rate such as 5/min" if unit != "rate" else "is no counter; write a plain limit"
    if unit in {"rate", "", spec.unit}:
        return ""
    right = {"ratio": "a ratio such as 80%", "seconds": "a duration such as 10s", "bytes": "a size such as 64MiB"}
    return f"does not fit its unit; write {right.get(spec.unit, 'a plain number')}"


def _parts(
    path: str, entries: Mapping[str, Any], find: Callable[[str], type[Any]], problems: Problems
) -> Mapping[str, Part]:
    found: dict[str, Part] = {}
    for name, entry in entries.items():
        try:
            cls = find(entry.type)
        except LookupError as error:
            problems.add(f"{path}.{name}.type", str(error), entry.rest.position)
            continue
        options = convert(entry.rest, cls.options_type, problems, f"{path}.{name}")
        if options is not None:
            found[name] = Part(cls, options)
    return found


def _refuse_loops(file: File, senders: Mapping[str, Part], problems: Problems) -> None:
    """Spans that are forwarded to where they came in would go round for ever."""
    if file.traces is None:
        return
    receive = file.traces.receive
    for name, part in senders.items():
        endpoint = getattr(part.options, "endpoint", None)
        if not isinstance(endpoint, Url) or not is_loopback(endpoint.host):
            continue
        port = endpoint.port or getattr(part.cls, "default_port", None)
        for key, own in (("http", receive.http), ("grpc", receive.grpc)):
            if own and own.port and port == own.port:
                text = f"forwards to traces.receive.{key} ({own}), which would go round for ever; name the upstream"
                problems.add(f"traces.forward.{name}.endpoint", text, file.traces.forward[name].rest.position)


def _refuse_useless_peers(file: File, probes: Mapping[str, Planned], problems: Problems) -> None:
    """Peers that meet in the very Redis whose outage they shall judge would be gone when they are needed."""
    peers = file.readiness.peers
    if peers is None:
        return
    for key, text in peers_problems(peers):
        problems.add(f"readiness.peers.{key}", text)
    if peers.redis is None:
        return
    for name, planned in probes.items():
        url = getattr(planned.options, "url", None)
        same = isinstance(url, Url) and (url.host, url.port or 6379) == (peers.redis.host, peers.redis.port or 6379)
        if planned.member.shared and planned.member.type == "redis" and same:
            text = f"is the server that `probes.{name}` watches as shared: with it the peers would be gone"
            place = file.probes[name].rest.position
            problems.add("readiness.peers.redis", f"{text}; write another server, or `dns`, or `urls`", place)
