"""What a person may write for a `postgres` probe."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta

from config.options import Options
from config.types import Url

_SCHEMES = ("postgres", "postgresql")


class PostgresOptions(Options, frozen=True):
    """Options of the `postgres` probe."""

    dsn: Annotated[
        Url,
        Meta(description="postgresql://user:password@host:5432/database?sslmode=require; several hosts with commas"),
    ]
    role: Annotated[
        Literal["any", "primary", "standby"],
        Meta(description="the role the service needs; `primary` also wants writes to be allowed"),
    ] = "any"
    query: Annotated[
        str,
        Meta(description="an own check: one SELECT, run read-only; false, 0, NULL, an empty text or no row fails"),
    ] = ""
    replication: Annotated[
        bool,
        Meta(description="read a standby's lag; false where it replicates by other means than streaming (Aurora)"),
    ] = True

    @property
    def driver_dsn(self) -> str:
        """The whole DSN, password and all, as the driver reads it: without SQLAlchemy's `+driver`."""
        scheme, _, rest = self.dsn.reveal().partition("://")
        return f"{scheme.partition('+')[0]}://{rest}"

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules that the types do not hold."""
        if self.dsn.scheme.partition("+")[0] not in _SCHEMES:
            yield (
                "dsn",
                f"`{self.dsn.scheme}://` is not PostgreSQL; write postgresql://user:password@host:5432/database",
            )
        if ";" in self.query.rstrip().removesuffix(";"):
            yield "query", "is more than one statement; write one SELECT"
