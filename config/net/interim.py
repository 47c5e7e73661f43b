"""Connections of aiohttp's client that take no endless interim answers.

A server may say `100 Continue` or `103 Early Hints` before its answer. aiohttp takes any number of them, parses all
that arrived in one go and never lets the loop turn while there is one more: a server that says nothing else hangs us.
"""

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

MOST_INTERIM = 8  #: before one answer; real servers send one or two
_PIECE = 4096  # bytes that are parsed in one go while a head is expected


class Connector(aiohttp.TCPConnector):
    """aiohttp's own, with these connections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(_connection, loop=self._loop)


def _connection(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Connection(loop)


class _Connection(ResponseHandler):
    """Counts interim answers; one too many ends it, as anything else does that is not HTTP."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._interim = 0

    def set_response_params(self, **params: Any) -> None:
        """Another request: count anew."""
        self._interim = 0
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """One parsed head."""
        self._interim += data[0].code < 200
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """What arrived. A body goes on whole; of what may be heads only so much before they are counted."""
        if not data or (self._payload is not None and not self._payload.is_eof()):
            super().data_received(data)
            return
        for start in range(0, len(data), _PIECE):
            super().data_received(data[start : start + _PIECE])
            if self._interim > MOST_INTERIM:
                self.set_exception(HttpProcessingError(message="too many interim answers"))
                if self.transport is not None:
                    self.transport.abort()
                return
