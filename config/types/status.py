"""Which HTTP statuses are meant."""

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from config.types.base import Unfit

_PART = re.compile(r"([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?")


@dataclass(frozen=True, slots=True)
class StatusRanges:
    """HTTP status codes. Written `200`, `200-299`, `200,204,300-399`, or as a list."""

    SEPARATOR: ClassVar[str] = ","  #: joins the items of a list in the file
    ranges: tuple[tuple[int, int], ...]

    def contains(self, code: int) -> bool:
        """Whether `code` is one of them."""
        return any(low <= code <= high for low, high in self.ranges)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read codes and ranges, both ends included."""
        ranges = []
        for part in text.split(","):
            match = _PART.fullmatch(part.strip())
            if not match:
                raise Unfit("is not a list of HTTP statuses; write one such as 200-299 or 200,204")
            low, high = int(match[1]), int(match[2] or match[1])
            if low > high:
                raise Unfit("has a range that ends before it starts; write the lower status first: 200-299")
            ranges.append((low, high))
        return cls(tuple(ranges))

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A code, or codes and ranges as text or as a list."""
        part = "[1-9][0-9]{2}(-[1-9][0-9]{2})?"
        text = {"type": "string", "pattern": rf"^\s*{part}(\s*,\s*{part})*\s*$"}
        code = {"type": "integer", "minimum": 100, "maximum": 999}
        items = {"type": "array", "items": {"anyOf": [code, text]}, "minItems": 1}
        return {"description": "HTTP statuses such as 200-299 or 200,204", "anyOf": [code, text, items]}

    def __str__(self) -> str:
        return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in self.ranges)
