"""The kinds of probes, destinations and receivers that this installation knows, as their options."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from config import shapes
from config.options import Options
from config.sections.alerts import Receiver
from config.sections.probes import ProbeEntry
from config.sections.traces import Destination

OptionTypes = Mapping[str, type[Options]]


@dataclass(frozen=True, slots=True)
class Kinds:
    """Options classes by the name of their kind in the file. They live upstairs; whoever knows them passes them in."""

    probes: OptionTypes = field(default_factory=dict)
    destinations: OptionTypes = field(default_factory=dict)
    receivers: OptionTypes = field(default_factory=dict)

    def of(self, entry: type[msgspec.Struct]) -> OptionTypes:
        """The kinds that an entry of this type may be."""
        return {ProbeEntry: self.probes, Destination: self.destinations, Receiver: self.receivers}.get(entry, {})

    def options(self, entry: type[msgspec.Struct], kind: str) -> type[Options] | None:
        """The options of one kind; "" stands for the entry's default kind."""
        default = shapes.fields(entry)[0]["type"].default
        return self.of(entry).get(kind or str(default))
