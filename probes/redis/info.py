"""What INFO says, as numbers where it says numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Info:
    """The fields of one INFO answer. What a server does not tell (a managed one hides some) is None."""

    fields: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "Info":
        """Read `name:value` lines; headings and what is malformed are passed over."""
        lines = (line.strip() for line in text.splitlines())
        return cls(dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#")))

    def number(self, name: str) -> float | None:
        """A field as a number that is not negative."""
        value = self.fields.get(name, "")
        return float(value) if value.isascii() and value.isdigit() else None

    @property
    def version(self) -> str:
        """Of the server itself: forks claim the Redis version they are compatible with."""
        return self.fields.get("valkey_version") or self.fields.get("redis_version", "")

    @property
    def role(self) -> str:
        """`master` or `replica`; "" where it is not told."""
        role = self.fields.get("role", "")
        return "replica" if role == "slave" else role

    @property
    def linked(self) -> bool:
        """Whether a replica's link to its master is up; true on a master."""
        return self.role != "replica" or self.fields.get("master_link_status") == "up"

    @property
    def saves(self) -> bool:
        """Whether the last write of the append-only file worked; while it does not, the server refuses writes."""
        return self.fields.get("aof_last_write_status", "ok") == "ok"

    @property
    def memory_used(self) -> float | None:
        """Used memory as a share of maxmemory; of the machine's memory where no maxmemory is set."""
        used = self.number("used_memory")
        limit = self.number("maxmemory") or self.number("total_system_memory")
        return None if used is None or not limit else used / limit

    @property
    def clients_used(self) -> float | None:
        """Connected clients as a share of maxclients."""
        clients, limit = self.number("connected_clients"), self.number("maxclients")
        return None if clients is None or not limit else clients / limit
