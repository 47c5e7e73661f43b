"""`groups`: verdicts over some of the probes, each with a path of its own."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta

from config.options import Options
from config.sections.names import Name


class Group(Options, frozen=True, kw_only=True):
    """Some probes and how many of them must work: `/groups/NAME` answers 200 while they do."""

    members: Annotated[tuple[Name, ...], Meta(min_length=1, description="names of probes: [orders-db, cache]")]
    #: all, any, or how many.
    rule: Literal["all", "any"] | Annotated[int, Meta(ge=1, description="a number")] = "all"
    #: A member that is degraded does not count as working.
    fail_on_degraded: bool = False

    def problems(self) -> Iterable[tuple[str, str]]:
        """As many as there are can be asked for, each once."""
        if len(set(self.members)) < len(self.members):
            yield "members", "names a probe twice; keep one of them"
        if isinstance(self.rule, int) and self.rule > len(self.members):
            yield "rule", f"asks for {self.rule} of {len(self.members)} members; write a smaller number, or all"

    @property
    def needed(self) -> int:
        """How many members must work."""
        if isinstance(self.rule, int):
            return self.rule
        return 1 if self.rule == "any" else len(self.members)
