"""A relay with real senders and running workers."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

from agent.relay.destination import Settings
from agent.relay.relay import Relay
from config.types import Duration, Url
from exporters.otlp.http import OtlpHttpOptions, OtlpHttpSender


def sender(url, patience=5.0):
    """A sender that gives up an attempt after `patience` seconds."""
    return OtlpHttpSender(OtlpHttpOptions(endpoint=Url(url), timeout=Duration(patience)))


@asynccontextmanager
async def relaying(*urls, patience=5.0, linger=0.0, work=True, **options):
    """A relay to these base URLs, named first, second, ...; its books are checked at the end."""
    names = ("first", "second", "third")
    senders = {name: sender(url, patience) for name, url in zip(names, urls, strict=False)}
    relay = Relay(senders, settings=Settings(linger=linger), **options)
    tasks = [asyncio.create_task(destination.run()) for destination in relay.destinations.values() if work]
    try:
        yield relay
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert all(account.balanced() for account in relay.ledger.accounts.values())
        await relay.aclose()
        assert all(account.balanced() for account in relay.ledger.accounts.values())
