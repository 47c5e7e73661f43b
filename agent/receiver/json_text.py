"""The tokens of JSON (RFC 8259), strictly, and no step among them takes long however long the text is.

json.loads would build objects of the whole body first, ten times its size, and hold the interpreter meanwhile. Each
function takes the text and a place in it, and returns what stands there and the place after it.
"""

import json
import re

from config.net.text import clean

_SPACE = r"[ \t\n\r]*+"
BARE = r'"([^"\\\x00-\x1f]*+)"'  #: a string without escapes
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+"
_INTEGER = r"-?(?:0|[1-9][0-9]{0,19})"

#: `{` and the first key, with a null after it in group 2, or `}` (then group 1 is None); and the same after a member.
FIRST = re.compile(rf"\{{{_SPACE}(?:{BARE}{_SPACE}:{_SPACE}(null)?+|\}})")
NEXT = re.compile(rf"{_SPACE}(?:,{_SPACE}{BARE}{_SPACE}:{_SPACE}(null)?+|\}})")
#: `[`, and `]` in group 1 where it is empty; and what follows an element: `,` or `]`.
OPEN = re.compile(rf"\[{_SPACE}(\])?")
FOLLOWS = re.compile(rf"{_SPACE}([,\]]){_SPACE}")
SPACE = re.compile(_SPACE)

_BRACE = re.compile(rf"\{{{_SPACE}")
_COMMA = re.compile(rf"{_SPACE},{_SPACE}")
_COLON = re.compile(rf"{_SPACE}:{_SPACE}(null)?+")
PLAIN = re.compile(BARE)
_WORD = re.compile(rf"{_NUMBER}|true|false|null")
WHOLE = re.compile(rf'"({_INTEGER})"|({_INTEGER})(?![0-9.eE])')
_REAL = re.compile(rf'"({_NUMBER}|NaN|-?Infinity)"|({_NUMBER})')
# A run of a string that has escapes: at most so much as takes well under a millisecond. Surrogates stay pairs.
_RUN = re.compile(
    r"(?:[^\"\\\x00-\x1f]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r'|\\u[0-9a-fA-F]{4}|\\["\\/bfnrt]){1,2000}+'
)
_LONGEST_NUMBER = 1000  # characters: a double written out in full has at most 767 digits
_EXACT = 2**53  # whole doubles up to here are exact


class Broken(ValueError):  # noqa: N818 - what the text is
    """What is wrong; `path` leads to it, from the inside out."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.path: list[str] = []


def expected(text: str, at: int, what: str) -> Broken:
    """The error for `what` not standing at `at`."""
    found = repr(clean(text[at : at + 80], 24)) if at < len(text) else "the end"
    return Broken(f"{what} expected, found {found} at character {at + 1}")


def key(text: str, at: int, *, first: bool) -> tuple[str, str | None, int]:
    """The key of a member, and the null behind it, where FIRST or NEXT did not match: it has escapes, or is none."""
    match = (_BRACE if first else _COMMA).match(text, at)
    if match is None:
        raise expected(text, at, "an object" if first else "',' or '}'")
    if not text.startswith('"', match.end()):
        raise expected(text, match.end(), "a key in double quotes")
    name, at = string(text, match.end())
    match = _COLON.match(text, at)
    if match is None:
        raise expected(text, at, "':'")
    return name, match[1], match.end()


def string(text: str, at: int) -> tuple[str, int]:
    """A string, which has an encoding in UTF-8."""
    match = PLAIN.match(text, at)
    if match:
        return match[1], match.end()
    if not text.startswith('"', at):
        raise expected(text, at, "a string")
    runs, at = [], at + 1
    while match := _RUN.match(text, at):
        runs.append(json.loads(f'"{match[0]}"'))
        at = match.end()
    if not text.startswith('"', at):
        raise expected(text, at, "the end of a string, or a character or escape that may be in one,")
    value = "".join(runs)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Broken("a lone surrogate, which is no character") from None
    return value, at + 1


def whole(text: str, at: int) -> tuple[int, int]:
    """An integer, as a number or as a string of one; 1.0 and 1e3 are integers too."""
    match = WHOLE.match(text, at)
    if match:
        return int(match[match.lastindex or 0]), match.end()
    match = _REAL.match(text, at)
    value = _value(match[match.lastindex or 0]) if match else float("nan")
    if match is None or not value.is_integer():
        raise expected(text, at, "an integer")
    if abs(value) > _EXACT:
        raise Broken("an integer out of range")
    return int(value), match.end()


def integer(text: str, at: int) -> tuple[int, int]:
    """An integer that is no string."""
    if text.startswith('"', at):
        raise expected(text, at, "an integer, not a name or a string,")
    return whole(text, at)


def real(text: str, at: int) -> tuple[float, int]:
    """A double: a number, a string of one, or one of the strings NaN, Infinity, -Infinity."""
    match = _REAL.match(text, at)
    if match is None:
        raise expected(text, at, 'a number, or one of "NaN", "Infinity", "-Infinity" in quotes,')
    return _value(match[match.lastindex or 0]), match.end()


def boolean(text: str, at: int) -> tuple[bool, int]:
    """`true` or `false`."""
    if text.startswith("true", at):
        return True, at + 4
    if text.startswith("false", at):
        return False, at + 5
    raise expected(text, at, "true or false")


def scalar(text: str, at: int) -> int:
    """The place after a string, number, true, false or null that nobody wants to know."""
    if text.startswith('"', at):
        return string(text, at)[1]
    match = _WORD.match(text, at)
    if match is None:
        raise expected(text, at, "a value")
    return match.end()


def _value(token: str) -> float:
    if len(token) > _LONGEST_NUMBER:
        raise Broken(f"a number of more than {_LONGEST_NUMBER} characters")
    value = float(token)
    if value in (float("inf"), float("-inf")) and not token.endswith("Infinity"):
        raise Broken("a number that is too large for a double")
    return value
