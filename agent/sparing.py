"""Log lines that clients can cause: one a minute at most, with the number of those held back."""

import logging
from dataclasses import dataclass, field

EVERY = 60.0  #: seconds between two lines of the same kind


@dataclass(slots=True)
class SparingLog:
    """Writes the first line of each kind at once, later ones at most once a minute. `kind` is from a closed set."""

    logger: logging.Logger
    _held: dict[str, tuple[float, int]] = field(default_factory=dict)  # kind -> when the last line went out, held back

    def write(self, level: int, kind: str, text: str, now: float, error: BaseException | None = None) -> None:
        """Write `text`, unless a line of this kind went out less than a minute before `now` (monotonic)."""
        at, held = self._held.get(kind, (-EVERY, 0))
        if now - at < EVERY:
            self._held[kind] = (at, held + 1)
            return
        self._held[kind] = (now, 0)
        before = f" ({held} more like it since the last line)" if held else ""
        self.logger.log(level, "%s%s", text, before, exc_info=error)
