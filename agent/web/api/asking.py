"""What all requests for something that ends by itself say: for how long, and why."""

from typing import Annotated

from msgspec import Meta

from agent.web.api.body import Refused
from config.net.text import clean
from config.types import Duration, Unfit

SHORTEST, LONGEST = 1.0, 86400.0  #: seconds: nothing that a person asks for outlives a day

#: Seconds, minutes or hours; the pattern is told, and what does not fit is answered in our own words.
HowLong = Annotated[
    str,
    Meta(
        max_length=20,
        description="How long it lasts, from 1s to 24h, such as 30m.",
        extra_json_schema={"pattern": "^([1-9][0-9]{0,3}s|[1-9][0-9]{0,2}m|([1-9]|1[0-9]|2[0-4])h)$"},
    ),
]
Why = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="For whoever wonders.",
        extra_json_schema={"pattern": "[A-Za-z0-9]"},
    ),
]


def seconds(text: str) -> float:
    """The length that `for` says. Raises Refused."""
    try:
        length = float(Duration.parse(text))
    except Unfit as unfit:
        raise Refused(400, f"`for` {unfit}") from None
    if not SHORTEST <= length <= LONGEST:
        raise Refused(400, "`for` must be from 1s to 24h")
    return length


def reason(text: str) -> str:
    """The reason on one printable line. Raises Refused."""
    if line := clean(text):
        return line
    raise Refused(400, "`reason` says nothing; write why, for whoever wonders")
