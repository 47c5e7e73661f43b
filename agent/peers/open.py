"""From the file's `readiness.peers` to the loop that looks at them."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agent.peers.refresh import Peers
from agent.peers.way import Hearing, Way
from agent.readiness.fleet import Fleet
from agent.tokens import Tokens
from config.net.headers import header_problems
from config.sections.readiness import Peers as Options

SLOWEST_SCRAPED = 5.0  #: seconds; Prometheus is not asked more often: it learns nothing new between two scrapes


def peers(
    options: Options,
    *,
    service: str,
    port: int,
    fleet: Fleet,
    own: Callable[[], Mapping[str, Any]],
    shared: Callable[[], Mapping[str, float]],
    wants_out: Callable[[], bool],
    tokens: Tokens,
    heard: Callable[[], None] = lambda: None,
) -> Peers:
    """The loop for these options, nothing opened yet; `fleet` is told how often it may expect news.

    `port`: of the public listeners, where the options name none. `own`: the document of this replica now. `shared`:
    the shared probes with their timeouts, in seconds. `heard`: called after every look.
    """
    refresh = interval(options)
    fleet.configure(refresh)
    way = _way(options, service, options.port or port, fleet.identity, own, shared, tokens)
    return Peers(
        way, Hearing(fleet, shared, time.monotonic), refresh, service=service, wants_out=wants_out, heard=heard
    )


def interval(options: Options) -> float:
    """Seconds between two looks: `refresh`, and at least 5 s where Prometheus is asked."""
    refresh = float(options.refresh)
    return max(SLOWEST_SCRAPED, refresh) if options.prometheus is not None else refresh


def problems(options: Options) -> Iterable[tuple[str, str]]:
    """Pairs (key, what is wrong; what would be right) that only the ways themselves know. Nothing is opened."""
    if options.token is not None:
        if not options.token.reveal().isascii() or any(header_problems({"authorization": options.token})):
            yield "token", "has characters that no header can carry; one line of ASCII is allowed"
        for number, url in enumerate(options.urls):
            if "@" in url.reveal().partition("://")[2].partition("/")[0]:
                yield f"urls[{number}]", "names a user beside `token`; leave one of them out"
    if options.redis is not None:
        from probes.redis.options import RedisOptions  # noqa: PLC0415 - only where it is used

        for key, text in RedisOptions(url=options.redis).problems():
            yield f"redis{key.removeprefix('url')}", text


def _way(
    options: Options,
    service: str,
    port: int,
    identity: str,
    own: Callable[[], Mapping[str, Any]],
    shared: Callable[[], Mapping[str, float]],
    tokens: Tokens,
) -> Way:
    # Each way brings its own imports, and most replicas use one.
    if options.redis is not None:
        from agent.peers.redis import RedisWay  # noqa: PLC0415

        return RedisWay(options.redis, service, identity, interval(options), own)
    if options.prometheus is not None:
        from agent.peers.prometheus import PrometheusWay  # noqa: PLC0415

        return PrometheusWay(options.prometheus, service, identity, shared)
    from agent.peers.http import Asker, HttpWay, timeout  # noqa: PLC0415

    patience = timeout(interval(options))
    if options.dns is not None:
        from agent.peers.dns import Named  # noqa: PLC0415

        return HttpWay(identity, Named(options.dns, port, patience), Asker(tokens, patience))
    from agent.peers.urls import Listed  # noqa: PLC0415

    return HttpWay(identity, Listed(options.urls), Asker(tokens, patience))
