"""A person's word on the verdict, for a while. Pure."""

from dataclasses import dataclass

from agent.health.windows import utc


@dataclass(frozen=True, slots=True)
class Override:
    """Ready or unready until then, whatever the members say.

    `until` is in monotonic seconds, and `ends` is the same moment on the wall clock, for people.
    """

    ready: bool
    until: float
    reason: str
    by: str = ""
    ends: float | None = None

    def in_force(self, now: float) -> bool:
        """Whether it counts at that (monotonic) moment."""
        return now < self.until

    @property
    def sentence(self) -> str:
        """What is forced, by whom, until when, and why."""
        who = f" by {self.by}" if self.by else ""
        until = "" if self.ends is None else f" until {utc(self.ends)}"
        return f"{'ready' if self.ready else 'unready'}{who}{until} ({self.reason})"


class Overrides:
    """The word that counts: the last that was given, until it expires."""

    def __init__(self) -> None:
        self._last: Override | None = None

    def current(self, now: float) -> Override | None:
        """What is in force at that (monotonic) moment."""
        if self._last is not None and not self._last.in_force(now):
            self._last = None
        return self._last

    def set(self, override: Override) -> None:
        """Put it in force, in place of what was."""
        self._last = override

    def clear(self, now: float) -> Override | None:
        """Let the members decide again; returns what was in force."""
        last, self._last = self.current(now), None
        return last
