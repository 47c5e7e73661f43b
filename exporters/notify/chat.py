"""What the file says of a chat's channel, and for how long a channel wants to hear of what is over."""

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

from config.net.tls import TlsOptions
from config.options import Options
from config.types import Duration, SecretUrl
from exporters.notify.post import MAX_TIMEOUT, url_problem

MAX_AGE: Final = 900.0  #: seconds; a channel need not hear of what was over a quarter of an hour ago


class ChatOptions(Options, frozen=True):
    """Where to post."""

    url: Annotated[
        SecretUrl, msgspec.Meta(description="of Slack's incoming webhook, or of Teams' workflow; a secret as a whole")
    ]
    tls: TlsOptions = TlsOptions()
    timeout: Annotated[Duration, msgspec.Meta(description="for one attempt as a whole")] = Duration(10)
    send_missed: Annotated[bool, msgspec.Meta(description="tell also what could not be told while it was news")] = False

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys."""
        problem = url_problem(self.url)
        if problem:
            yield "url", problem
        if not 0 < self.timeout <= MAX_TIMEOUT:
            yield "timeout", f"is not between 0s and {MAX_TIMEOUT:g}s; write for example 10s"
