"""The demo's sample service: a shop with its orders in PostgreSQL, a cache in Redis and traces by OpenTelemetry.

It runs as a process of its own (`python -m agent.demo.service`), so that stopping it is a real fault, and calls itself
twice a second, so that something moves.
"""

import argparse
import asyncio
import ctypes
import mmap
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, suppress
from urllib.parse import urlsplit

import aiohttp
import asyncpg
from aiohttp import web
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from agent.demo.files import SERVICE_NAME, process_name
from agent.demo.process import HOST

_PR_SET_NAME = 15  # linux/prctl.h
_MIB = 1024 * 1024
_MOST_MIB = 1024  # a typo must not take the machine down
_CALL_EVERY = 0.5  # seconds
_ANSWER_SECONDS = 1.0  # how long a dependency may take
_CACHE_MILLISECONDS = 700
_FLUSH_SECONDS = 2.0
_TABLE = """
select pg_advisory_xact_lock(1); -- replicas that start together
create table if not exists orders (id serial primary key, item text not null, price numeric(8, 2) not null);
insert into orders (item, price)
    select item, price from (values ('saddle', 149.00), ('lantern', 19.50), ('map', 7.25)) as stock (item, price)
    where not exists (select from orders);
"""

_VERSION = "1.4.2"  # of the sample service, as its spans tell it
_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)  # what a database that is away raises
_tracer = trace.get_tracer(SERVICE_NAME)


