"""What every type of value has in common."""

from typing import Protocol, Self, runtime_checkable


class Unfit(ValueError):  # noqa: N818 - the rest of a sentence: the value is unfit
    """A text does not fit its type.

    The message is the rest of a sentence whose subject is the value: "has no unit; write 10s or 500ms". It never
    quotes the value, so it may be shown for a secret too.
    """


@runtime_checkable
class Word(Protocol):
    """A type that reads itself from one scalar of the file. `str()` of a value prints a text that `parse` reads."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The value that `text` means. Raises ValueError, best Unfit."""

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """JSON Schema of the text; its `description` continues "must be ...": "a duration such as 10s"."""
