"""The page's HTML, from the shapes of the API. Pure; every text is escaped where it is put in."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any, NamedTuple
from urllib.parse import quote

from agent.readiness.policy import Status
from agent.units import seconds
from agent.web.api import shapes
from agent.web.page import sections

STYLE = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
REFRESH_SECONDS = 5

_FAVICON = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><circle cx='8' cy='8' r='7' fill='{}'/></svg>"


class Banner(NamedTuple):
    """The verdict for people: never told by colour alone."""

    tone: str  # good, warn, bad or calm
    word: str
    sentence: str


_COLOURS = {"good": "#1a7f4b", "warn": "#b7791f", "bad": "#c0362c", "calm": "#64748b"}


def banner(status: shapes.Overview) -> Banner:
    """The word and the sentence for the verdict."""
    verdict = status.verdict
    if verdict.draining:
        left = seconds(round(status.drain_seconds_left or 0))
        return Banner("bad", "Draining", f"This replica takes no new traffic and may stop in {left}.")
    if verdict.unjudged:
        return Banner("calm", "Unjudged", "No valid configuration is in force, so nothing is judged. Traffic flows.")
    if verdict.overridden:
        word = "Ready" if verdict.ready else "Not ready"
        return Banner("warn" if verdict.ready else "bad", word, "By a person's word, whatever the probes say.")
    if not verdict.ready and verdict.returning_seconds:
        return Banner("bad", "Returning", "All is well again. Replicas come back one after the other.")
    if not verdict.ready:
        if status.probes.unknown and not status.probes.down:
            return Banner("bad", "Starting", "Not every probe has answered yet. No traffic until then.")
        return Banner("bad", "Not ready", "Load balancers are told to send this replica no traffic.")
    if verdict.status is Status.DEGRADED:
        return Banner("warn", "Degraded", "This replica serves, but not everything it needs is well.")
    up = status.probes.up
    every = f" {up} probes are up." if up > 1 else " Its one probe is up." if up else ""
    return Banner("good", "Ready", f"This replica may get traffic.{every}")


def render(
    status: shapes.Overview,
    probes: Sequence[shapes.Probe],
    slos: Sequence[Mapping[str, Any]],
    alerts: Sequence[Mapping[str, Any]],
    pipeline: Mapping[str, Any],
    exceptions: Sequence[shapes.Thrown] = (),
    undelivered: Sequence[shapes.DeadLetter] = (),
    *,
    quiet: bool = False,
) -> str:
    """The whole page. `quiet`: Prometheus calls, and this agent does not."""
    top, service = banner(status), escape(status.service)
    return f"""{_head(top, service)}
<body>
<header><h1>{service}</h1><p>Outrider {escape(status.version)}, up {seconds(round(status.uptime_seconds))}</p></header>
<main>
{_banner(top, status.verdict.reasons)}
{sections.probes(probes, status.time)}
{sections.fleet(status.peers, status.groups)}
{sections.slos(slos)}
{sections.alerts(alerts, status.time, quiet=quiet)}
{sections.undelivered(undelivered, status.time)}
{sections.exceptions(exceptions, status.time)}
{sections.pipeline(pipeline)}
</main>
<footer>{_links()}<p>{status.time:%Y-%m-%d %H:%M:%S} UTC, renewed every {REFRESH_SECONDS} s</p></footer>
</body>
</html>
"""


def _head(top: Banner, service: str) -> str:
    icon = quote(_FAVICON.format(_COLOURS[top.tone]))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="{REFRESH_SECONDS}">
<title>{top.word}: {service}</title>
<link rel="icon" href="data:image/svg+xml,{icon}">
<style>{STYLE}</style>
</head>"""


def _banner(top: Banner, reasons: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    said = f"<ul>{items}</ul>" if items else ""
    return (
        f'<section class="banner {top.tone}" aria-labelledby="verdict"><span class="mark" aria-hidden="true"></span>'
        f'<div><h2 id="verdict">{top.word}</h2><p>{top.sentence}</p>{said}</div></section>'
    )


def _links() -> str:
    links = (
        ("/readyz?verbose", "verdict"),
        ("/metrics", "metrics"),
        ("/api/v1/probes", "probes as JSON"),
        ("/api/v1/config", "configuration"),
        ("/api/v1/openapi.json", "API"),
    )
    return "<nav>" + "".join(f'<a href="{path}">{text}</a>' for path, text in links) + "</nav>"
