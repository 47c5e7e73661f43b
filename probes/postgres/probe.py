"""The `postgres` probe."""

import ssl
from collections.abc import Mapping
from typing import ClassVar

import asyncpg

from probes.base import Attempt, Kind, Measurement, ProbeFailed, Reading, ReadingSpec
from probes.postgres import reasons
from probes.postgres.options import PostgresOptions
from probes.postgres.session import Session
from probes.postgres.statistics import Statistics
from probes.postgres.wire import Wire, WireError
from probes.reason import Reason
from probes.steady import SteadyProbe
from probes.stopwatch import Stopwatch

#: Share of the time left that a query of ours may take on the server, so that its refusal arrives before the deadline.
_SERVER_SHARE = 0.6
_SHOWN_READINGS = ("connections_used", "deadlocks")


class PostgresProbe(SteadyProbe[PostgresOptions, Session]):
    """A session with PostgreSQL, `SELECT 1` in it, the server's role, and how full and how far behind it is.

    Keeps one session and holds a second one only during a fresh attempt. Works for any role that may log in; no
    catalogue that is locked or slow can hang it: then the readings are missing, and the attempt is a warning.
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
        "connections": ReadingSpec("sessions of all databases, this probe's included"),
        "connections_used": ReadingSpec("sessions as a share of those left to ordinary roles", "ratio"),
        "deadlocks": ReadingSpec("deadlocks found in the database", kind=Kind.COUNTER),
        "replication_lag": ReadingSpec(
            "age of the last change a standby has replayed; 0 when it has them all", "seconds"
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
        """`SELECT 1`, the own query if there is one, then the statistics."""
        link.wire.refill()
        with link.wire.told():
            return await self._measure(link, watch, attempt)

    async def _measure(self, session: Session, watch: Stopwatch, attempt: Attempt) -> Measurement:
        watch.enter("query")
        await session.ping()
        seconds = watch.stop()
        await self._own_query(session, watch, attempt.seconds_left * _SERVER_SHARE)
        watch.enter("statistics")
        try:
            limit = attempt.seconds_left * _SERVER_SHARE
            async with session.transaction(limit, "search_path = pg_catalog") as connection:
                statistics = await Statistics.read(connection)
        except asyncpg.PostgresError as error:
            if session.closed:
                raise
            return self._blind(error, session, watch, seconds)
        watch.stop()
        return self._judged(statistics, session, watch, seconds)

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

    def _blind(self, error: asyncpg.PostgresError, session: Session, watch: Stopwatch, seconds: float) -> Measurement:
        """The server answers, but will not say how it is."""
        watch.stop()
        reason, said = reasons.of_server(error)
        missing = (self.reading(name, None) for name in _SHOWN_READINGS)
        found = Measurement(
            readings=(self.reading("query", seconds), *missing),
            phases=watch.seconds,
            facts={"version": session.version},
            concerns=(Reason.UNREADABLE,),
            detail=f"the statistics cannot be read: {said}",
        )
        if self.options.role != "any":
            raise ProbeFailed(reason, f"the role cannot be told: {said}", phase="statistics", measurement=found)
        return found

    def _judged(self, statistics: Statistics, session: Session, watch: Stopwatch, seconds: float) -> Measurement:
        role = "standby" if statistics.standby else "primary"
        cut_off = statistics.standby and self.options.replication and not statistics.linked
        found = Measurement(
            readings=self._readings(statistics, seconds),
            phases=watch.seconds,
            facts={"version": session.version, "role": role},
            concerns=(Reason.LINK_DOWN,) if cut_off else (),
            detail="the standby receives nothing from its primary" if cut_off else "",
        )
        wanted = self.options.role
        if wanted not in ("any", role):
            said = f"a {wanted} is wanted, this is a {role}"
            raise ProbeFailed(Reason.WRONG_ROLE, said, phase="role", measurement=found)
        if wanted == "primary" and statistics.read_only:
            said = "the server refuses writes (default_transaction_read_only is on)"
            raise ProbeFailed(Reason.READ_ONLY, said, phase="role", measurement=found)
        return found

    def _readings(self, statistics: Statistics, seconds: float) -> tuple[Reading, ...]:
        readings = [
            self.reading("query", seconds),
            self.reading("connections", statistics.connections),
            self.reading("connections_used", statistics.connections / max(1, statistics.usable)),
            self.reading("deadlocks", statistics.deadlocks),
        ]
        if statistics.standby and self.options.replication:
            readings.append(self.reading("replication_lag", statistics.lag))
        return tuple(readings)
