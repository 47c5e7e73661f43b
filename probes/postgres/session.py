"""One session with a PostgreSQL server, behaving well: named, read-only, bounded on both sides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import asyncpg

from probes.postgres.wire import Wire
from probes.stopwatch import Stopwatch

CLOSE_SECONDS = 0.05  #: for a farewell, and for telling the server to give up a query that took too long
_LOCK_MS = 100  # a catalogue under a heavy lock is not worth waiting for
_IDLE_MS = 5000  # should we die in the middle, the server ends the transaction itself
_NAME_LIMIT = 63  # PostgreSQL cuts application_name here


class Session:
    """A connection of asyncpg, usable as a probe's kept link.

    Behind a pooler that lends server connections by the transaction (PgBouncer), a setting made for the session would
    reach other clients: so limits are set within each transaction, nothing is prepared by name, and only
    `application_name`, which poolers let pass, is a startup parameter.
    """

    def __init__(self, connection: "asyncpg.Connection[Any]", wire: Wire) -> None:
        self._connection = connection
        self.wire = wire

    @classmethod
    async def open(cls, dsn: str, name: str, watch: Stopwatch, wire: Wire) -> "Session":
        """Connect and log in; `name` becomes application_name. Raises what asyncpg raises."""
        try:
            connection = await asyncpg.connect(
                dsn,
                loop=cast("Any", wire),
                statement_cache_size=0,
                server_settings={"application_name": name.encode()[:_NAME_LIMIT].decode(errors="ignore")},
            )
            wire.established()
        finally:
            wire.abort()
            watch.stop()
        return cls(connection, wire)

    @property
    def version(self) -> str:
        """The server's version as people say it: `18.6`, and `9.6.24` before PostgreSQL 10."""
        server = self._connection.get_server_version()
        parts = (server.major, server.micro) if server.major >= 10 else (server.major, server.minor, server.micro)
        return ".".join(map(str, parts))

    @property
    def closed(self) -> bool:
        """Whether the connection is known to be gone."""
        return bool(self._connection.is_closed())

    def stale(self, error: Exception) -> bool:
        """Whether the server had closed the session while it was idle; too much data is no such thing."""
        ended = (
            OSError,
            asyncpg.ConnectionDoesNotExistError,
            asyncpg.AdminShutdownError,
            asyncpg.CrashShutdownError,
            asyncpg.IdleSessionTimeoutError,
        )
        return (
            (isinstance(error, ended) or self.closed) and not isinstance(error, TimeoutError) and not self.wire.overrun
        )

    async def ping(self) -> None:
        """One round trip through the server's executor."""
        await self._connection.execute("SELECT 1")

    @asynccontextmanager
    async def transaction(self, seconds: float, *settings: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A read-only transaction in which no statement takes longer than `seconds`, nor waits for locks.

        `settings` (`name = value`) hold in it alone.
        """
        bounds = (
            f"statement_timeout = {max(1, int(seconds * 1000))}",
            f"lock_timeout = {_LOCK_MS}",
            f"idle_in_transaction_session_timeout = {_IDLE_MS}",
        )
        # One message, one round trip.
        await self._connection.execute("; SET LOCAL ".join(("BEGIN READ ONLY", *bounds, *settings)))
        try:
            yield self._connection
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            if not self.closed:
                await self._connection.execute("ROLLBACK")
            raise
        await self._connection.execute("COMMIT")

    async def aclose(self) -> None:
        """Say good-bye and close; after 0.05 s without an answer, just close."""
        await self.discard()

    async def discard(self) -> None:
        """Close; a query that still runs is cancelled on the server first, as its end would not stop it."""
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            await self._connection.close(timeout=CLOSE_SECONDS)
