"""The objectives of a file, each checked against the probes that it is about: a part of `assemble`."""

from collections.abc import Iterator, Mapping

from agent.scheduler.tasks import Planned
from agent.slo.objective import Objective
from config.convert import locate, suggestion
from config.errors import Problems
from config.model import File
from config.sections.sli import Sli, probe_of, reading_of
from config.types import Bound
from config.yaml import Node
from probes.base import Kind, ReadingSpec

_RIGHT = {"ratio": "a ratio such as 80%", "seconds": "a duration such as 10s", "bytes": "a size such as 64MiB"}
_ATTEMPT = ReadingSpec("", "seconds")  #: the duration of an attempt and its phases are readings too


def objectives_of(
    file: File, probes: Mapping[str, Planned], problems: Problems, root: Node | None = None
) -> Iterator[Objective]:
    """What is right, in the order of the file; what is wrong is added to `problems`, with its place in `root`."""

    def wrong(path: str, text: str) -> None:
        problems.add(path, text, locate(root, path) if root else None)

    # One of several replicas wakes nobody where Prometheus sees them all.
    tickets = file.alerts.mode == "fleet" and file.readiness.peers is not None
    for name, slo in file.objectives.items():
        one_line = name not in file.slos
        for key, target in slo.sli.targets.items():
            planned = probes.get(probe_of(target))
            if planned and not one_line and (text := _unfit(slo.sli, key, target, planned)):
                wrong(f"slos.{name}.sli.{key}", text)
        try:
            objective = Objective.of(name, file.service, slo, file.probes.get(slo.sli.on))
            yield objective.without_pages() if tickets else objective
        except ValueError as error:
            wrong(f"probes.{name}.slo" if one_line else f"slos.{name}", str(error))


def _unfit(sli: Sli, key: str, target: str, planned: Planned) -> str:
    """Why this probe, or this reading of it, cannot be counted so; "" where it can."""
    probe, reading = probe_of(target), reading_of(target)
    if key == "heartbeat" and planned.cls.heartbeat_token(planned.options) is None:
        return f"'{probe}' is of the type {planned.member.type} and takes no heartbeats; write {{probe: {probe}}}"
    promised = planned.cls.readings_of(planned.options)
    if not reading or not promised:
        return ""
    attempt = key == "reading" and (reading == "duration" or reading.startswith("phase."))
    spec = _ATTEMPT if attempt else promised.get(reading)
    if spec is None:
        known = (*promised, "duration") if key == "reading" else tuple(promised)
        return f"'{probe}' has no reading '{reading}'; {suggestion(reading, known)}"
    if spec.of_target and planned.reads == "never":
        return f"'{probe}' has `readings: never`, so nobody reads it; write `readings: auto`"
    if key == "reading":
        return _unlimited(spec, sli.within)
    if key == "histogram":
        return _uncut(spec, sli.within)
    if spec.kind is not Kind.COUNTER or spec.item:
        return f"'{reading}' is no counter; name a reading that only grows, such as one of a `_total`"
    return ""


def _unlimited(spec: ReadingSpec, limit: Bound | None) -> str:
    if spec.kind is Kind.COUNTER:
        return "only grows, and no limit is good for ever; count it with {counters: {bad: ..., total: ...}}"
    return _misfit(spec.unit, limit)


def _uncut(spec: ReadingSpec, limit: Bound | None) -> str:
    if spec.observes is None:
        return "is no histogram; write `kind: histogram` in its series, or {reading: ..., within: ...}"
    return _misfit(spec.observes, limit)


def _misfit(unit: str, limit: Bound | None) -> str:
    if limit is None or limit.unit in {"", unit}:
        return ""
    return f"does not fit the limit {limit}; write {_RIGHT.get(unit, 'a plain number')} as `within`"
