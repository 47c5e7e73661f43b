"""A relay with real senders and running workers."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

from agent.relay.entry import Signal
from agent.relay.relay import Relay
from agent.relay.settings import Limits, Settings
from config.types import Duration, Url
from exporters.otlp.http import OtlpHttpOptions, OtlpHttpSender

NAMES = ("first", "second", "third", "fourth", "fifth", "sixth")


def sender(url, patience=30.0):
    """A sender that gives up an attempt after `patience` seconds."""
    return OtlpHttpSender(OtlpHttpOptions(endpoint=Url(url), timeout=Duration(patience)))


def balanced(relay):
    """Whether every item of every lane is accounted for, those of removed lanes too."""
    return all(account.balanced() for account in (*relay.ledger.lanes.values(), *relay.ledger.gone.values()))


def settled(relay):
    """A condition: nothing is owed any more."""
    return lambda: not any(account.queue.items for account in relay.ledger.lanes.values())


async def submit(relay, body, items, signal=Signal.TRACES, headers=(), **more):
    """One request."""
    await relay.submit(signal, body, items, headers, **more)


@asynccontextmanager
async def working(relay):
    """The relay's tasks run meanwhile; its books are checked at the end, and it is closed."""
    works = [relay.run, *(destination.run for destination in relay.destinations.values())]
    tasks = [asyncio.create_task(work()) for work in works]
    try:
        yield relay
    finally:
        await ended(*tasks)
        assert balanced(relay)
        await relay.aclose()
        assert balanced(relay)


async def ended(*tasks):
    """Cancel these and wait until they are gone."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def relaying(*urls, patience=30.0, linger=0.0, work=True, queue_bytes=None, **options):
    """A relay to these base URLs, named first, second, ...; its books are checked at the end."""
    senders = {name: sender(url, patience) for name, url in zip(NAMES, urls, strict=False)}
    if queue_bytes is not None:
        options["limits"] = Limits(memory=queue_bytes)
    relay = Relay(senders, settings=Settings(linger=linger), **options)
    if work:
        async with working(relay):
            yield relay
        return
    yield relay
    assert balanced(relay)
    await relay.aclose()
    assert balanced(relay)
