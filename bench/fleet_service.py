"""A small service for the fleets: one page that needs the database, one that does not, and three ways to check it.

python -m bench.fleet_service PORT DSN
"""

import asyncio
import sys

import asyncpg
import uvloop
from aiohttp import web

_PATIENCE = 1.0  # seconds that the database may take: for a connection, and for an answer
_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
_NEVER_BROKEN = frozenset({"/alive", "/break", "/mend"})


class Shop:
    """Its state: a pool, and whether it was told to fail."""

    def __init__(self, dsn):
        self.dsn, self.pool, self.broken = dsn, None, False

    async def running(self, app):
        """Hold the pool; a database that is away is met by the first request."""
        self.pool = await asyncpg.create_pool(
            self.dsn, min_size=0, max_size=4, timeout=_PATIENCE, command_timeout=_PATIENCE
        )
        yield
        self.pool.terminate()

    async def _asked(self, statement):
        try:
            async with asyncio.timeout(_PATIENCE):
                return web.Response(text=str(await self.pool.fetchval(statement)))
        except _AWAY as error:
            return web.Response(status=503, text=type(error).__name__)

    async def orders(self, request):
        """`/orders`: needs the database."""
        return await self._asked("select count(*) from pg_class")

    async def deep(self, request):
        """`/deep`: the naive check, as many services have it."""
        return await self._asked("select 1")

    async def well(self, request):
        """`/about`, `/healthz` and `/alive`: nothing but this process."""
        return web.Response(text="ok")

    async def told(self, request):
        """`POST /break`, `POST /mend`: fail with 500 wherever a request passes, while `/alive` goes on saying 200."""
        self.broken = request.path == "/break"
        return web.Response(text="as you wish")

    @web.middleware
    async def front(self, request, handler):
        """What every request passes but those that never break."""
        if self.broken and request.path not in _NEVER_BROKEN:
            return web.Response(status=500, text="out of order")
        return await handler(request)


def main():
    """Serve until SIGTERM."""
    port, dsn = sys.argv[1:]
    shop = Shop(dsn)
    app = web.Application(middlewares=[shop.front])
    app.router.add_get("/orders", shop.orders)
    app.router.add_get("/deep", shop.deep)
    for path in ("/about", "/healthz", "/alive"):
        app.router.add_get(path, shop.well)
    for path in ("/break", "/mend"):
        app.router.add_post(path, shop.told)
    app.cleanup_ctx.append(shop.running)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None, shutdown_timeout=1, loop=loop)


if __name__ == "__main__":
    main()
