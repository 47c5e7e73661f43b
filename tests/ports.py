"""Ports for servers that a test starts later."""

import random

from agent.demo.process import port_taken

_PORTS = range(10_000, 32_000)  # below those that the kernel lends: nobody gets one between its choice and its use
_chance = random.SystemRandom()  # a test that seeds the other one would get its neighbour's ports


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    while port_taken(port := _chance.choice(_PORTS)):
        pass
    return port
