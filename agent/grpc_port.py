"""From an address in the file to a port of a gRPC server, or to one line that says what is in the way."""

from pathlib import Path
from typing import Any

from agent.sockets import PortInUse, bind, release
from config.types import ListenAddress


def open_port(server: Any, setting: str, address: ListenAddress, credentials: Any = None) -> ListenAddress:
    """Have a grpc.aio server listen, over TLS with `credentials`; returns where it really does. Raises CannotListen.

    Our own bind goes first: gRPC writes to stderr, and does not say what is in the way.
    """
    sock = bind(setting, address)
    port = 0 if address.path else int(sock.getsockname()[1])
    release(sock, address)
    bound = address if address.path else ListenAddress(address.host, port)
    where = {"*": f"[::]:{port}", "localhost": f"127.0.0.1:{port}"}.get(address.host, str(bound))
    try:
        if credentials is None:
            server.add_insecure_port(where)
        else:
            server.add_secure_port(where, credentials)
    except RuntimeError:  # somebody was faster
        raise PortInUse(setting, bound) from None
    if address.path:
        Path(address.path).chmod(0o600)
    return bound
