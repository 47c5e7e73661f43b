"""Attempts of a gRPC sender, and what comes of them."""

from contextlib import asynccontextmanager

from config.types import Url
from exporters.base import Permanent, Retryable
from exporters.otlp.grpc import OtlpGrpcOptions, OtlpGrpcSender
from tests.agent.spans import request


@asynccontextmanager
async def sending(url, **options):
    """A sender to this address."""
    sender = OtlpGrpcSender(OtlpGrpcOptions(endpoint=Url(url), **options))
    try:
        yield sender
    finally:
        await sender.aclose()
        await sender.aclose()


async def attempt(sender, *args):
    """What one attempt returns or raises."""
    try:
        return await sender.send(*args)
    except (Retryable, Permanent) as error:
        return error


async def outcome(upstream, reply, **options):
    """What one attempt returns or raises when the upstream replies so."""
    upstream.always = reply
    async with sending(upstream.url, **options) as sender:
        return await attempt(sender, request(5))
