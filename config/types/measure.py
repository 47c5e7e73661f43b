"""Quantities in base units: seconds, bytes, ratios, events per second, and thresholds on any of them."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Self

from config.types.base import Unfit

_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
    "w": Decimal(604800),
}
_PER = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_BYTES = {"": 1, "B": 1}
for _power, _letter in enumerate("KMGT", start=1):
    _BYTES[f"{_letter}iB"] = _BYTES[f"{_letter}i"] = 1024**_power  # Ki and Mi are Kubernetes' spelling
    _BYTES[f"{_letter}B"] = 1000**_power
_BYTES["kB"] = 1000

# Longer runs of digits mean nothing here, and would cost time to read.
_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,40})?"
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|[smhdw]))+")
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|[smhdw])")
_PERCENT = re.compile(rf"({_NUMBER})\s?%")
_PLAIN = re.compile(_NUMBER)
_SIZE = re.compile(rf"({_NUMBER})\s?([A-Za-z]*)")
_RATE = re.compile(rf"({_NUMBER})\s?/\s?([a-z]+)")
_SIGNED = re.compile(rf"-?{_NUMBER}(?:[eE][-+]?[0-9]{{1,2}})?")

_LONGEST = Decimal(36500) * _SECONDS["d"]
_NANOSECOND = Decimal("1e-9")
_LARGEST = 1 << 60


def _digits(number: Decimal) -> str:
    """Plain digits, without an exponent or idle zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class Duration(float):
    """A length of time, in seconds; at most a hundred years. Written `500ms`, `10s`, `5m`, `1h30m`, `30d`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a duration. Only 0 may stand without a unit."""
        if text == "0":
            return cls(0)
        if _PLAIN.fullmatch(text):
            raise Unfit("has no unit; write 10s or 500ms")
        if not _DURATION.fullmatch(text):
            raise Unfit("is not a duration; write one such as 500ms, 10s, 5m or 30d")
        seconds = sum((Decimal(n) * _SECONDS[unit] for n, unit in _DURATION_PART.findall(text)), Decimal(0))
        if seconds > _LONGEST:
            raise Unfit("is longer than a hundred years; write something a person can wait for")
        return cls(seconds.quantize(_NANOSECOND))

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A string with units, or the number 0."""
        pattern = rf"^(0|({_NUMBER}(ms|[smhdw]))+)$"
        text = {"type": "string", "pattern": pattern}
        return {"description": "a duration such as 500ms, 10s, 5m or 30d", "anyOf": [text, {"const": 0}]}

    def __str__(self) -> str:
        exact = Decimal(float.__repr__(self))
        if not exact:
            return "0s"
        for unit in ("d", "h", "m", "s") if exact > 1 else ("s", "ms"):
            if exact % _SECONDS[unit] == 0:
                return f"{_digits(exact / _SECONDS[unit])}{unit}"
        return f"{_digits(exact)}s"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share between 0 and 1, exact. Written `99.9%` or `0.999`."""

    value: Decimal

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a ratio; a number above 1 is refused, because it was meant as a percentage."""
        percent = _PERCENT.fullmatch(text)
        if percent:
            value = Decimal(percent[1]).scaleb(-2)
        elif _PLAIN.fullmatch(text):
            value = Decimal(text)
        else:
            raise Unfit("is not a ratio; write one such as 99.9% or 0.999")
        if value > 1:
            raise Unfit("is more than 1; write a percentage up to 100%, such as 99.9%")
        return cls(value)

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A percentage, or a number from 0 to 1."""
        text = {"type": "string", "pattern": rf"^{_NUMBER}\s?%?$"}
        number = {"type": "number", "minimum": 0, "maximum": 1}
        return {"description": "a ratio such as 99.9% or 0.999", "anyOf": [text, number]}

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return f"{_digits(self.value.scaleb(2))}%"


