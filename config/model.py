"""The whole file."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, field

from config.convert import convert, suggestion
from config.errors import Problems
from config.options import Options
from config.sections.alerts import Alerts
from config.sections.groups import Group
from config.sections.heartbeat import Heartbeat
from config.sections.listen import Listen, clash
from config.sections.log import Log
from config.sections.maintenance import Maintenance
from config.sections.metrics import Metrics
from config.sections.names import LabelName, Line, Name
from config.sections.probes import ProbeDefaults, ProbeEntry
from config.sections.readiness import Readiness
from config.sections.sli import Sli, SpanSli, probe_of
from config.sections.slos import Slo
from config.sections.traces import Traces
from config.yaml import Mapping, Node

_LIVENESS = frozenset({"live", "livez", "liveness"})
_OWN_LABELS = frozenset({"service", "alertname", "severity", "probe", "slo"})


class File(Options, frozen=True, kw_only=True):
    """The top level. Only `service` must be written."""

    service: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            pattern="^[^\\x00-\\x1f\\x7f]+$",
            description="the name of the service this agent rides beside, such as checkout",
        ),
    ]
    #: On alerts and on one info metric; not on every series.
    labels: dict[LabelName, Line] = field(default_factory=dict)
    listen: Listen = Listen()
    #: The folder for what must survive a restart: the last good file, the queue of traces, the counts of SLOs.
    state_dir: (
        Annotated[str, Meta(pattern="^/", description="an absolute path such as /var/lib/outrider", max_length=1024)]
        | None
    ) = None
    log: Log = Log()
    metrics: Metrics = Metrics()
    defaults: ProbeDefaults = ProbeDefaults()
    probes: dict[Name, ProbeEntry] = field(default_factory=dict)
    readiness: Readiness = Readiness()
    groups: dict[Name, Group] = field(default_factory=dict)
    maintenance: dict[Name, Maintenance] = field(default_factory=dict)
    traces: Traces | None = None
    slos: dict[Name, Slo] = field(default_factory=dict)
    alerts: Alerts = Alerts()
    heartbeat: Heartbeat | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """References between sections, and ports wanted twice."""
        for label in self.labels:
            if label in _OWN_LABELS:
                yield f"labels.{label}", "is a label that Outrider sets itself; write another name"
        for name, slo in self.slos.items():
            for key, target in slo.sli.targets.items():
                if (counted := probe_of(target)) not in self.probes:
                    yield f"slos.{name}.sli.{key}", f"'{counted}' names no probe; {suggestion(counted, self.probes)}"
            if slo.sli.spans is not None and (wrong := self._uncounted(slo.sli.spans)):
                yield f"slos.{name}.sli.spans", wrong
        for name, probe in self.probes.items():
            if probe.slo is not None and name in self.slos:
                yield f"probes.{name}.slo", f"there is an SLO of this name under `slos` (line of `{name}`); keep one"
        yield from self._wrong_names()
        if self.traces:
            yield from self._traces_problems(self.traces)

    def _uncounted(self, spans: SpanSli) -> str:
        """Why such requests would never be counted; "" where they are."""
        if self.traces is None:
            return "counts requests by their spans, and the file has no `traces`; write that section, or {probe: NAME}"
        if not self.traces.metrics.enabled:
            return "counts requests, which `traces.metrics.enabled: false` leaves uncounted; write true there"
        if spans.kind not in self.traces.metrics.kinds:
            return f"counts {spans.kind} spans, and `traces.metrics.kinds` leaves them out; add {spans.kind} there"
        return ""

    def _traces_problems(self, traces: Traces) -> Iterable[tuple[str, str]]:
        """Ports wanted twice, and a queue without a place."""
        receive = traces.receive
        for wanted, address in (("http", receive.http), ("grpc", receive.grpc)):
            for key in ("public", "admin", "agent_check", "grpc_health"):
                taken = getattr(self.listen, key)
                if taken and address and clash(taken, address):
                    yield f"traces.receive.{wanted}", f"'{taken}' is taken by `listen.{key}`; write another port"
        if receive.grpc and clash(receive.http, receive.grpc):
            yield "traces.receive.grpc", f"'{receive.http}' is taken by `traces.receive.http`; write another port"
        if traces.durability in {"process", "host"} and self.state_dir is None:
            right = "write `state_dir: /var/lib/outrider`, or `durability: memory`"
            yield "traces.durability", f"needs a folder to keep the queue in; {right}"

    def _wrong_names(self) -> Iterable[tuple[str, str]]:
        """Groups, windows and dependencies name probes; liveness has no members; nothing depends on itself."""
        named = {f"groups.{name}.members": group.members for name, group in self.groups.items()}
        named |= {f"maintenance.{name}.probes": window.probes for name, window in self.maintenance.items()}
        named |= {f"probes.{name}.depends_on": probe.depends_on for name, probe in self.probes.items()}
        for path, names in named.items():
            for each in names:
                if each not in self.probes:
                    yield path, f"'{each}' names no probe; {suggestion(each, self.probes)}"
        for name in _LIVENESS & self.groups.keys():
            right = "a restart cures no dependency; give the group another name and use it for readiness"
            yield f"groups.{name}", f"liveness depends on the agent alone: {right}"
        for name in self.probes:
            if circle := self._circle(name):
                yield f"probes.{name}.depends_on", f"goes round: {' -> '.join(circle)}; leave one of them out"

    def _circle(self, name: str) -> list[str]:
        """The way from a probe along what it depends on back to itself; empty where there is none."""
        ways, seen = [[name]], set()
        while ways:
            way = ways.pop()
            for parent in self.probes[way[-1]].depends_on:
                if parent == name:
                    return [*way, name]
                if parent in self.probes and parent not in seen:
                    seen.add(parent)
                    ways.append([*way, parent])
        return []

    @property
    def durability(self) -> str:
        """How long what is queued lives: memory, process or host."""
        if self.traces is None:
            return "memory"
        return self.traces.durability or ("process" if self.state_dir else "memory")

    @property
    def objectives(self) -> dict[str, Slo]:
        """All SLOs by name: those under `slos`, and the one-line ones under the names of their probes."""
        one_line = {
            name: Slo(
                objective=probe.slo,
                sli=Sli(probe=name),
                description=probe.description,
                runbook_url=probe.runbook_url,
            )
            for name, probe in self.probes.items()
            if probe.slo is not None
        }
        return {**self.slos, **one_line}


def read(root: Node, problems: Problems) -> File | None:
    """The file that `root` means; its `defaults` are already in its probes. None when there are problems."""
    return convert(_with_defaults(root), File, problems)


def _with_defaults(root: Node) -> Node:
    """The same tree, each probe holding those defaults that it does not write itself."""
    if not isinstance(root, Mapping):
        return root
    defaults, probes = root.items.get("defaults"), root.items.get("probes")
    if not isinstance(defaults, Mapping) or not isinstance(probes, Mapping):
        return root
    if convert(defaults, ProbeDefaults, Problems(), "defaults") is None:
        return root  # told once, under `defaults`, and not again under every probe
    merged = {
        name: Mapping({**defaults.items, **probe.items}, probe.position, {**defaults.keys, **probe.keys})
        if isinstance(probe, Mapping)
        else probe
        for name, probe in probes.items.items()
    }
    items = {**root.items, "probes": Mapping(merged, probes.position, probes.keys)}
    return Mapping(items, root.position, root.keys)
