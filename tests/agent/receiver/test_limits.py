"""How much may be sent: what the file says, else what the container has room for."""

import pytest

from agent.receiver.limits import MOST_MEMORY, effective
from config.sections.traces import Receive
from config.types import Size

MIB = 1 << 20
MUCH = 1 << 40


@pytest.mark.parametrize(
    ("room", "memory", "max_body"),
    [(64, 16, 8), (128, 16, 8), (256, 32, 16), (512, 64, 32), (1024, 128, 64), (65536, 128, 64)],
)
def test_an_eighth_of_the_container(room, memory, max_body):
    """From 16 to 128 MiB for all requests, and half of that for one, at most what OTLP recommends."""
    found = effective(Receive(), MUCH, room * MIB)
    assert (found.memory, found.max_body) == (memory * MIB, max_body * MIB)


def test_what_is_written_holds():
    """Each key on its own: the other follows."""
    assert effective(Receive(memory=Size(8 * MIB)), MUCH, MUCH).max_body == 4 * MIB
    assert effective(Receive(max_body=Size(MIB)), MUCH, MUCH).max_body == MIB
    large = effective(Receive(max_body=Size(60 * MIB)), MUCH, 64 * MIB)
    assert (large.max_body, large.memory) == (60 * MIB, 60 * MIB)
    assert {type(large.max_body), type(large.memory)} == {int}  # a Size would be shown in words


def test_no_larger_body_is_taken_than_can_be_queued():
    """What would never fit is refused for good, not 503 for ever."""
    assert effective(Receive(), 10_000, MUCH).max_body == 10_000


def test_the_machine_is_asked_when_nobody_says():
    """Whatever it is, the limits are within their bounds."""
    found = effective(Receive(), MUCH)
    assert 0 < found.max_body <= found.memory // 2 <= MOST_MEMORY // 2
