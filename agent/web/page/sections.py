"""The parts of the page below the banner, each with something to say when it is empty."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import quote

from agent.health.state import State
from agent.units import number, seconds
from agent.web.api import shapes
from probes.base import Kind
from probes.reason import Reason

DEAD_SHOWN = 5  #: alerts that were never delivered; the API has all
THROWN_SHOWN = 10  #: groups of exceptions; the API has all
READINGS_SHOWN = 4  #: per probe; the rest is a click away


def probes(items: Sequence[shapes.Probe], now: datetime) -> str:
    """The table of probes."""
    if not items:
        return _section(
            "Probes",
            '<p class="empty">No probes configured: Outrider says ready and watches nothing. '
            "Add one under <code>probes:</code> in the configuration, then <code>outrider check</code> it.</p>",
        )
    rows = (_probe(item, now) for item in items)
    return _section("Probes", _table(("Probe", "State", "Last attempt", "For", "Took", "Readings"), rows, "probes"))


def _probe(item: shapes.Probe, now: datetime) -> Iterable[str]:
    last = item.last
    overlays = "".join(f' <span class="overlay">{escape(each)}</span>' for each in item.overlays)
    about = " ".join(filter(None, (item.type, item.target)))
    named = (
        f'<a href="/api/v1/probes/{quote(item.name, safe="")}">{escape(item.name)}</a><small>{escape(about)}</small>'
    )
    note = f"<small>{escape(item.description)}</small>" if item.description else ""
    state = _state(item.state, item.state)
    runbook = _link(item.runbook_url, "runbook") if item.state in {State.DOWN, State.DEGRADED} else ""
    return (
        f"{named}{note}",
        f"{state}{overlays}",
        f"{_reason(item)}{runbook}",
        escape(seconds(max(0, round((now - item.since).total_seconds())))),
        escape(seconds(last.seconds)) if last else "",
        _readings(item),
    )


def _reason(item: shapes.Probe) -> str:
    last = item.last
    if last is None:
        return '<span class="quiet">none yet</span>'
    said = last.outcome.value if last.reason is Reason.OK else last.reason.value
    where = f" in {last.phase}" if last.phase else ""
    detail = f"<small>{escape(last.detail)}</small>" if last.detail else ""
    return f"{escape(said + where)}{detail}"


def _readings(item: shapes.Probe) -> str:
    shown = sorted(item.readings, key=lambda reading: reading.kind is Kind.COUNTER)[:READINGS_SHOWN]
    told = [f'<span class="reading"><b>{_value(reading)}</b> {escape(_label(reading))}</span>' for reading in shown]
    if more := len(item.readings) - len(shown):
        told.append(f'<span class="quiet">and {more} more</span>')
    return " ".join(told)


def _label(reading: shapes.Reading) -> str:
    name = reading.name.replace("_", " ")
    return f"{name} {reading.item}" if reading.item else name


def _value(reading: shapes.Reading) -> str:
    return "unreadable" if reading.value is None else escape(number(reading.value, reading.unit))


def fleet(peers: shapes.Peers | None, groups: Mapping[str, shapes.Group]) -> str:
    """The other replicas, and the groups; nothing where there is neither."""
    said = ""
    if peers is not None:
        tone = " bad" if peers.isolated else ""
        alone = ": none answers" if peers.isolated else ""
        said = f'<p class="empty{tone}">{peers.fresh} of {peers.known} other replicas are heard{alone}.</p>'
    if not groups:
        return _section("Fleet", said) if said else ""
    table = _table(("Group", "State", "Working", "Needed", "Members"), map(_group, groups.items()), "groups")
    return _section("Fleet and groups" if said else "Groups", said + table)


def _group(named: tuple[str, shapes.Group]) -> Iterable[str]:
    name, group = named
    tone = "down" if not group.ready else "degraded" if group.status == "degraded" else "up"
    word = "ready" if group.ready else "not ready"
    link = f'<a href="/groups/{quote(name, safe="")}?verbose">{escape(name)}</a>'
    return link, _state(tone, word), str(group.working), str(group.needed), escape(", ".join(group.members))


def slos(items: Sequence[Mapping[str, Any]]) -> str:
    """One row per objective."""
    if not items:
        empty = "No objectives configured. One line makes one: <code>slo: 99.9%</code> on a probe."
        return _section("Objectives", f'<p class="empty">{empty}</p>')
    heads = ("Objective", "Target", "Budget left", "Burn rates", "Runs out in")
    return _section("Objectives", _table(heads, (_slo(item) for item in items), "slos"))


def _slo(item: Mapping[str, Any]) -> Iterable[str]:
    burn = item["burn_rate"]
    left = item["error_budget_remaining_ratio"]
    lasts = item["seconds_to_exhaustion"]
    tone = "bad" if left <= 0 else ""
    about = f"{item['sli']}, over {seconds(item['window_seconds'])}"
    if item.get("problem"):
        about += f"; not counted: {item['problem']}"
    return (
        f"{escape(item['name'])}<small>{escape(about)}</small>",
        f"{item['objective'] * 100:.6g} %",
        f'<span class="{tone}">{escape(number(left, "ratio"))}</span>',
        ", ".join(f"{escape(window)} {escape(number(rate, ''))}" for window, rate in burn.items()),
        "spent" if left <= 0 else "not at this rate" if lasts is None else escape(seconds(lasts)),
    )


def alerts(items: Sequence[Mapping[str, Any]], now: datetime, *, quiet: bool) -> str:
    """What is firing or about to."""
    if not items:
        calls = " Prometheus calls; this agent is quiet." if quiet else ""
        return _section("Alerts", f'<p class="empty">None firing.{calls}</p>')
    heads = ("Alert", "State", "Severity", "For", "What it says")
    return _section("Alerts", _table(heads, (_alert(item, now, quiet=quiet) for item in items), "alerts"))


def _alert(item: Mapping[str, Any], now: datetime, *, quiet: bool) -> Iterable[str]:
    said = item["annotations"]
    since = seconds(max(0, round((now - item["since"]).total_seconds())))
    cause = f"<small>{escape(said['root_cause'])}</small>" if "root_cause" in said else ""
    return (
        f"{escape(item['about'] or 'this replica')}<small>{escape(item['name'])}</small>",
        f"{_state('down' if item['state'] == 'firing' else 'unknown', item['state'])}{_silenced(item, quiet=quiet)}",
        escape(item["severity"]),
        since,
        f"{escape(said.get('summary', ''))}{_link(said.get('runbook_url', ''), 'runbook')}{cause}",
    )


def _silenced(item: Mapping[str, Any], *, quiet: bool) -> str:
    """Why nobody is told of it."""
    if not item["silenced"]:
        return "<small>left to Prometheus</small>" if quiet and not item.get("receivers") else ""
    until = item["silenced_until"].strftime("%Y-%m-%d %H:%M UTC")
    return f"<small>silenced until {until} by {escape(item['silenced_by'])}</small>"


def undelivered(items: Sequence[shapes.DeadLetter], now: datetime) -> str:
    """What receivers will never hear, the newest first; nothing where there is none."""
    if not items:
        return ""
    heads = ("Alert never delivered", "To", "What became of it", "When")
    return _section("Undelivered", _table(heads, (_dead(item, now) for item in items[:DEAD_SHOWN]), "undelivered"))


def _dead(item: shapes.DeadLetter, now: datetime) -> Iterable[str]:
    word = "firing" if item.resolved_at is None else "resolved"
    ago = seconds(max(0, round((now - item.at).total_seconds())))
    return (
        f"{escape(item.summary or item.name)}<small>{word}</small>",
        escape(item.receiver),
        f"{escape(item.outcome)}<small>{escape(item.why)}</small>",
        f"{escape(ago)} ago",
    )


def exceptions(items: Sequence[shapes.Thrown], now: datetime) -> str:
    """What spans told of, the newest first; nothing where there was none: not every service records them."""
    if not items:
        return ""
    heads = ("Exception", "Where", "Times", "Last", "Trace")
    return _section("Exceptions", _table(heads, (_thrown(item, now) for item in items[:THROWN_SHOWN]), "exceptions"))


def _thrown(item: shapes.Thrown, now: datetime) -> Iterable[str]:
    ago = seconds(max(0, round((now - item.last_seen).total_seconds())))
    return (
        f"{escape(item.type)}<small>{escape(item.message)}</small>",
        escape(" ".join(filter(None, (item.service, item.route)))),
        escape(number(item.count, "")),
        f"{escape(ago)} ago",
        f"<code>{escape(item.traces[-1])}</code>" if item.traces else '<span class="quiet">not forwarded</span>',
    )


def pipeline(ledger: Mapping[str, Any]) -> str:
    """Where the spans went."""
    destinations = ledger.get("destinations") or {}
    if not destinations:
        empty = "Spans are not forwarded. A destination under <code>traces: forward:</code> starts it."
        return _section("Traces", f'<p class="empty">{empty}</p>')
    trouble = ledger["storage"]["trouble"]
    said = (
        f'<p class="empty bad">What comes in is kept in memory only, until the state folder can be used: '
        f"{escape(trouble)}</p>"
        if trouble
        else ""
    )
    where = "" if trouble else " in memory" if ledger["durability"] == "memory" else " on disk"
    heads = ("Destination", "State", "Delivered", "Queued", "Refused upstream", "Dropped")
    rows = (_destination(name, counts, where) for name, counts in destinations.items())
    return _section("Traces", said + _table(heads, rows, "traces"))


def _destination(name: str, counts: Mapping[str, Any], where: str) -> Iterable[str]:
    trouble = f"<small>{escape(counts['trouble'])}</small>" if counts["trouble"] else ""
    return (
        f"{escape(name)}{trouble}",
        _state("down" if counts["failures"] else "up", counts["state"]),
        number(counts["delivered_spans"], ""),
        _queued(counts, where),
        _by_reason(counts["rejected_upstream_spans"]),
        _by_reason(counts["dropped_spans"]),
    )


def _queued(counts: Mapping[str, Any], where: str) -> str:
    waiting = number(counts["queue_spans"], "")
    if not counts["queue_spans"]:
        return waiting
    size, age = number(counts["queue_bytes"], "bytes"), seconds(round(counts["queue_oldest_seconds"]))
    return f"{waiting}<small>{escape(f'{size}{where}, the oldest for {age}')}</small>"


def _by_reason(counts: Mapping[str, int]) -> str:
    told = f"<small>{escape(', '.join(counts))}</small>" if counts else ""
    return f"{number(sum(counts.values()), '')}{told}"


def _state(tone: str, word: str) -> str:
    """A word with a mark before it whose shape says the same as its colour."""
    return f'<span class="state {tone}"><span class="mark" aria-hidden="true"></span>{escape(word)}</span>'


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _table(heads: Sequence[str], rows: Iterable[Iterable[str]], name: str) -> str:
    """A table. The roles stay when the style lays its rows out as cards on a phone."""
    head = "".join(f'<th scope="col" role="columnheader">{text}</th>' for text in heads)
    body = "".join(f'<tr role="row">{_cells(heads, row)}</tr>' for row in rows)
    return (
        f'<table role="table" class="{name}"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def _cells(heads: Sequence[str], row: Iterable[str]) -> str:
    first, *rest = row
    cells = "".join(
        f'<td role="cell" data-head="{text}">{cell}</td>' for text, cell in zip(heads[1:], rest, strict=True)
    )
    return f'<th scope="row" role="rowheader">{first}</th>{cells}'


def _link(url: str, text: str) -> str:
    """A link out, only to the web: a `javascript:` address in the file must not become one."""
    if not url.startswith(("https://", "http://")):
        return ""
    return f' <a class="out" href="{escape(url)}" rel="noreferrer noopener">{text}</a>'
