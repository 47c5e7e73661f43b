"""Several servers at once: what takes three of them three times as long need not be waited for three times."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from agent.demo.process import Server


def start_all(servers: Sequence[Server]) -> None:
    """Start them side by side, from this thread; return once all take clients.

    ServerError says which one could not; those that could run on.
    """
    for server in servers:
        server.start(wait=False)
    for server in servers:
        server.wait_ready()


def close_all(servers: Sequence[Server]) -> None:
    """End them side by side and remove their folders. Safe twice."""
    if servers:
        with ThreadPoolExecutor(len(servers), thread_name_prefix="closing") as hands:
            list(hands.map(Server.close, servers))
