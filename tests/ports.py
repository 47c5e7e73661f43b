"""Ports for servers that a test starts later."""

import random

from agent.demo.process import port_taken

# Below those that the kernel lends, so that nobody gets one between its choice and its use; tests/fleet has the rest.
_PORTS = range(10_000, 15_000)
_chance = random.SystemRandom()  # a test that seeds the other one would get its neighbour's ports


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    while port_taken(port := _chance.choice(_PORTS)):
        pass
    return port
