"""What PostgreSQL says of itself, in statements that every role may run, on a primary and on a standby."""

from dataclasses import dataclass
from typing import Any

# The subselect over the settings is planned, and run only where writes are refused by default.
_ROLE = """
  pg_is_in_recovery() AS standby,
  CASE WHEN current_setting('default_transaction_read_only') = 'on' THEN
    (SELECT source NOT IN ('user', 'database user', 'client', 'session')
     FROM pg_settings WHERE name = 'default_transaction_read_only')
  ELSE false END AS read_only
"""

# Needs PostgreSQL 10; reserved_connections exists since 16. Without pg_monitor pg_stat_wal_receiver still has its row,
# with NULL in the columns. An idle primary may be silent for half of the wal_receiver_timeout, after which the
# standby asks it for a sign of life; at the whole of it the standby gives the link up. So silent for more than three
# quarters is broken. And received = replayed means "up to date" on a live link only: without one the lag is NULL.
_STATISTICS = f"""
SELECT
  {_ROLE},
  d.connections,
  current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int AS usable,
  d.deadlocks,
  l.linked,
  CASE
    WHEN NOT l.linked THEN NULL
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
  END::float8 AS lag
FROM
  (SELECT sum(numbackends)::float8 AS connections,
          (sum(deadlocks) FILTER (WHERE datname = current_database()))::float8 AS deadlocks
   FROM pg_stat_database) d,
  (SELECT count(*) > 0 AS linked
   FROM pg_stat_wal_receiver
   WHERE (status IS NULL OR status = 'streaming')
     AND (last_msg_receipt_time IS NULL
          OR current_setting('wal_receiver_timeout')::interval = interval '0'
          OR last_msg_receipt_time > clock_timestamp() - current_setting('wal_receiver_timeout')::interval * 0.75)) l
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Role:
    """What the server is at this end of our path.

    `read_only`: the server or the database refuses writes to everyone (a role's own default says nothing about other
    roles).
    """

    standby: bool
    read_only: bool

    @property
    def name(self) -> str:
        """`standby` or `primary`."""
        return "standby" if self.standby else "primary"


@dataclass(frozen=True, slots=True)
class Statistics:
    """How the server is, whoever asks.

    `usable` connections are those left to ordinary roles. `lag` is in seconds, None on a primary, and on a standby
    whose link is broken.
    """

    connections: float
    usable: int
    deadlocks: float
    linked: bool
    lag: float | None


async def read_role(connection: Any) -> Role:
    """Only the role: no catalogue is read. Inside a transaction as for `read_all`."""
    return Role(**dict(await connection.fetchrow(f"SELECT {_ROLE}")))


async def read_all(connection: Any) -> tuple[Role, Statistics]:
    """Read all inside a transaction that is bounded, and in which nobody can put himself before pg_catalog."""
    row = dict(await connection.fetchrow(_STATISTICS))
    return Role(row.pop("standby"), row.pop("read_only")), Statistics(**row)
