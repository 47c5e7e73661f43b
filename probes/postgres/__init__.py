"""PostgreSQL: can a session be had, in which role, how full, how far behind."""

from probes.postgres.options import PostgresOptions
from probes.postgres.probe import PostgresProbe

__all__ = ["PostgresOptions", "PostgresProbe"]
