"""The `postgres` probe."""

import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import asyncpg

from probes.base import Attempt, Kind, Measurement, ProbeFailed, Reading, ReadingSpec
from probes.postgres import reasons
from probes.postgres.options import PostgresOptions
from probes.postgres.session import Session
from probes.postgres.statistics import Role, Statistics, read_all, read_role
from probes.postgres.wire import Wire, WireError
from probes.reason import Reason
from probes.steady import SteadyProbe
from probes.stopwatch import Stopwatch

#: Share of the time left that a query of ours may take on the server, so that its refusal arrives before the deadline.
_SERVER_SHARE = 0.6
_SHOWN_READINGS = ("connections_used", "deadlocks")


class PostgresProbe(SteadyProbe[PostgresOptions, Session]):
    """A session with PostgreSQL, `SELECT 1` in it, the server's role, and how full and how far behind it is.

    Where another replica reads the latter, it asks `SELECT 1`, and for the role only where one is wanted. Keeps one
    session and holds a second one only during a fresh attempt. Works for any role that may log in; no catalogue that
    is locked or slow can hang it: then the readings are missing, and the attempt is a warning.
    """

    options_type = PostgresOptions
    expected = (
        OSError,
        TimeoutError,
        ssl.SSLError,
        WireError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
    )
    readings: ClassVar[Mapping[str, ReadingSpec]] = {
        "query": ReadingSpec("round trip of SELECT 1", "seconds"),
        "connections": ReadingSpec("sessions of all databases, this probe's included", of_target=True),
        "connections_used": ReadingSpec("sessions as a share of those left to ordinary roles", "ratio", of_target=True),
        "deadlocks": ReadingSpec("deadlocks found in the database", kind=Kind.COUNTER, of_target=True),
        "replication_lag": ReadingSpec(
            "age of the last change a standby has replayed; 0 when it has them all", "seconds", of_target=True
        ),
    }
    facts = ("version", "role")

    @classmethod
    def target(cls, options: PostgresOptions) -> str:
        """`host:port/database` of the first host."""
        return f"{options.dsn.host or 'local socket'}:{options.dsn.port or 5432}{options.dsn.path}"

    def classify(self, error: Exception) -> tuple[Reason, str] | None:
        """SQLSTATE and asyncpg's own errors."""
        return reasons.of_client(error)

    async def connect(self, watch: Stopwatch) -> Session:
        """A session named for the service."""
        wire = Wire(watch, self.context.family)
        with wire.told():
            name = f"outrider:{self.context.service}"
            return await Session.open(self.options.driver_dsn, name, watch, wire)

    async def look(self, link: Session, watch: Stopwatch, attempt: Attempt) -> Measurement:
        """`SELECT 1`, the own query if there is one, then the statistics, or the role alone if that is enough."""
        link.wire.refill()
        with link.wire.told():
            return await self._measure(link, watch, attempt)

    async def _measure(self, session: Session, watch: Stopwatch, attempt: Attempt) -> Measurement:
        watch.enter("query")
        await session.ping()
        seconds = watch.stop()
        await self._own_query(session, watch, attempt.seconds_left * _SERVER_SHARE)
        role, statistics, blind = await self._statistics(session, watch, attempt)
        if role is None and self.options.role != "any":
            role = await self._role(session, watch, attempt)
        watch.stop()
        found = self._found(role, statistics, blind, session, watch, seconds)
        if role is not None:
            self._insist(role, found)
        return found

    async def _statistics(
        self, session: Session, watch: Stopwatch, attempt: Attempt
    ) -> tuple[Role | None, Statistics | None, str]:
        """Role and statistics, if it is our turn to read them; and why they cannot be read, if so."""
        if not attempt.readings:
            return None, None, ""
        watch.enter("statistics")
        try:
            async with _bounded(session, attempt) as connection:
                role, statistics = await read_all(connection)
        except asyncpg.PostgresError as error:
            if session.closed:
                raise
            return None, None, f"the statistics cannot be read: {reasons.of_server(error)[1]}"
        return role, statistics, ""

    async def _role(self, session: Session, watch: Stopwatch, attempt: Attempt) -> Role:
        """The role alone: another replica reads the rest, or nobody can."""
        watch.enter("role")
        try:
            async with _bounded(session, attempt) as connection:
                return await read_role(connection)
        except asyncpg.PostgresError as error:
            if session.closed:
                raise
            reason, said = reasons.of_server(error)
            raise ProbeFailed(reason, f"the role cannot be told: {said}", phase="role") from error

    async def _own_query(self, session: Session, watch: Stopwatch, limit: float) -> None:
        if not self.options.query:
            return
        watch.enter("own_query")
        try:
            async with session.transaction(limit) as connection:
                value = await connection.fetchval(self.options.query)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if session.closed:
                raise
            reason, said = reasons.of_statement(error)
            raise ProbeFailed(reason, f"`query`: {said}", phase="own_query") from error
        watch.stop()
        if not value:
            raise ProbeFailed(Reason.ASSERTION, "`query` found false, zero, nothing or no row", phase="own_query")

    def _found(
        self,
        role: Role | None,
        statistics: Statistics | None,
        blind: str,
        session: Session,
        watch: Stopwatch,
        seconds: float,
    ) -> Measurement:
        """What this attempt tells; `blind`: the server answers, but will not say how it is."""
        readings, concern = [self.reading("query", seconds)], ""
        if blind:
            readings += [self.reading(name, None) for name in _SHOWN_READINGS]
        if role and statistics:
            lags = role.standby and self.options.replication
            readings += self._readings(statistics, lags=lags)
            concern = "the standby receives nothing from its primary" if lags and not statistics.linked else ""
        return Measurement(
            readings=tuple(readings),
            phases=watch.seconds,
            facts={"version": session.version} | ({"role": role.name} if role else {}),
            concerns=(Reason.UNREADABLE,) if blind else (Reason.LINK_DOWN,) if concern else (),
            detail=blind or concern,
        )

    def _insist(self, role: Role, found: Measurement) -> None:
        """Raise where the server is not in the role that the service needs."""
        wanted = self.options.role
        if wanted not in ("any", role.name):
            said = f"a {wanted} is wanted, this is a {role.name}"
            raise ProbeFailed(Reason.WRONG_ROLE, said, phase="role", measurement=found)
        if wanted == "primary" and role.read_only:
            said = "the server refuses writes (default_transaction_read_only is on)"
            raise ProbeFailed(Reason.READ_ONLY, said, phase="role", measurement=found)

    def _readings(self, statistics: Statistics, *, lags: bool) -> list[Reading]:
        readings = [
            self.reading("connections", statistics.connections),
            self.reading("connections_used", statistics.connections / max(1, statistics.usable)),
            self.reading("deadlocks", statistics.deadlocks),
        ]
        return [*readings, self.reading("replication_lag", statistics.lag)] if lags else readings


def _bounded(session: Session, attempt: Attempt) -> "AbstractAsyncContextManager[asyncpg.Connection[Any]]":
    """A transaction that ends before the attempt does, and in which `pg_catalog` alone is searched."""
    return session.transaction(attempt.seconds_left * _SERVER_SHARE, "search_path = pg_catalog")
