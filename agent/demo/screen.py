"""The demo in a terminal: the replicas' verdicts, the probes of the first one live, the keys that break things."""

import re
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agent import units
from agent.demo.control import KEYS
from agent.demo.faults import Faults
from agent.demo.glance import AlertGlance, Glance, LedgerGlance, ReplicaGlance
from agent.demo.rate import Rates
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
    "silent": ("bold red", "○", "?"),
}
_VERDICT = {
    "ready": "READY",
    "degraded": "READY, DEGRADED",
    "unready": "NOT READY",
    "unjudged": "READY, UNJUDGED",
    "silent": "NO ANSWER",
}
#: Where there is no reason to give.
_PLAIN = {"ready": ("every probe is up: it may get traffic",), "silent": ("its Outrider does not answer",)}
_NUMBER = re.compile(r"\d+")
_MANY_QUEUED = 20  # spans; the service makes about ten in a second
_LABEL = len("alertmanager")  # the widest one on the left
_WIDEST = len(" * READY, DEGRADED ")
_HINT = "from another terminal: make demo-break WHAT=shared, demo-mend WHAT=shared"


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
        self._rates = Rates()
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
        parts = (self._replicas(seen), self._table(seen), self._facts(seen), self._foot())
        spaced = (Padding(part, (0, 0, 1, 0)) for part in parts)
        return Padding(Group(*spaced, self._places()), (0, 2))

    def _replicas(self, seen: Glance) -> RenderableType:
        """Each replica in one line; the first, whose probes stand below, says all it has to say."""
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(no_wrap=True, min_width=len("replica 1"))
        grid.add_column(no_wrap=True, min_width=_WIDEST)
        grid.add_column(ratio=1)
        first = seen.replicas[0]
        for number, replica in enumerate(seen.replicas, start=1):
            style, _, _ = _LOOK[replica.verdict]
            said = replica.reasons or _PLAIN.get(replica.verdict, ())
            why = Text("\n".join(said), style=style if replica.reasons else "dim")
            if replica is not first:
                why = Text("for the same reason", style=style) if _alike(replica, first) else self._one_line(why)
            badge = Text(f" {self._symbol(replica.verdict)} {_VERDICT[replica.verdict]} ", f"{style} reverse")
            grid.add_row(Text(f"replica {number}", style="bold"), badge, why)
        return grid

    def _one_line(self, text: Text) -> Text:
        text.no_wrap, text.overflow = True, "ellipsis" if self._unicode else "crop"
        text.plain = text.plain.replace("\n", self._dot())
        return text

    def _table(self, seen: Glance) -> RenderableType:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=True)
        names = [len(probe.name) for probe in seen.probes]
        widest = {"probe": max(names, default=0), "state": len("x degraded")}
        for heading in ("probe", "type", "state"):
            table.add_column(heading, no_wrap=True, min_width=widest.get(heading, len("postgres")))
        table.add_column("took", no_wrap=True, justify="right", min_width=len("0.12 ms"))
        heading = f"replica 1, up {units.seconds(int(seen.uptime))}"
        table.add_column(heading, no_wrap=True, overflow="ellipsis" if self._unicode else "crop", ratio=1)
        for probe in seen.probes:
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
        if rate := self._rates.add(seen.uptime, seen.requests):
            failed = Text(f"{rate.failed:.0%} failed", style="bold red" if rate.failed else "")
            grid.add_row("requests", Text.assemble(f"{rate.per_second:.1f}/s, ", failed))
        ledger = seen.ledger
        grid.add_row("spans", _books(ledger))
        if ledger.trouble:
            waits = f"{units.number(ledger.bytes, 'bytes')} {ledger.where}"
            grid.add_row("upstream", Text(f"{waits}; {ledger.trouble}", style="yellow"))
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
        first, *others = (url for name, url in at.items() if name.endswith("-admin"))
        grid.add_row("pages", f"{first}/" + "".join(f"  :{urlsplit(url).port}/" for url in others))
        grid.add_row("verdict", f"{at['outrider-1']}/readyz?verbose  /metrics")
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
        line = Text(style="dim")
        for what, key in KEYS.items():
            style = "bold red" if what in broken else "bold"
            line.append(key, style=f"{style} reverse")
            line.append(f" {what}", style=style if what in broken else "not dim")
            line.append(f"{self._symbol('down') if what in broken else ''} ", style=style)
        line.append("q", style="bold reverse")
        line.append(" quit", style="not dim")
        return line

    def _symbol(self, word: str) -> str:
        _, symbol, plain = _LOOK[word]
        return symbol if self._unicode else plain

    def _dot(self) -> str:
        return " · " if self._unicode else ", "


def _books(ledger: LedgerGlance) -> Text:
    """The equation of the ledger."""
    queued = Text(f"{ledger.queued:,} queued", style="yellow" if ledger.queued > _MANY_QUEUED else "")
    taken = f"{ledger.accepted:,} received = {ledger.delivered:,} delivered + {ledger.dropped:,} dropped + "
    return Text.assemble(taken, queued)


def _alike(one: ReplicaGlance, other: ReplicaGlance) -> bool:
    """Whether both give the same reasons, but for the numbers in them."""
    told, others = (_NUMBER.sub("", "\n".join(each.reasons)) for each in (one, other))
    return bool(told) and told == others
