"""Who may ask on the admin listener: programs beside us, and pages that we served ourselves.

A browser on the same machine reaches loopback too. So a name that an attacker points at 127.0.0.1 (DNS rebinding) is
told by `Host`, and a form on a foreign page (cross-site request forgery) by `Origin`.
"""

import socket
import struct

from aiohttp import web

from config.net.text import clean
from config.types.address import is_loopback


def local_host(request: web.BaseRequest) -> bool:
    """Whether the request was sent to a name of this machine, or to none (HTTP/1.0); always so on a Unix socket."""
    if _unix_socket(request) is not None:
        return True
    hosts = request.headers.getall("Host", [])
    return not hosts or (len(hosts) == 1 and is_loopback(_name(hosts[0])))


def same_origin(request: web.BaseRequest) -> bool:
    """Whether no page sent the request, or one of ours."""
    origin = request.headers.get("Origin")
    return origin is None or origin.lower() == f"http://{request.headers.get('Host', '')}".lower()


def who(request: web.BaseRequest) -> str:
    """The client, for the log: the user at the other end of a Unix socket, else its address; and its program."""
    agent = clean(request.headers.get("User-Agent", "an unnamed program"), 60)
    if (sock := _unix_socket(request)) is not None:
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        process, user, _ = struct.unpack("3i", peer)
        return f"user {user} (process {process}, {agent})"
    return f"{request.remote} ({agent})"


def _unix_socket(request: web.BaseRequest) -> socket.socket | None:
    sock = request.transport.get_extra_info("socket") if request.transport else None
    return sock if sock is not None and sock.family == socket.AF_UNIX else None


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
