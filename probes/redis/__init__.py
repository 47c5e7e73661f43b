"""Redis and those who speak its protocol (Valkey, KeyDB, Dragonfly): does it answer, in which role, how full."""

from probes.redis.options import RedisOptions, WriteCheck
from probes.redis.probe import RedisProbe

__all__ = ["RedisOptions", "RedisProbe", "WriteCheck"]
