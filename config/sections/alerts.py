"""`alerts`: who hears of a burn."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, field
from msgspec.structs import force_setattr

from config.convert import suggestion
from config.options import Options
from config.sections.names import LabelName, Line, Name
from config.shapes import Rest

_SEVERITIES = ("page", "ticket")


class Receiver(Options, frozen=True, kw_only=True):
    """One place alerts go to; `rest` holds the keys of its kind."""

    type: Annotated[str, Meta(min_length=1, max_length=200, description="the kind of receiver, such as webhook")]
    rest: Rest


class Route(Options, frozen=True, kw_only=True):
    """Alerts whose labels equal `match` (an empty one matches all) go to every receiver in `to`."""

    match: dict[LabelName, Line] = field(default_factory=dict)
    to: Annotated[tuple[Name, ...], Meta(min_length=1, description="names of receivers: [oncall]")]


class Alerts(Options, frozen=True, kw_only=True):
    """Receivers, and which alert goes where. Receivers without any route all get everything."""

    mode: Annotated[
        Literal["agent", "auto", "fleet"],
        Meta(description="who calls: this agent, Prometheus while its watchdog is there, or Prometheus"),
    ] = "agent"
    receivers: dict[Name, Receiver] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()

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
