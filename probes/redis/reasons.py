"""From what a Redis server says to one reason."""

from config.net.text import clean
from probes.reason import Reason
from probes.redis.connection import Overrun, ProtocolError, ServerError

_CODES = {
    "LOADING": Reason.LOADING,
    "NOAUTH": Reason.AUTH,
    "WRONGPASS": Reason.AUTH,
    "NOPERM": Reason.AUTH,
    "DENIED": Reason.AUTH,  # protected mode
    "MASTERDOWN": Reason.LINK_DOWN,
    "CLUSTERDOWN": Reason.LINK_DOWN,
    "READONLY": Reason.READ_ONLY,
    "MISCONF": Reason.WRITES_REFUSED,  # it cannot save to disk
    "OOM": Reason.WRITES_REFUSED,  # maxmemory is reached and nothing may be evicted
    "NOREPLICAS": Reason.WRITES_REFUSED,
    "BUSY": Reason.THROTTLED,  # a script runs and runs
    "MOVED": Reason.WRONG_ROLE,  # a cluster node that does not own the key
}
_TEXTS = {
    "max number of clients": Reason.TOO_MANY_CONNECTIONS,
    "DB index is out of range": Reason.NOT_FOUND,
    "invalid password": Reason.AUTH,  # before Redis 6
    "no password is set": Reason.AUTH,
    "without any password configured": Reason.AUTH,
    "invalid username-password": Reason.AUTH,
}


def of_server(error: ServerError) -> tuple[Reason, str]:
    """The reason and sentence of `-CODE text`."""
    said = str(error)
    if error.code in _CODES:
        return _CODES[error.code], clean(said)
    for text, reason in _TEXTS.items():
        if text in said:
            return reason, clean(said)
    if "unknown command" in said:  # such an answer repeats what was sent, a password too
        said = said.partition(",")[0].partition("`")[0]
    return Reason.PROTOCOL, clean(said)


def of_client(error: Exception) -> tuple[Reason, str] | None:
    """The reason of one of our own errors; None where the common rules of the network know better."""
    if isinstance(error, ServerError):
        return of_server(error)
    if isinstance(error, ProtocolError):
        return Reason.PROTOCOL, f"this is not Redis: {error}"
    if isinstance(error, Overrun):
        return Reason.BODY_TOO_LARGE, str(error)
    return None
