"""`listen`: where Outrider answers."""

from collections.abc import Iterable

from config.options import Options
from config.types import ListenAddress

_EVERYWHERE = frozenset({"*", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


class Listen(Options, frozen=True, kw_only=True):
    """Addresses of the two HTTP listeners, and of those that answer balancers in their own tongue."""

    #: Verdicts and metrics: the kubelet, balancers and Prometheus must reach it.
    public: ListenAddress = ListenAddress("*", 9740)
    #: Page, API and operations, without a password: only this machine or pod may reach it.
    admin: ListenAddress = ListenAddress("127.0.0.1", 9741)

    #: HAProxy's agent-check: one line of TCP with a state and a weight. Left out: off.
    agent_check: ListenAddress | None = None
    #: grpc.health.v1. Left out: off.
    grpc_health: ListenAddress | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Admin stays local, and no two take each other's port."""
        if not self.admin.local:
            right = "write 127.0.0.1:9741 or unix:/run/outrider.sock, because this version knows no access tokens"
            yield "admin", f"'{self.admin}' can be reached from other machines; {right}"
        taken = {"public": self.public}
        for key in ("admin", "agent_check", "grpc_health"):
            address = getattr(self, key)
            if address is None:
                continue
            for other, its in taken.items():
                if clash(its, address):
                    yield key, f"'{address}' is taken by `{other}`; write another port"
            taken[key] = address


def clash(first: ListenAddress, second: ListenAddress) -> bool:
    """Whether two listeners want the same place. Port 0 never does."""
    if first.path or second.path:
        return first == second
    same_host = first.host == second.host or not _EVERYWHERE.isdisjoint({first.host, second.host})
    return bool(first.port) and first.port == second.port and same_host
