"""Places in time: a time of day, a time zone, a moment."""

import difflib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, tzinfo
from typing import Self

from config.types.base import Unfit

_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_MOMENT = r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})"
_KEY = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")
_OFFSET = re.compile(r"[+-][0-9]")
#: Beside the zones: the same with leap seconds and without, and what some machine was set to.
_NO_PLACES = frozenset({"posix", "right", "posixrules", "localtime", "Factory"})


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time on a clock of 24 hours. Written `22:30`."""

    time: time

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read hours and minutes, two digits each."""
        if not re.fullmatch(_TIME, text):
            raise Unfit("is no time of day; write one from 00:00 to 23:59, such as 22:30")
        return cls(time.fromisoformat(text))

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """Two digits, a colon, two digits."""
        return {"description": "a time of day such as 22:30", "type": "string", "pattern": f"^{_TIME}$"}

    def __str__(self) -> str:
        return self.time.isoformat("minutes")


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone by its name in the tz database: summer time is its business. Written `Europe/Berlin` or `UTC`."""

    name: str
    zone: tzinfo = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name; the machine, or the package tzdata, must know its rules."""
        if text == "UTC":  # known without any database
            return cls(text, UTC)
        # Imported when somebody is not content with UTC: most files never are.
        from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415

        try:
            if _KEY.fullmatch(text) and text.partition("/")[0] not in _NO_PLACES:
                return cls(text, ZoneInfo(text))
        except (LookupError, ValueError, OSError):
            pass
        raise Unfit(_instead(text, sorted(available_timezones())))

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A name; which there are is known where the file is read."""
        return {"description": "a time zone such as Europe/Berlin or UTC", "type": "string", "minLength": 1}

    def __str__(self) -> str:
        return self.name


class Moment(float):
    """A point in time, in Unix seconds. Written `2026-12-01T22:00:00Z` or `2026-12-01T23:00+01:00`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a date, a time and an offset; without the offset nobody knows when it is."""
        try:
            if re.fullmatch(_MOMENT, text):
                return cls(datetime.fromisoformat(text).timestamp())
        except ValueError:
            pass
        raise Unfit("is no moment; write a date, a time and an offset, such as 2026-12-01T22:00:00Z")

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """RFC 3339; the seconds may be left out."""
        what = "a moment such as 2026-12-01T22:00:00Z"
        return {"description": what, "type": "string", "pattern": f"^{_MOMENT}$"}

    def __str__(self) -> str:
        return datetime.fromtimestamp(self, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _instead(text: str, known: list[str]) -> str:
    """What to write instead of something that is no zone."""
    if not known:
        return "is not known here, because this machine has no tz database; install tzdata, or write UTC"
    if _OFFSET.search(text):
        return "is no time zone, and an offset knows no summer time; write a place such as Europe/Berlin, or UTC"
    places = [name for name in known if "/" in name and not name.startswith("Etc/")]
    names = {name.rpartition("/")[2].lower(): name for name in places} | {name.lower(): name for name in places}
    meant = difflib.get_close_matches(text[:64].lower(), names, n=1, cutoff=0.75)
    if meant:
        return f"is no time zone; did you mean `{names[meant[0]]}`?"
    return "is no time zone; write a place of the tz database such as Europe/Berlin, or UTC"
