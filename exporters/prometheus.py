"""What every source says now, in one synchronous snapshot, as families of prometheus_client made a slice at a time.

A page must never break: a double, a malformed sample or a source that fails costs itself alone, and
`outrider_metrics_left_off` counts it.
"""

import logging
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

from prometheus_client import core
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as ClientExemplar
from prometheus_client.utils import floatToGoString

from config.net.text import clean
from exporters.base import Exemplar, Histogram, Sample, SampleSource
from exporters.blackbox import Blackbox
from exporters.contract import METRICS, Metric

LABEL_LIMIT = 256  #: characters of a label value; the rest is cut, whoever wrote it
EXEMPLAR_LIMIT = 128  #: characters of an exemplar's labels, names and values, as OpenMetrics has it
LEFT_OFF = "outrider_metrics_left_off"
FAULTS = ("duplicate", "malformed", "source")  #: values of its label `reason`

AnyFamily = core.GaugeMetricFamily | core.CounterMetricFamily | core.HistogramMetricFamily

_logger = logging.getLogger(__name__)
_NAME = re.compile(r"(outrider|probe)_[a-zA-Z0-9_]+")
_LABEL = re.compile(r"(?!le$)[a-zA-Z_][a-zA-Z0-9_]*")
_told: set[tuple[type, type]] = set()  # faults that were logged: each kind once, for a scrape comes every few seconds


def label(value: str) -> str:
    """A value that no parser stumbles over and no writer can make endless: nearly always the one given."""
    return value if len(value) <= LABEL_LIMIT and value.isprintable() else clean(value, LABEL_LIMIT)


