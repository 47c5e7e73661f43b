"""The demo in a terminal: a live table of the probes, what they do to the verdict, and the keys that break things."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agent import units
from agent.demo.control import KEYS
from agent.demo.faults import Faults
from agent.demo.glance import AlertGlance, Glance, ProbeGlance
from agent.demo.sink import Sink

#: State or verdict -> style, symbol, symbol where the terminal knows no Unicode. The word is always there as well.
_LOOK = {
    "up": ("green", "●", "+"),
    "ready": ("green", "●", "+"),
    "degraded": ("yellow", "▲", "!"),
    "unjudged": ("yellow", "▲", "!"),
    "down": ("bold red", "✖", "x"),
    "unready": ("bold red", "✖", "x"),
    "unknown": ("dim", "○", "?"),
}
_VERDICT = {
    "ready": "READY",
    "degraded": "READY, DEGRADED",
    "unready": "NOT READY",
    "unjudged": "READY, UNJUDGED",
}
_MANY_QUEUED = 20  # spans; the service makes about ten in a second
_LABEL = len("alertmanager")  # the widest one on the left
_HINT = "elsewhere".ljust(_LABEL + 2) + "make demo-break WHAT=postgres, make demo-mend WHAT=postgres"


class Screen:
    """Draws each look; used as a context, it owns the terminal's alternate screen until it is left."""

    def __init__(
        self, console: Console, faults: Faults, sink: Sink, addresses: Mapping[str, str], *, keys: bool
    ) -> None:
        self._console = console
        self._faults = faults
        self._sink = sink
        self._addresses = addresses
        self._keys = keys
        self._unicode = console.encoding.lower().startswith("utf")
        self._note = ""
        self._live = Live(console=console, screen=True, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, seen: Glance | None) -> None:
        """Draw what was seen; None: Outrider did not answer."""
        self._live.update(self.picture(seen), refresh=True)

    def note(self, text: str) -> None:
        """A sentence below the keys, until the next one."""
        self._note = text

    def picture(self, seen: Glance | None) -> RenderableType:
        """The whole screen."""
        if seen is None:
            return Padding(Text("Outrider does not answer", style="bold red"), (1, 2))
        parts = (self._banner(seen), self._table(seen.probes), self._facts(seen), self._foot(), self._places())
        return Padding(Group(*(Padding(part, (0, 0, 1, 0)) for part in parts)), (1, 2, 0, 2))

    def _banner(self, seen: Glance) -> RenderableType:
        style, _, _ = _LOOK[seen.verdict]
        head = Table.grid(expand=True)
        head.add_column()
        head.add_column(justify="right")
        title = Text.assemble((f" {self._symbol(seen.verdict)} {_VERDICT[seen.verdict]} ", f"{style} reverse"))
        head.add_row(title, Text(f"outrider demo, up {units.seconds(int(seen.uptime))}", style="dim"))
        reasons = [Text(f"{reason}", style=style) for reason in seen.reasons]
        return Group(head, *(reasons or [Text("every probe is up: this replica may get traffic", style="dim")]))

    def _table(self, probes: tuple[ProbeGlance, ...]) -> RenderableType:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=True)
        widest = {"probe": max(map(len, (probe.name for probe in probes)), default=0), "state": len("x degraded")}
        for heading in ("probe", "type", "state"):
            table.add_column(heading, no_wrap=True, min_width=widest.get(heading, len("postgres")))
        table.add_column("took", no_wrap=True, justify="right", min_width=len("0.12 ms"))
        table.add_column("readings", no_wrap=True, overflow="ellipsis" if self._unicode else "crop", ratio=1)
        for probe in probes:
            style, _, _ = _LOOK[probe.state]
            took = "" if probe.seconds is None else units.seconds(probe.seconds)
            told = [Text(probe.reason, style=style)] if probe.reason else []
            told += [Text(reading) for reading in probe.readings]
            table.add_row(
                Text(probe.name, style="bold"),
                probe.type,
                Text(f"{self._symbol(probe.state)} {probe.state}", style=style),
                took,
                Text(self._dot()).join(told),
            )
        return table

    def _facts(self, seen: Glance) -> RenderableType:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="dim", no_wrap=True, min_width=_LABEL)
        grid.add_column()
        ledger = seen.ledger
        queued = Text(f"{ledger.queued:,} queued", style="yellow" if ledger.queued > _MANY_QUEUED else "")
        grid.add_row(
            "spans",
            Text.assemble(
                f"{ledger.accepted:,} received = {ledger.delivered:,} delivered + {ledger.dropped:,} dropped + ", queued
            ),
        )
        for slo in seen.slos:
            spent = f"{slo.budget:.1%} of the budget left, burning {slo.burning:.1f}x"
            grid.add_row("objective", Text(f"{slo.name} {slo.objective:.2%}: {spent}"))
        grid.add_row("alerts", self._alerts(seen.alerts))
        return grid

    def _alerts(self, alerts: tuple[AlertGlance, ...]) -> Text:
        told = [
            Text(f"{alert.slo} {alert.state} ({alert.severity})", style="bold red" if alert.state == "firing" else "")
            for alert in alerts
        ]
        shown = Text(self._dot()).join(told) if told else Text("none")
        reached = [
            f"{place} {units.seconds(max(1, round(time.time() - last.at)))} ago"
            for sender, place in (("outrider", "webhook"), ("alertmanager", "Alertmanager"))
            if (last := self._sink.last(sender)) is not None
        ]
        if reached:
            shown.append(f"{self._dot()}reached {', '.join(reached)}", style="dim")
        return shown

    def _places(self) -> RenderableType:
        """The few addresses worth opening."""
        at = self._addresses
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="dim", no_wrap=True, min_width=_LABEL)
        grid.add_column(style="cyan", no_wrap=True)
        grid.add_row("page", f"{at['outrider-1-admin']}/")
        grid.add_row("verdict", f"{at['outrider-1']}/readyz?verbose")
        grid.add_row("metrics", f"{at['outrider-1']}/metrics")
        grid.add_row("webhook", f"{at['webhook']}/alerts")
        if "alertmanager" in at:
            grid.add_row("alertmanager", at["alertmanager"])
        return grid

    def _foot(self) -> RenderableType:
        lines = [Text(_HINT, style="dim")]
        if self._keys:
            lines.insert(0, self._key_line())
        if self._faults.working_on:
            lines.append(Text(f"working on {self._faults.working_on} ..."))
        elif self._note:
            lines.append(Text(self._note, style="bold"))
        return Group(*lines)

    def _key_line(self) -> Text:
        broken = self._faults.broken()
        line = Text("break, mend".ljust(_LABEL + 2), style="dim")
        for what, key in KEYS.items():
            style = "bold red" if what in broken else "bold"
            line.append(key, style=f"{style} reverse")
            line.append(f" {what}", style=style if what in broken else "not dim")
            line.append(f"{self._symbol('down')} " if what in broken else "  ", style=style)
        line.append("q", style="bold reverse")
        line.append(" quit", style="not dim")
        return line

    def _symbol(self, word: str) -> str:
        _, symbol, plain = _LOOK[word]
        return symbol if self._unicode else plain

    def _dot(self) -> str:
        return " · " if self._unicode else ", "
