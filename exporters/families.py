"""Families made by rule: their labels, names or buckets are the user's.

Readings of probes (`outrider_TYPE_READING_UNIT`), facts (`outrider_TYPE_info`), the file's own labels
(`outrider_info`), and durations of requests, which have every objective's threshold among their buckets.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from exporters.contract import Metric


@lru_cache(1024)
def reading_family(type_: str, reading: str, unit: str, kind: str, item: str, help_: str) -> Metric:
    """The family of one reading of one probe type: `outrider_TYPE_READING_UNIT{probe[,ITEM]}`, counters `_total`.

    A reading whose name already ends with its unit keeps it once; help becomes a sentence.
    """
    help_ = f"{help_[:1].upper()}{help_[1:].rstrip('.')}."
    name = f"outrider_{_word(type_)}_{_word(reading)}"
    if unit:
        name = f"{name.removesuffix(f'_{unit}')}_{unit}"
    labels = _words("probe", item) if item else ("probe",)
    if kind == "counter":
        return Metric(f"{name.removesuffix('_total')}_total", "counter", help_, labels)
    return Metric(name, "gauge", help_, labels)


@lru_cache(1024)
def facts_family(type_: str, facts: Iterable[str]) -> Metric:
    """The family of the facts of one probe type: `outrider_TYPE_info{probe, FACT...}` 1."""
    help_ = f"Facts about the target of each {type_} probe."
    return Metric(f"outrider_{_word(type_)}_info", "gauge", help_, _words("probe", *facts))


@lru_cache(8)
def span_duration_family(bounds: tuple[float, ...]) -> Metric:
    """The family of requests' durations, whose bounds (seconds, +Inf last) hold every objective's threshold.

    `route` is "" for all routes that no objective names, so that sums over series count no request twice.
    """
    help_ = "Duration of requests by the spans they left; route only where an objective names it."
    return Metric("outrider_span_duration_seconds", "histogram", help_, ("service", "kind", "route"), bounds)


def service_family(labels: Iterable[str]) -> Metric:
    """The family that carries the file's own labels: `outrider_info{service, LABEL...}` 1."""
    help_ = "1, with the service and the labels of the file."
    return Metric("outrider_info", "gauge", help_, _words("service", *labels))


def _words(*names: str) -> tuple[str, ...]:
    """Label names in their order, each one once: a second `service` becomes `service_`."""
    words: list[str] = []
    for name in names:
        word = _word(name)
        while word in words:
            word += "_"
        words.append(word)
    return tuple(words)


def _word(text: str) -> str:
    """What Prometheus takes in a name: a type may be `package.module:Class`, a label `app.kubernetes.io/name`."""
    word = re.sub(r"[^a-zA-Z0-9_]", "_", text)
    return word if word and not word[0].isdigit() else f"_{word}"