@dataclass(frozen=True, slots=True)
class Slice(Collector):
    """A few families, or a part of a long one, in the shape that prometheus_client's encoders take."""

    families: Sequence[AnyFamily]
    continued: bool  #: the first family's HELP and TYPE went out with the slice before

    def collect(self) -> Iterable[core.Metric]:
        """What the encoders ask."""
        return self.families


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every family at one moment. What is missing already is counted in `left_off`."""

    families: Sequence[tuple[Metric, Sequence[Sample | Histogram]]]
    left_off: Counter[str] = field(default_factory=Counter)

    def slices(self, lines: int) -> Iterator[Slice]:
        """All of it, in pieces of about `lines` lines each (a histogram's lines stay together)."""
        left_off = Counter(self.left_off)
        made: list[AnyFamily] = []
        room, continued = lines, False
        for metric, samples in self._with_faults(left_off):
            continued = continued and bool(made)
            family: AnyFamily | None = None
            for labels, sample in _sound(metric, samples, left_off):
                if family is None:
                    family = _empty(metric)
                    made.append(family)
                room -= _add(family, metric, labels, sample)
                if room <= 0:
                    yield Slice(made, continued)
                    made, family, room, continued = [], None, lines, True
        if made:
            yield Slice(made, continued)

    def _with_faults(self, left_off: Counter[str]) -> Iterator[tuple[Metric, Sequence[Sample | Histogram]]]:
        yield from self.families
        # Last, and asked only then: doubles are found while the others are made.
        yield METRICS[LEFT_OFF], [Sample((reason,), left_off[reason]) for reason in FAULTS]


def snapshot(sources: Iterable[SampleSource], *, blackbox_names: bool = False) -> Snapshot:
    """Ask every source once. Families come in the contract's order, those made by rule after it, by name."""
    gathered = _Gathered()
    for source in sources:
        gathered.ask(source)
    if blackbox_names:
        told = {metric.name: samples for metric, samples in gathered.families.values()}
        gathered.ask(Blackbox(told, time.time()))
    order = {name: place for place, name in enumerate(METRICS)}
    families = sorted(gathered.families.values(), key=lambda one: (order.get(one[0].name, len(order)), one[0].name))
    return Snapshot(families, gathered.left_off)


@dataclass(slots=True)
class _Gathered:
    """What the sources asked so far have said, by OpenMetrics' name of a family (a counter's without `_total`)."""

    families: dict[str, tuple[Metric, list[Sample | Histogram]]] = field(default_factory=dict)
    left_off: Counter[str] = field(default_factory=Counter)

    def ask(self, source: SampleSource) -> None:
        try:
            for family, samples in source.samples():
                self._take(family, list(samples))
        except Exception as error:  # one source's fault must not cost the page
            self.left_off["source"] += 1
            fault = (type(source), type(error))
            if fault not in _told:
                _told.add(fault)
                _logger.exception("metrics: %s failed; its samples are missing on the page", fault[0].__qualname__)

    def _take(self, family: str | Metric, samples: list[Sample | Histogram]) -> None:
        metric = METRICS.get(family) if isinstance(family, str) else family
        if metric is None or METRICS.get(metric.name, metric) != metric or not _well_made(metric):
            self.left_off["malformed"] += len(samples)
            return
        known, taken = self.families.setdefault(metric.name.removesuffix("_total"), (metric, []))
        if known == metric:
            taken.extend(samples)
        else:
            self.left_off["malformed"] += len(samples)


def _well_made(metric: Metric) -> bool:
    """Whether parsers take its names: a family made by hand, not by the contract's rules, may hold anything."""
    distinct = len(set(metric.labels)) == len(metric.labels)
    return bool(_NAME.fullmatch(metric.name)) and distinct and all(map(_LABEL.fullmatch, metric.labels))


def _sound(
    metric: Metric, samples: Iterable[Sample | Histogram], left_off: Counter[str]
) -> Iterator[tuple[tuple[str, ...], Sample | Histogram]]:
    """Those that fit the family, with clean labels, each label set once: the first one stays."""
    seen = set()
    for sample in samples:
        labels = _fitting(metric, sample)
        if labels is None:
            left_off["malformed"] += 1
        elif labels in seen:
            left_off["duplicate"] += 1
        else:
            seen.add(labels)
            yield labels, sample


def _fitting(metric: Metric, sample: Sample | Histogram) -> tuple[str, ...] | None:
    """The clean label values of a sample that fits the family, else None: a plug-in may hand over anything."""
    try:
        labels = tuple(map(label, sample.labels))
        if isinstance(sample, Histogram):
            numbers = (*map(float, sample.buckets), float(sample.total))
        else:
            numbers = (float(sample.value),)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
    wanted = len(metric.buckets) + 1
    fits = isinstance(sample, Histogram) is (metric.kind == "histogram") and len(numbers) == wanted
    return labels if fits and len(labels) == len(metric.labels) else None


def _empty(metric: Metric) -> AnyFamily:
    if metric.kind == "histogram":
        return core.HistogramMetricFamily(metric.name, metric.help, labels=metric.labels, unit=metric.unit)
    if metric.kind == "counter":
        return core.CounterMetricFamily(metric.name, metric.help, labels=metric.labels, unit=metric.unit)
    return core.GaugeMetricFamily(metric.name, metric.help, labels=metric.labels, unit=metric.unit)


def _add(family: AnyFamily, metric: Metric, labels: tuple[str, ...], sample: Sample | Histogram) -> int:
    """Give the family one more sample; returns how many lines that is."""
    before = len(family.samples)
    match family, sample:
        case core.HistogramMetricFamily(), Histogram():
            family.add_metric(labels, list(_buckets(metric, sample)), sample.total)
        case core.GaugeMetricFamily() | core.CounterMetricFamily(), Sample():
            family.add_metric(labels, sample.value)
    return len(family.samples) - before


def _buckets(metric: Metric, sample: Histogram) -> Iterator[tuple[str, int] | tuple[str, int, ClientExemplar]]:
    """Bound, count, and the exemplar where there is one that fits."""
    exemplars = chain(sample.exemplars, repeat(None))
    for bound, count, exemplar in zip(map(floatToGoString, metric.buckets), sample.buckets, exemplars, strict=False):
        fitting = exemplar and _exemplar(exemplar)
        yield (bound, count, fitting) if fitting else (bound, count)


def _exemplar(exemplar: Exemplar) -> ClientExemplar | None:
    """As the encoder takes it (only that of OpenMetrics shows it), or None where parsers would not."""
    try:
        labels = {name: label(value) for name, value in exemplar.labels}
        value, at = float(exemplar.value), float(exemplar.at)
        fits = all(map(_LABEL.fullmatch, labels)) and sum(map(len, (*labels, *labels.values()))) <= EXEMPLAR_LIMIT
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
    return ClientExemplar(labels, value, at) if fits else None
