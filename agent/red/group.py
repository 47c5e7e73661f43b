"""A group of exceptions, as a person reads it. By itself: pages show it where nothing else of this room is needed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Exceptions of one type in one route of one service; times are Unix seconds.

    `route` is "" where no request was seen around it. `message` is that of the newest, without secrets. `traces` are
    ids of sampled traces in hex, newest last.
    """

    type: str
    route: str
    service: str
    count: int
    first_seen: float
    last_seen: float
    message: str
    traces: tuple[str, ...] = ()
