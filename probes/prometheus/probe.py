"""The Prometheus probe: one page over a new connection, and the readings that the file takes off it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from probes.base import Attempt, Buckets, Measurement, Probe, ProbeContext, ProbeFailed, Reading, ReadingSpec
from probes.http.look import Look
from probes.http.probe import HttpProbe
from probes.prometheus.options import PrometheusOptions
from probes.prometheus.page import Page, read
from probes.prometheus.select import Selection
from probes.reason import Reason


class PrometheusProbe(Probe[PrometheusOptions]):
    """Reads a metrics page as Prometheus would, and makes readings of the series that `series` names.

    A series that the page does not have is a reading that cannot be read: a warning. Counters only grow, whatever
    processes behind the page restart.
    """

    options_type = PrometheusOptions
    readings: ClassVar[Mapping[str, ReadingSpec]] = {
        "size": ReadingSpec("Size of the page after decompression.", "bytes"),
        "certificate_expiry": ReadingSpec(
            "Time until the server's certificate expires, below 0 when it has; told even when it was refused.",
            "seconds",
        ),
    }

    def __init__(self, options: PrometheusOptions, context: ProbeContext) -> None:
        super().__init__(options, context)
        self._http = HttpProbe(options.http(), context)
        self._selections = {name: Selection(series) for name, series in options.series.items()}

    @classmethod
    def default_when_down(cls, options: PrometheusOptions) -> str:
        """Nobody is served from a metrics page."""
        return "degraded"

    @classmethod
    def target(cls, options: PrometheusOptions) -> str:
        """The URL without user, query and fragment."""
        return HttpProbe.target(options.http())

    @classmethod
    def readings_of(cls, options: PrometheusOptions | None) -> Mapping[str, ReadingSpec]:
        """Those of every page, and the file's own."""
        return {**cls.readings, **{name: each.spec for name, each in options.series.items()}} if options else {}

    async def check(self, attempt: Attempt) -> Measurement:
        """Read the page once."""
        try:
            look = await self._http.look(attempt, keep=True)
        except ProbeFailed as failed:
            failed.measurement = replace(failed.measurement, readings=self._about(failed.measurement), facts={})
            raise
        if look.concerns:
            return replace(self._measured(look), concerns=look.concerns, detail=look.detail)
        look.watch.enter("parse")
        try:
            page = await read(look.body, {each.metric for each in self._selections.values()})
            readings, histograms = await self._select(page)
        except ProbeFailed as failed:
            failed.phase, failed.measurement = "parse", self._measured(look)
            raise
        found = self._measured(look)
        wrong = next(filter(None, (each.contradiction(page) for each in self._selections.values())), "")
        return replace(
            found,
            readings=(*found.readings, *readings),
            histograms=histograms,
            concerns=(Reason.UNREADABLE,) if wrong else (),
            detail=wrong,
        )

    async def _select(self, page: Page) -> tuple[list[Reading], dict[str, Buckets]]:
        readings: list[Reading] = []
        histograms: dict[str, Buckets] = {}
        for name, selection in self._selections.items():
            spec = selection.series.spec
            if selection.series.kinds == "histogram":
                buckets = selection.buckets(page)
                value = buckets.total if buckets else None
                if buckets:
                    histograms[name] = buckets
            else:
                value = selection.value(page)
            readings.append(Reading(name, value, spec.unit, spec.kind))
            await asyncio.sleep(0)  # 5,000 samples take milliseconds, and there may be 50 entries
        return readings, histograms

    def _measured(self, look: Look) -> Measurement:
        found = self._http.measured(look)
        return replace(found, readings=self._about(found), facts={}, concerns=(), detail="")

    def _about(self, found: Measurement) -> tuple[Reading, ...]:
        """What this kind tells of the answer itself, under its own names."""
        values = {reading.name: reading.value for reading in found.readings}
        told = {"size": values.get("uncompressed_length"), "certificate_expiry": values.get("certificate_expiry")}
        return tuple(self.reading(name, value) for name, value in told.items() if value is not None)
