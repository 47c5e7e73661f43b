"""The generated part of docs/metrics.md: what exporters/contract.py and the built-in kinds promise, as tables."""

from exporters.contract import METRICS
from exporters.families import facts_family, reading_family, service_family, span_duration_family
from probes.registry import PROBES

BEGIN = "<!-- made from exporters/contract.py by tests/docs/test_metrics.py, REGENERATE=1 -->\n"
END = "<!-- end -->\n"


def generated():
    """The whole part, markers included."""
    return "\n".join([BEGIN, *_agent(), *_kinds(), END])


def families():
    """Every family that a built-in part can export, by name."""
    duration = span_duration_family((1.0, float("inf")))
    found = {**METRICS, "outrider_info": service_family(()), duration.name: duration}
    for kind, cls in _builtin():
        found |= {family.name: family for family in _readings(kind, cls)}
        if cls.facts:
            family = facts_family(kind, cls.facts)
            found[family.name] = family
    return found


def _agent():
    yield from ("## The agent", "")
    yield from _table([*METRICS.values(), span_duration_family((1.0, float("inf")))])


def _kinds():
    for kind, cls in _builtin():
        yield from (f"## Readings of `{kind}`", "")
        facts = [facts_family(kind, cls.facts)] if cls.facts else []
        yield from _table([*_readings(kind, cls), *facts])


def _table(metrics):
    yield from ("| name | kind | labels | meaning |", "|---|---|---|---|")
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"
    yield ""


def _readings(kind, cls):
    return [reading_family(kind, name, s.unit, s.kind, s.item, s.help) for name, s in cls.readings.items()]


def _builtin():
    return [(kind, PROBES.find(kind)) for kind in PROBES.builtin]
