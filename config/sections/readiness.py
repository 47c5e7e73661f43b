"""`readiness`: when this replica may get traffic."""

from typing import Annotated, Literal

from msgspec import Meta

from config.options import Options
from config.types import Duration


class Readiness(Options, frozen=True, kw_only=True):
    """Rules over all probes."""

    #: A degraded member makes the replica unready too.
    fail_on_degraded: bool = False
    #: A shared dependency that is down: `auto` asks the peers whether it is me or everyone (without peers it stays
    #: ready and degraded); `degrade` never leaves for a shared reason.
    shared: Literal["auto", "degrade"] = "auto"
    #: How long it serves on, unready, after it was asked to stop: longer than balancers need to notice.
    drain: Annotated[Duration, Meta(le=3600)] = Duration(15)
