"""Which alerts a silence is for, written as in Alertmanager: `slo=orders`, `severity!=page`, `team=~"pay.*"`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from agent.alerting.patterns import Pattern

MOST_LETTERS = 256  #: of a value

_FORM = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_]{0,127})\s*(=~|!~|!=|=)(.*)", re.DOTALL)
_PLAIN = re.compile(r"[^\s\"'{},=!~\\]+")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; an absent label is the empty one. A `regex` must match the whole value."""

    name: str
    value: str
    regex: bool = False
    equal: bool = True
    _pattern: Pattern | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, name: str, value: str, *, regex: bool = False, equal: bool = True) -> Self:
        """Raises ValueError, which says what is wrong and what would be right."""
        if not _FORM.fullmatch(f"{name}="):
            raise ValueError("names no label; a name is made of letters, digits and _")
        if len(value) > MOST_LETTERS:
            raise ValueError(f"has a value of more than {MOST_LETTERS} characters")
        if not value.isprintable():
            raise ValueError("has a value with a character that cannot be printed")
        return cls(name, value, regex, equal, Pattern(value) if regex else None)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `name=value`, `name!=value`, `name=~regex` or `name!~regex`. Raises ValueError likewise."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError('is no matcher; write such as slo=orders, severity!=page or team=~"pay.*"')
        name, sign, value = found[1], found[2], found[3].strip()
        if value.startswith('"'):
            value = _unquoted(value)
        return cls.of(name, value, regex=sign.endswith("~"), equal=sign[0] == "=")

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels meets it."""
        value = labels.get(self.name, "")
        return (self._pattern.fits(value) if self._pattern else value == self.value) is self.equal

    def __str__(self) -> str:
        """As `parse` reads it."""
        sign = ("=" if self.equal else "!") + ("~" if self.regex else "" if self.equal else "=")
        value = self.value if _PLAIN.fullmatch(self.value) else json.dumps(self.value, ensure_ascii=False)
        return f"{self.name}{sign}{value}"


def _unquoted(value: str) -> str:
    try:
        read = json.loads(value, strict=False)
    except (json.JSONDecodeError, RecursionError):
        read = None
    if not isinstance(read, str):
        raise ValueError('has quotes that do not close; inside them write \\" and \\\\')  # noqa: TRY004 - what people wrote
    return read
