"""The event loop of a running agent: uvloop, with a fault of its mended."""

import socket
from typing import Any

import uvloop


class Loop(uvloop.Loop):
    """uvloop's own, but a socket that it was given is its alone from then on.

    uvloop 0.23 closes the descriptor of a connection that is reset while it is being made, and leaves its number in the
    socket object. When that is collected, the number has long been another's: a health check, a database session or a
    peer is cut off in the middle. The number is taken out of the object here; uvloop closes it in any case.
    """

    async def create_connection(self, *where: Any, sock: socket.socket | None = None, **options: Any) -> Any:
        """As uvloop's."""
        try:
            return await super().create_connection(*where, sock=sock, **options)
        finally:
            if sock is not None:
                sock.detach()
