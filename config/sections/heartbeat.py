"""`heartbeat`: where to say, again and again, that this agent still judges and is heard."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, field

from config.net.headers import header_problems
from config.net.tls import TlsOptions
from config.options import Options
from config.types import Duration, Secret, SecretUrl

LEAST, MOST = 1.0, 86400.0  #: seconds between two
MAX_TIMEOUT = 30.0  #: seconds


class Heartbeat(Options, frozen=True, kw_only=True):
    """A URL of somebody who calls a person when nothing has come for a while."""

    url: Annotated[SecretUrl, Meta(description="of the one who watches Outrider; a secret as a whole")]
    interval: Annotated[Duration, Meta(description="between two; 1s to 1d")] = Duration(60)
    method: Annotated[Literal["POST", "GET"], Meta(description="POST says a little in JSON, GET nothing")] = "POST"
    headers: Annotated[dict[str, Secret], Meta(description="sent with every request")] = field(default_factory=dict)
    tls: TlsOptions = TlsOptions()
    timeout: Annotated[Duration, Meta(description="for one attempt as a whole")] = Duration(10)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys."""
        if self.url.scheme not in ("http", "https"):
            yield "url", "is not HTTP; write http://host:port/path or https://host/path"
        if not LEAST <= self.interval <= MOST:
            yield "interval", "is not between 1s and 1d; write for example 1m"
        if not 0 < self.timeout <= MAX_TIMEOUT:
            yield "timeout", f"is not between 0s and {MAX_TIMEOUT:g}s; write for example 10s"
        yield from header_problems(self.headers)
