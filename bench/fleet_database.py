"""What a fleet costs its database: sessions, statements and readings of the catalogue, by the number of replicas."""

import asyncio
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import uvloop

from agent.demo.children import Outrider
from agent.demo.servers import Postgres, Valkey
from agent.demo.together import close_all, start_all
from bench.fleet_stage import HOST, port
from bench.rows import Row

SIZES, SECONDS, SETTLE = (1, 10, 50), 40.0, 10.0
EVERY = 0.05  # seconds between two counts of the sessions
WAVE = 10  # agents started at once
MODES = ("auto", "always")  # of `readings`; each has a database of its own
INTERVAL, FRESH = 2.0, 10.0  # seconds
FILE = """\
service: shop
listen: {{public: '{host}:{public}', admin: 'unix:{folder}/admin.sock'}}
log: {{format: text}}
defaults: {{interval: {interval:g}s, fresh_every: {fresh:g}s}}
probes:
  auto: {{type: postgres, dsn: '{dsn}/auto', shared: true, readings: auto}}
  always: {{type: postgres, dsn: '{dsn}/always', shared: true, readings: always}}
readiness: {{peers: {{redis: '{redis}'}}, drain: 0s}}
"""
_SESSIONS = """
select datname, count(*) from pg_stat_activity where application_name like 'outrider:%' group by datname
"""
_STATEMENTS = """
select d.datname, sum(s.calls), sum(s.calls) filter (where s.query like '%pg_stat_database%')
from pg_stat_statements s join pg_database d on d.oid = s.dbid group by d.datname
"""


@dataclass(frozen=True)
class Load:
    """What one database bore: sessions at the most and in the middle, calls and readings a second."""

    most: int
    middle: int
    calls: float
    reads: float


class Crowd:
    """Agents that know each other by a Redis, and more of them when asked."""

    def __init__(self, folder, database, valkey):
        self.folder, self.database, self.valkey = folder, database, valkey
        self.agents = []

    def grow(self, size):
        """Start agents until there are so many; return once all are ready."""
        while missing := size - len(self.agents):
            more = [self._agent() for _ in range(min(missing, WAVE))]
            self.agents += more
            start_all(more)

    def _agent(self):
        number = port()
        home = self.folder / str(number)
        home.mkdir()
        dsn = self.database.url.removesuffix("/postgres")
        text = FILE.format(
            host=HOST, public=number, folder=home, dsn=dsn, redis=self.valkey.url, interval=INTERVAL, fresh=FRESH
        )
        (home / "outrider.yaml").write_text(text)
        return Outrider(number, folder=home, file=home / "outrider.yaml", peers_token="")


@contextmanager
def crowd(hands):
    """A database that counts its statements, a Redis, and no agent yet; started and ended by that thread."""
    counting = {"shared_preload_libraries": "pg_stat_statements", "autovacuum": "off"}
    database, valkey = Postgres(port(), max_connections=300, settings=counting), Valkey(port())
    with TemporaryDirectory(prefix="outrider-bench-") as folder:
        made = Crowd(Path(folder), database, valkey)
        try:
            hands.submit(start_all, [database, valkey]).result()
            yield made
        finally:
            hands.submit(close_all, made.agents).result()
            hands.submit(close_all, [database, valkey]).result()


async def borne(connection, seconds):
    """Mode -> what its database bore for so long."""
    await connection.execute("select pg_stat_statements_reset()")
    clock = asyncio.get_running_loop().time
    began, counted = clock(), defaultdict(list)
    while clock() - began < seconds:
        found = dict(await connection.fetch(_SESSIONS))
        for mode in MODES:
            counted[mode].append(found.get(mode, 0))
        await asyncio.sleep(EVERY)
    past = clock() - began
    calls = {row[0]: (row[1], row[2] or 0) for row in await connection.fetch(_STATEMENTS)}
    return {
        mode: Load(
            max(counted[mode]),
            sorted(counted[mode])[len(counted[mode]) // 2],
            float(calls[mode][0]) / past,
            float(calls[mode][1]) / past,
        )
        for mode in MODES
    }


async def measured(made, hands, sizes, seconds, settle):
    """Size of the fleet -> mode -> what its database bore."""
    connection = await asyncpg.connect(made.database.url)
    try:
        for statement in ("create extension pg_stat_statements", *(f"create database {mode}" for mode in MODES)):
            await connection.execute(statement)
        found = {}
        for size in sizes:
            await asyncio.get_running_loop().run_in_executor(hands, made.grow, size)
            await asyncio.sleep(settle)
            found[size] = await borne(connection, seconds)
        return found
    finally:
        await connection.close()


def rows(*, sizes=SIZES, seconds=SECONDS, settle=SETTLE):
    """Sessions are counted 20 times a second in pg_stat_activity, statements by pg_stat_statements.

    Every agent has a shared postgres probe every 2 s with a new connection every 10 s or so, and peers over Redis:
    one with `readings: auto`, and beside it one with `readings: always`, which is what every replica alone would do.
    """
    with ThreadPoolExecutor(1) as hands, crowd(hands) as made:
        found = uvloop.run(measured(made, hands, sizes, seconds, settle))
    for size, loads in found.items():
        auto, always = (loads[mode] for mode in MODES)
        yield Row(
            f"PostgreSQL under {size} replica{'s' * (size > 1)}, probe every {INTERVAL:g} s, peers over Redis",
            _shown(auto),
            f"`readings: always`: {_shown(always)}",
            "one steady session each",
            met=auto.middle <= size,
        )


def _shown(load):
    return (
        f"{load.middle} sessions (most {load.most}), {load.calls:.1f} statements/s, "
        f"{load.reads:.2f} of them read the catalogue"
    )
