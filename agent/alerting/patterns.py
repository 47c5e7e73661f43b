"""Regular expressions over labels that no text can make slow.

Alertmanager matches with RE2, which never backtracks; Python's `re` does, and a pattern of thirty characters can hold
it for minutes. So what people write in silences is matched here by sets of positions: each part says where it may end
when it begins at any of these places. That takes the length of the pattern times the length of the text, at most.
"""

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final

MOST_LETTERS = 256  #: of a pattern
MOST_DEPTH = 10  #: groups in groups
_KNOWN = 64  # texts of which the answer is remembered: the same labels are asked about each second

#: Where a part may end, for a text and the places where it may begin.
_Part = Callable[[str, AbstractSet[int]], AbstractSet[int]]

_CLASS = re.compile(r"\[\^?(?:\\[\w\W]|[^\[\]\\&|~])+\]")
_QUANTIFIERS: Final = {"*": (True, True), "+": (False, True), "?": (True, False)}  # may be absent, may be repeated


class Pattern:
    """Matches whole texts, as Alertmanager does."""

    def __init__(self, text: str) -> None:
        """Raises ValueError, which says what is wrong and what would be right."""
        if len(text) > MOST_LETTERS:
            raise ValueError(f"has more than {MOST_LETTERS} characters; write several matchers or a shorter one")
        parser = _Parser(text)
        self._part = parser.alternatives()
        self._known: dict[str, bool] = {}
        if parser.at < len(text):
            raise ValueError("closes a group that it does not open; escape the bracket as \\)")

    def fits(self, text: str) -> bool:
        """Whether the whole of this text matches."""
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            found = self._known[text] = len(text) in self._part(text, {0})
        return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at, self._depth = text, 0, 0

    def alternatives(self) -> _Part:
        found = [self._sequence()]
        while self._next() == "|":
            self.at += 1
            found.append(self._sequence())
        return found[0] if len(found) == 1 else lambda text, begins: {e for one in found for e in one(text, begins)}

    def _sequence(self) -> _Part:
        parts: list[_Part] = []
        while self._next() not in ("", "|", ")"):
            parts.append(self._repeated())

        def all_of(text: str, begins: AbstractSet[int]) -> AbstractSet[int]:
            for part in parts:
                begins = part(text, begins)
            return begins

        return all_of

    def _repeated(self) -> _Part:
        start = self.at
        part, simple = self._atom()
        sign = self._next()
        if sign == "{":
            raise ValueError("counts with { }, which is not taken here; write the part out, or use + or *")
        if sign not in _QUANTIFIERS or sign == "":
            return part
        self.at += 1
        if self._next() in _QUANTIFIERS and self._next():
            raise ValueError(f"repeats a repetition at '{self.text[start : self.at + 1]}'; write one of * + ?")
        absent, again = _QUANTIFIERS[sign]
        if again and not simple:
            raise ValueError("repeats a group, which is not taken here; repeat single characters, as in [0-9]+ or .*")
        return _repeat(part, absent=absent, again=again)

    def _atom(self) -> tuple[_Part, bool]:
        """One part, and whether it is a single character."""
        letter = self._next()
        self.at += 1
        if letter == "(":
            return self._group(), False
        if letter in "*+?{":
            raise ValueError(f"repeats nothing at '{letter}'; to mean the character itself write \\{letter}")
        if letter == "^":
            return lambda _, begins: begins & {0}, False
        if letter == "$":
            return lambda text, begins: begins & {len(text)}, False
        return _one(self._single(letter)), True

    def _group(self) -> _Part:
        if self.text.startswith("?", self.at) and not self.text.startswith("?:", self.at):
            raise ValueError("has a group with (?, which is not taken here; write ( or (?:")
        self.at += 2 if self.text.startswith("?:", self.at) else 0
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ValueError(f"nests more than {MOST_DEPTH} groups")
        part = self.alternatives()
        if self._next() != ")":
            raise ValueError("opens a group that it does not close; add ) or write \\(")
        self.at += 1
        self._depth -= 1
        return part

    def _single(self, letter: str) -> Callable[[str], bool]:
        if letter == ".":
            return lambda _: True
        if letter == "[":
            return self._class()
        if letter != "\\":
            return letter.__eq__
        escaped = self._next()
        self.at += 1
        if escaped and escaped in "dDwWsS":
            return _fits(f"\\{escaped}")
        if not escaped or escaped.isalnum():
            raise ValueError(f"has \\{escaped}, which is not taken here; write \\d \\w \\s, or \\ before a sign")
        return escaped.__eq__

    def _class(self) -> Callable[[str], bool]:
        found = _CLASS.match(self.text, self.at - 1)
        if found is None or "--" in found[0]:
            raise ValueError("has a [ ] that cannot be read; write such as [a-z0-9_], and \\[ for the bracket itself")
        self.at = found.end()
        try:
            return _fits(found[0])
        except re.error as error:
            raise ValueError(f"has {found[0]}, which cannot be read: {error.msg}") from None

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]


def _fits(one: str) -> Callable[[str], bool]:
    """Of a class: one character cannot make `re` slow."""
    compiled = re.compile(one, re.ASCII)
    return lambda letter: compiled.fullmatch(letter) is not None


def _one(fits: Callable[[str], bool]) -> _Part:
    return lambda text, begins: {at + 1 for at in begins if at < len(text) and fits(text[at])}


def _repeat(part: _Part, *, absent: bool, again: bool) -> _Part:
    def repeated(text: str, begins: AbstractSet[int]) -> AbstractSet[int]:
        news = part(text, begins)
        reached = set(news)
        while again and news:
            news = part(text, news) - reached
            reached |= news
        return reached | begins if absent else reached

    return repeated
