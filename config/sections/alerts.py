"""`alerts`: who hears of a burn, and of what needs no objective."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, field
from msgspec.structs import force_setattr

from config.convert import suggestion
from config.options import Options
from config.sections.names import LabelName, Line, Name
from config.shapes import Rest
from config.types import Duration

_SEVERITIES = ("page", "ticket")


class Receiver(Options, frozen=True, kw_only=True):
    """One place alerts go to; `rest` holds the keys of its kind."""

    type: Annotated[str, Meta(min_length=1, max_length=200, description="the kind of receiver, such as webhook")]
    rest: Rest


class Route(Options, frozen=True, kw_only=True):
    """Alerts whose labels equal `match` (an empty one matches all) go to every receiver in `to`."""

    match: dict[LabelName, Line] = field(default_factory=dict)
    to: Annotated[tuple[Name, ...], Meta(min_length=1, description="names of receivers: [oncall]")]


class PlainAlert(Options, frozen=True, kw_only=True):
    """One alert that needs no objective. What is left out is as the table of docs/alerts.md says."""

    #: `page` wakes a person, `ticket` waits for the morning.
    severity: Literal["page", "ticket"] | None = None
    #: How long it must hold before anybody is told.
    for_: Annotated[Duration, Meta(le=86400)] | None = field(default=None, name="for")
    #: How long it must be over before that is told.
    keep_firing_for: Annotated[Duration, Meta(le=86400)] | None = None
    #: Nobody is told of it at all.
    off: bool = False


class PlainAlerts(Options, frozen=True, kw_only=True):
    """The alerts that need no objective; all of them are on where there is a receiver."""

    #: None of them is wanted.
    off: bool = False
    #: A probe is down.
    probe_down: PlainAlert = PlainAlert()
    #: A probe is degraded, as by a reading beyond its bound.
    probe_degraded: PlainAlert = PlainAlert()
    #: The certificate that a probe met expires sooner than the probe's bound.
    certificate_expires: PlainAlert = PlainAlert()
    #: The results of a probe keep changing.
    probe_flapping: PlainAlert = PlainAlert()
    #: This replica would have left for a shared fault, and was held.
    brake_open: PlainAlert = PlainAlert()
    #: There are other replicas, and none of them answers.
    isolated: PlainAlert = PlainAlert()
    #: The agent cannot tell how its probes are.
    blind: PlainAlert = PlainAlert()
    #: A destination of telemetry refuses what it gets, or something on its way there is lost.
    upstream_refused: PlainAlert = PlainAlert()


class Alerts(Options, frozen=True, kw_only=True):
    """Receivers, and which alert goes where. Receivers without any route all get everything."""

    mode: Annotated[
        Literal["agent", "auto", "fleet"],
        Meta(description="who calls: this agent, Prometheus while its watchdog is there, or Prometheus"),
    ] = "agent"
    receivers: dict[Name, Receiver] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    plain: PlainAlerts = PlainAlerts()

    def __post_init__(self) -> None:
        if self.receivers and not self.routes:
            force_setattr(self, "routes", (Route(to=tuple(self.receivers)),))

    def problems(self) -> Iterable[tuple[str, str]]:
        """Routes lead to receivers that exist, and match severities that exist; `auto` has somebody to ask."""
        if self.mode == "auto" and not any(each.type == "alertmanager" for each in self.receivers.values()):
            right = "write receivers: {fleet: {type: alertmanager, urls: [http://alertmanager:9093]}}, or mode: agent"
            yield "mode", f"auto asks an Alertmanager whether Prometheus calls, and no receiver is one; {right}"
        for number, route in enumerate(self.routes):
            for name in route.to:
                if name not in self.receivers:
                    yield f"routes[{number}].to", f"'{name}' names no receiver; {suggestion(name, self.receivers)}"
            severity = route.match.get("severity", "page")
            if severity not in _SEVERITIES:
                yield f"routes[{number}].match.severity", f"'{severity}' is no severity; write page or ticket"
