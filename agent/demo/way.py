"""The way of one replica to the database: a TCP forwarder of its own, so that one can be cut off and the others not.

It runs as a process (`python -m agent.demo.way PORT TARGET`), small and of the standard library alone. To end it is to
cut the way: its port refuses, and what it carried ends. It hides no fault of its target: it refuses while that refuses.
"""

import socket
import struct
import sys
import threading
import time
from contextlib import suppress

HOST = "127.0.0.1"
_BLOCK_BYTES = 65536
_CONNECT_SECONDS = 1.0
_LOOK_EVERY = 0.1  # seconds, while the target refuses
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


def serve(port: int, target: int) -> None:
    """Carry every connection to `target`, another port of this machine, for ever."""
    door = socket.create_server((HOST, port))
    while True:
        with door:
            _open(door, target)
        door = _open_again(port, target)


def _open(door: socket.socket, target: int) -> None:
    """Take and carry connections until the target refuses."""
    while True:
        client, _ = door.accept()
        server = _reach(target)
        if server is None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            client.close()
            return
        for source, sink in ((client, server), (server, client)):
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else an answer may wait 40 ms for its rest
            threading.Thread(target=_carry, args=(source, sink), daemon=True).start()


def _open_again(port: int, target: int) -> socket.socket:
    """The door, once the target takes connections."""
    while True:
        time.sleep(_LOOK_EVERY)
        if (server := _reach(target)) is not None:
            server.close()
            with suppress(OSError):  # somebody else has the port, for a moment
                return socket.create_server((HOST, port))


def _reach(target: int) -> socket.socket | None:
    try:
        server = socket.create_connection((HOST, target), _CONNECT_SECONDS)
    except OSError:
        return None
    if server.getsockname() == server.getpeername():  # a free port that we were lent, and so reached ourselves
        server.close()
        return None
    server.settimeout(None)
    return server


def _carry(source: socket.socket, sink: socket.socket) -> None:
    """One direction, until its end; one that breaks ends the other as well."""
    try:
        while block := source.recv(_BLOCK_BYTES):
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
