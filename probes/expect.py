"""What an answer must be: patterns on text and headers, rules on JSON. Compiled once, checked on every attempt."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from config.net.text import clean
from config.options import Options

Plain = str | int | float | bool | None  #: a JSON scalar, as a person writes it
SHOWN = 120  #: characters of what was found that an error text shows

_COMPARISON = re.compile(r"(>=|<=|==|!=|>|<|~)\s*(.*)", re.DOTALL)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class HeaderRule(Options, frozen=True):
    """One header: a pattern for its value, and whether the header may be absent."""

    match: Annotated[str, msgspec.Meta(description="regular expression, found anywhere in a value of the header")]
    allow_missing: Annotated[bool, msgspec.Meta(description="true: an absent header is as good")] = False


HeaderRules = dict[str, str | HeaderRule | tuple[str, ...]]


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression. Raises ValueError that says where it is wrong."""
    try:
        return re.compile(text)
    except re.error as error:
        at = f" at character {error.pos + 1}" if error.pos is not None else ""
        raise ValueError(f"is not a regular expression: {error.msg}{at} of {clean(text, 60)!r}") from None


def pattern_problems(key: str, texts: str | Iterable[str]) -> Iterable[tuple[str, str]]:
    """One problem for each text that is not a regular expression."""
    for text in [texts] if isinstance(texts, str) else texts:
        try:
            pattern(text)
        except ValueError as error:
            yield key, f"{error}; write one as Python's re reads it, with \\ before a literal . ( [ + ? *"


def header_problems(key: str, rules: HeaderRules) -> Iterable[tuple[str, str]]:
    """Problems of a map of header rules."""
    for name, rule in rules.items():
        if not name.strip():
            yield key, "has a rule for a header without a name; name the header"
        yield from pattern_problems(f"{key}.{name}", rule.match if isinstance(rule, HeaderRule) else rule)


def json_problems(key: str, rules: Mapping[str, Plain]) -> Iterable[tuple[str, str]]:
    """Problems of a map of JSON rules."""
    for path, wanted in rules.items():
        try:
            JsonRule.parse(path, wanted)
        except ValueError as error:
            yield f"{key}.{path}", str(error)


@dataclass(frozen=True, slots=True)
class TextRules:
    """Patterns that a text must hold, and patterns that it must not."""

    wanted: Sequence[re.Pattern[str]] = ()
    unwanted: Sequence[re.Pattern[str]] = ()

    @classmethod
    def parse(cls, wanted: str | Iterable[str], unwanted: str | Iterable[str]) -> "TextRules":
        """Compile; raises ValueError."""
        return cls(_patterns(wanted), _patterns(unwanted))

    def __bool__(self) -> bool:
        return bool(self.wanted or self.unwanted)

    def problem(self, name: str, text: str) -> str | None:
        """What is wrong with `text`, called `name`; None when nothing is."""
        for rule in self.unwanted:
            hit = rule.search(text)
            if hit:
                return f"{name} matches {rule.pattern!r}, and must not: {clean(hit[0], SHOWN)!r}"
        for rule in self.wanted:
            if not rule.search(text):
                return f"{name} does not match {rule.pattern!r}: {clean(text, SHOWN)!r}"
        return None


@dataclass(frozen=True, slots=True)
class HeaderCheck:
    """All rules on one header. A header may come several times: one value that matches is enough."""

    name: str
    patterns: Sequence[re.Pattern[str]]
    wanted: bool
    allow_missing: bool

    @classmethod
    def compile(cls, rules: HeaderRules, *, wanted: bool) -> list["HeaderCheck"]:
        """One check per header; raises ValueError."""
        return [
            cls(name, _patterns(rule.match), wanted, rule.allow_missing)
            if isinstance(rule, HeaderRule)
            else cls(name, _patterns(rule), wanted, allow_missing=False)
            for name, rule in rules.items()
        ]

    def problem(self, values: Sequence[str]) -> str | None:
        """What is wrong with the header's values; None when nothing is."""
        if not values:
            return None if self.allow_missing else f"the header {self.name} is missing"
        for rule in self.patterns:
            hits = [value for value in values if rule.search(value)]
            if hits and not self.wanted:
                return f"the header {self.name} matches {rule.pattern!r}, and must not: {clean(hits[0], SHOWN)!r}"
            if not hits and self.wanted:
                found = clean(", ".join(values), SHOWN)
                return f"the header {self.name} does not match {rule.pattern!r}: {found!r}"
        return None


@dataclass(frozen=True, slots=True)
class JsonRule:
    """A JMESPath expression and what it must give. Comparison knows types: 1 is not "1", and true is not 1."""

    path: str
    operator: str
    wanted: Plain
    expression: Any  # jmespath's compiled form has no public type

    @classmethod
    def parse(cls, path: str, wanted: Plain) -> "JsonRule":
        """Compile; raises ValueError that says what is wrong and what would be right."""
        from jmespath import compile as compiled  # noqa: PLC0415 - a megabyte that only rules on JSON need
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415

        try:
            expression = compiled(path)
        except JMESPathError as error:
            said = clean(str(error).partition(", for expression")[0], SHOWN)
            raise ValueError(f"is not a JMESPath expression: {said}; write one such as checks[0].status") from None
        comparison = _COMPARISON.fullmatch(wanted) if isinstance(wanted, str) else None
        if comparison is None:
            return cls(path, "==", wanted, expression)
        return cls(path, comparison[1], _operand(comparison[1], comparison[2]), expression)

    def problem(self, document: object) -> str | None:
        """What is wrong with the document; None when nothing is. A missing path is always wrong."""
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - is there since `parse`

        try:
            found = self.expression.search(document)
        except JMESPathError as error:
            return f"{self.path} cannot be evaluated: {clean(str(error), SHOWN)}"
        if self._holds(found):
            return None
        shown = "nothing" if found is None else clean(msgspec.json.encode(found).decode(), SHOWN)
        return f"{self.path}: wanted {self._wish()}, found {shown}"

    def _wish(self) -> str:
        wish = str(self.wanted) if self.operator == "~" else msgspec.json.encode(self.wanted).decode()
        return wish if self.operator == "==" else f"{self.operator} {wish}"

    def _holds(self, found: object) -> bool:
        if found is None:  # JMESPath gives null for a missing path: only a rule that wants null is content
            return self.operator == "==" and self.wanted is None
        if self.operator == "~":
            return isinstance(found, str) and re.search(str(self.wanted), found) is not None
        if self.operator in _ORDER:
            return _is_number(found) and _ORDER[self.operator](found, self.wanted)
        return _same(found, self.wanted) is (self.operator == "==")


def _operand(symbol: str, text: str) -> Plain:
    """The right side of a comparison, as the JSON scalar it is, else as text."""
    if symbol == "~":
        pattern(text)
        return text
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        value = text
    if symbol in _ORDER and not _is_number(value):
        raise ValueError(f"compares with {clean(text, 40)!r}, which is not a number; write {symbol} 5")
    if value == "" and not text:
        raise ValueError(f"compares with nothing; write {symbol} and a value")
    return value if isinstance(value, (str, int, float, bool)) or value is None else text


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(found: object, wanted: object) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return found == wanted


def _patterns(texts: str | Iterable[str]) -> list[re.Pattern[str]]:
    return [pattern(text) for text in ([texts] if isinstance(texts, str) else texts)]