class Size(int):
    """A number of bytes. Written `64MiB`, `1.5GiB`, `500kB`, `64Mi` or plain bytes."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a size; it must be a whole number of bytes."""
        match = _SIZE.fullmatch(text)
        if not match or match[2] not in _BYTES:
            raise Unfit("is not a size; write one such as 64MiB, 500kB or 1GiB")
        size = Decimal(match[1]) * _BYTES[match[2]]
        if size != size.to_integral_value():
            raise Unfit("is not a whole number of bytes; write one such as 64MiB")
        if size > _LARGEST:
            raise Unfit("is larger than 1024 pebibytes; write one such as 64MiB")
        return cls(size)

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A string with a unit, or a number of bytes."""
        text = {"type": "string", "pattern": rf"^{_NUMBER}\s?([KMGT]i?B?|kB|B)?$"}
        return {
            "description": "a size such as 64MiB, 500kB or 1GiB",
            "anyOf": [text, {"type": "integer", "minimum": 0}],
        }

    def __str__(self) -> str:
        for power, letter in ((4, "T"), (3, "G"), (2, "M"), (1, "K")):
            count, rest = divmod(int(self), 1024**power)
            if count and not rest:
                return f"{count}{letter}iB"
        return f"{int(self)}B"


class Rate(float):
    """Events per second. Written `5/min`, `0.5/s`, `100/h` or `1/d`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a rate; the unit of time is required."""
        match = _RATE.fullmatch(text)
        if not match or match[2] not in _PER:
            raise Unfit("is not a rate; write one such as 5/min, 0.5/s or 100/h")
        return cls(float(match[1]) / _PER[match[2]])

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A string with a unit of time."""
        units = "|".join(_PER)
        return {
            "description": "a rate such as 5/min, 0.5/s or 100/h",
            "type": "string",
            "pattern": rf"^{_NUMBER}\s?/\s?({units})$",
        }

    def __str__(self) -> str:
        for unit in ("s", "min", "h", "d"):
            count = float(self) * _PER[unit]
            if count.is_integer() and count / _PER[unit] == self:
                return f"{int(count)}/{unit}"
        return f"{_digits(Decimal(float.__repr__(self)))}/s"


Unit = Literal["", "seconds", "bytes", "ratio", "rate"]


@dataclass(frozen=True, slots=True)
class Bound:
    """A threshold: `value` in base units, and which unit was written ("" for a plain number).

    A rate is compared with how fast a counter grows.
    """

    value: float
    unit: Unit = ""

    @property
    def per_second(self) -> bool:
        """Whether it limits a counter's growth per second."""
        return self.unit == "rate"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a number, a percentage, a duration, a size or a rate; the spelling decides."""
        if _SIGNED.fullmatch(text):
            return cls(float(text))
        percent = _PERCENT.fullmatch(text)
        if percent:
            return cls(float(Decimal(percent[1]).scaleb(-2)), "ratio")
        if _RATE.fullmatch(text):
            return cls(float(Rate.parse(text)), "rate")
        if _DURATION.fullmatch(text):
            return cls(float(Duration.parse(text)), "seconds")
        if _SIZE.fullmatch(text):
            return cls(float(Size.parse(text)), "bytes")
        raise Unfit("is not a threshold; write one such as 80%, 10s, 64MiB, 5/min or 12")

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A number, or a string with a unit."""
        text = {"type": "string", "pattern": rf"^-?{_NUMBER}.*$"}
        return {
            "description": "a threshold such as 80%, 10s, 64MiB, 5/min or 12",
            "anyOf": [{"type": "number"}, text],
        }

    def __str__(self) -> str:
        match self.unit:
            case "ratio":
                return f"{_digits(Decimal(repr(self.value)).scaleb(2))}%"
            case "rate":
                return str(Rate(self.value))
            case "seconds":
                return str(Duration(self.value))
            case "bytes":
                return str(Size(self.value))
            case _:
                return repr(self.value).removesuffix(".0")
