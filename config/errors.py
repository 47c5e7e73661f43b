"""What is wrong with a file: all of it at once, each with its place."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

MOST = 50  #: problems shown; more than that come from one cause
_LONGEST = 60  # characters of a value that an error repeats


class Position(NamedTuple):
    """Where something stands in a file, both counted from 1."""

    line: int
    column: int


def quoted(text: str) -> str:
    """A value from the file as an error shows it: in quotes, on one line, not too long."""
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `path` is the keys that lead to it, `text` says what is wrong; what would be right."""

    path: str
    text: str
    position: Position | None = None
    source: str = ""

    def __str__(self) -> str:
        place = [self.source] if self.source else []
        if self.position:
            place += [str(self.position.line), str(self.position.column)]
        where = ":".join(place)
        return ": ".join(part for part in (where, self.path, self.text) if part)


@dataclass(slots=True)
class Problems:
    """Collects what is wrong with one source, so that a person hears of everything in one go."""

    source: str = ""
    _found: dict[Problem, None] = field(default_factory=dict)

    def add(self, path: str, text: str, position: Position | None = None) -> None:
        """Note one more; the same one twice counts once."""
        self._found[Problem(path, text, position, self.source)] = None

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Problem]:
        """In the order of the file; those without a place last."""
        last = Position(1 << 62, 0)
        return iter(sorted(self._found, key=lambda problem: problem.position or last))

    def raise_if_any(self) -> None:
        """Raise ConfigError when anything was noted."""
        if self._found:
            raise ConfigError(tuple(self))


class ConfigError(Exception):
    """A file cannot be used.

    `str()` is one line for each problem: `file:line:column: path: what is wrong; what would be right`.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        lines = [str(problem) for problem in problems[:MOST]]
        if len(problems) > MOST:
            lines.append(f"... and {len(problems) - MOST} more")
        super().__init__("\n".join(lines))
        self.problems = problems
