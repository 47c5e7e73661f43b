"""What all requests for something that ends by itself say: for how long, and why."""

import re
from typing import Annotated

from msgspec import Meta

from agent.web.api.body import Refused
from config.net.text import clean
from config.types import Duration

#: Nothing that a person asks for outlives a day.
_LENGTH = "^([1-9][0-9]{0,3}s|[1-9][0-9]{0,2}m|24h|([1-9]|1[0-9]|2[0-3])h(([1-9]|[1-5][0-9])m)?)$"
_PRINTABLE = "[^\\s\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]"

# The patterns are told, and what does not fit is answered in our own words.
HowLong = Annotated[
    str,
    Meta(max_length=20, description="From 1s to 24h, such as 30m or 1h30m.", extra_json_schema={"pattern": _LENGTH}),
]
Why = Annotated[
    str,
    Meta(max_length=200, description="For whoever wonders.", extra_json_schema={"pattern": _PRINTABLE}),
]


def seconds(text: str) -> float:
    """The length that `for` says. Raises Refused."""
    if not re.fullmatch(_LENGTH.removesuffix("$"), text):
        raise Refused(400, "`for` must be from 1s to 24h, in whole seconds, minutes or hours, such as 30m or 1h30m")
    return float(Duration.parse(text))


def reason(text: str) -> str:
    """The reason on one printable line. Raises Refused."""
    if line := clean(text):
        return line
    raise Refused(400, "`reason` says nothing; write why, for whoever wonders")
