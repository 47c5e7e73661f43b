"""From what PostgreSQL or asyncpg says to one reason."""

import asyncpg

from config.net.text import clean
from probes.postgres.wire import WireError
from probes.reason import Reason

#: Exact codes (https://www.postgresql.org/docs/current/errcodes-appendix.html), before their classes.
_CODES = {
    "57P01": Reason.STOPPING,  # admin_shutdown
    "57P02": Reason.STOPPING,  # crash_shutdown
    "57P03": Reason.STARTING_UP,  # cannot_connect_now
    "57014": Reason.READ_TIMEOUT,  # query_canceled: the server kept our statement_timeout
    "53300": Reason.TOO_MANY_CONNECTIONS,
    "3D000": Reason.NOT_FOUND,  # no such database
    "42501": Reason.AUTH,  # insufficient_privilege
    "42704": Reason.CONFIG,  # an unknown parameter in the DSN
}
_CLASSES = {
    "28": Reason.AUTH,  # invalid authorization
    "08": Reason.PROTOCOL,  # connection exception: a pooler's refusals among them
}


def of_server(error: asyncpg.PostgresError) -> tuple[Reason, str]:
    """The reason and sentence of an error that the server sent."""
    code = str(getattr(error, "sqlstate", None) or "")
    said = clean(f"{error.args[0] if error.args else 'no message'} (SQLSTATE {code or 'unknown'})")
    if isinstance(error, asyncpg.ConnectionDoesNotExistError):  # asyncpg's own word, in the server's class
        return Reason.CONNECTION_RESET, "the connection was closed before the answer was complete"
    if code == "57P03" and "shutting down" in said:
        return Reason.STOPPING, said
    return _CODES.get(code) or _CLASSES.get(code[:2], Reason.QUERY), said


def of_statement(error: asyncpg.PostgresError | asyncpg.InterfaceError) -> tuple[Reason, str]:
    """The reason and sentence of a statement of the user's that cannot be run."""
    return of_server(error) if isinstance(error, asyncpg.PostgresError) else (Reason.QUERY, clean(str(error)))


def of_client(error: Exception) -> tuple[Reason, str] | None:
    """The reason of an error that asyncpg itself raised; None where the common rules of the network know better."""
    if isinstance(error, WireError):
        return error.reason, clean(str(error))
    if isinstance(error, asyncpg.PostgresError):
        return of_server(error)
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return Reason.WRONG_ROLE, "no host of the DSN has the role that target_session_attrs asks for"
    if isinstance(error, asyncpg.ClientConfigurationError):
        return Reason.CONFIG, clean(f"the DSN cannot be used: {error}")
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return Reason.PROTOCOL, clean(f"the answer is not understood: {error}")
    return None
