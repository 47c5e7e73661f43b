"""Which probes ship with Outrider: one line each."""

from config.registry import Registry
from probes.base import Probe


def _not_a_probe(found: object) -> str:
    return "" if isinstance(found, type) and issubclass(found, Probe) else "is not a subclass of outrider.Probe"


PROBES = Registry(
    noun="probe type",
    builtin={
        "http": "probes.http:HttpProbe",
        "memory": "probes.memory:MemoryProbe",
        "postgres": "probes.postgres:PostgresProbe",
        "prometheus": "probes.prometheus:PrometheusProbe",
        "redis": "probes.redis:RedisProbe",
        "heartbeat": "probes.heartbeat:HeartbeatProbe",
    },
    group="outrider.probes",
    fault=_not_a_probe,
)