class Shop:
    """The state of the service: its two dependencies, and the memory it was told to hold."""

    def __init__(self, postgres: str, redis: str) -> None:
        self._dsn = postgres
        self._database_span = {"db.system.name": "postgresql", "db.collection.name": "orders", **_peer(postgres)}
        self._cache_span = {"db.system.name": "redis", **_peer(redis)}
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._cache = Redis.from_url(
            redis,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._held: list[mmap.mmap] = []
        self._failing = False

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Hold the connections for as long as the service runs."""
        self._pool = await asyncpg.create_pool(
            self._dsn, min_size=0, max_size=2, timeout=_ANSWER_SECONDS, command_timeout=_ANSWER_SECONDS
        )
        with suppress(*_AWAY):  # started again while its database is away, it finds the table of its first start later
            await self._pool.execute(_TABLE)
        yield
        self._pool.terminate()
        await self._cache.aclose()
        self.release()

    async def health(self, _: web.Request) -> web.Response:
        """`/healthz`: the process answers. Its dependencies have probes of their own."""
        return web.json_response({"status": "ok"})

    async def orders(self, request: web.Request) -> web.Response:
        """`/orders`: how many orders there are; from the cache, or from the database while the cache is away."""
        with _tracer.start_as_current_span("GET /orders", kind=SpanKind.SERVER) as span:
            span.set_attributes({"http.request.method": "GET", "http.route": "/orders", "url.path": request.path})
            if self._failing:
                return _failed(span, RuntimeError("a mistake in the newest version"), 500)
            count = await self._cached()
            try:
                count = await self._count() if count is None else count
            except _AWAY as error:
                return _failed(span, error, 503)
            span.set_attribute("http.response.status_code", 200)
            return web.json_response({"orders": count})

    async def _cached(self) -> int | None:
        try:
            with _calling("GET orders", self._cache_span):
                found = await self._cache.get("orders")
        except (RedisError, OSError) as error:
            trace.get_current_span().record_exception(error)
            return None
        return None if found is None else int(found)

    async def _count(self) -> int:
        with _calling("SELECT orders", self._database_span):
            assert self._pool is not None  # noqa: S101 - `running` opened it before the first request
            count = int(await self._pool.fetchval("select count(*) from orders"))
        with suppress(RedisError, OSError):
            await self._cache.set("orders", count, px=_CACHE_MILLISECONDS)
        return count

    async def allocate(self, request: web.Request) -> web.Response:
        """`POST /allocate?mb=N`: hold N MiB more, every page written, so that they are really in memory."""
        wanted = request.query.get("mb", "")
        if not wanted.isdecimal() or not 1 <= int(wanted) <= _MOST_MIB:
            raise web.HTTPBadRequest(text=f"mb must be a whole number from 1 to {_MOST_MIB}\n")
        for _ in range(int(wanted)):
            block = mmap.mmap(-1, _MIB)
            block.write(b"\x01" * _MIB)
            self._held.append(block)
            await asyncio.sleep(0)
        return web.json_response({"held_mb": len(self._held)})

    async def released(self, _: web.Request) -> web.Response:
        """`POST /release`: give everything back to the system."""
        self.release()
        return web.json_response({"held_mb": 0})

    async def fail(self, _: web.Request) -> web.Response:
        """`POST /fail`: every request for orders fails from now on, while the process and its dependencies are well."""
        self._failing = True
        return web.json_response({"failing": True})

    async def work(self, _: web.Request) -> web.Response:
        """`POST /work`: requests are answered again."""
        self._failing = False
        return web.json_response({"failing": False})

    def release(self) -> None:
        """Unmap what is held: unlike freed heap, it leaves the process at once."""
        while self._held:
            self._held.pop().close()


def _peer(url: str) -> dict[str, str | int]:
    """The attributes of who is called."""
    parts = urlsplit(url)
    return {"server.address": parts.hostname or "", "server.port": parts.port or 0}


def _failed(span: Span, error: Exception, status: int) -> web.Response:
    """The answer to a request that failed, which its span tells too."""
    name = type(error).__name__
    span.record_exception(error)
    span.set_attributes({"http.response.status_code": status, "error.type": name})
    span.set_status(Status(StatusCode.ERROR))
    return web.json_response({"error": name}, status=status)


def _calling(name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[Span]:
    """The span of one call. Its exception is recorded once: in the span of the request, which catches it."""
    return _tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False)


def application(shop: Shop) -> web.Application:
    """The routes of the service."""
    app = web.Application()
    app.router.add_get("/healthz", shop.health)
    app.router.add_get("/orders", shop.orders)
    app.router.add_post("/allocate", shop.allocate)
    app.router.add_post("/release", shop.released)
    app.router.add_post("/fail", shop.fail)
    app.router.add_post("/work", shop.work)
    app.cleanup_ctx.append(shop.running)
    return app


async def call_self(url: str) -> None:
    """Ask for the orders twice a second, for ever; what becomes of it shows in the traces."""
    timeout = aiohttp.ClientTimeout(total=2 * _ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            await asyncio.sleep(_CALL_EVERY)
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{url}/orders") as answer:
                    await answer.read()


def tracing(otlp: str) -> TracerProvider:
    """OpenTelemetry's own SDK, sending OTLP/HTTP protobuf to Outrider as any service would."""
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE_NAME, "service.version": _VERSION}))
    exporter = OTLPSpanExporter(endpoint=f"{otlp}/v1/traces", timeout=_FLUSH_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    return provider


def name_process(name: str) -> None:
    """Give this process a name of its own; `python` would say nothing."""
    if (prctl := getattr(ctypes.CDLL(None), "prctl", None)) is not None:
        prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


async def _background(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(call_self(app["url"]))
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="sample-service", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--postgres", required=True, metavar="DSN")
    parser.add_argument("--redis", required=True, metavar="URL")
    parser.add_argument("--otlp", required=True, metavar="URL")
    options = parser.parse_args()
    name_process(process_name(options.port))
    provider = tracing(options.otlp)
    trace.set_tracer_provider(provider)
    app = application(Shop(options.postgres, options.redis))
    app["url"] = f"http://{HOST}:{options.port}"
    app.cleanup_ctx.append(_background)
    try:
        web.run_app(app, host=HOST, port=options.port, print=None, access_log=None, shutdown_timeout=1)
    finally:
        provider.shutdown()


if __name__ == "__main__":
    main()
