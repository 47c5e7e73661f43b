"""A scheduler on a stage: even chances, simulated time, and everything it said."""

import asyncio

from agent.health.board import Board, Member
from agent.health.state import Rules
from agent.scheduler.tasks import Planned, Scheduler
from agent.scheduler.timetable import Pace
from tests.agent.scheduler.probes import Scripted


def planned(name="db", *, interval=10.0, fast=2.0, timeout=1.0, cls=Scripted, reads="always"):
    member = Member(name, "scripted", shared=True, interval=interval, timeout=timeout, rules=Rules())
    return Planned(member, Pace(interval, fast), (), None, cls, reads=reads)


class Stage:
    """A scheduler with even chances: jitter 0, first delay half an interval."""

    def __init__(self, **more):
        self.seen, self.board = [], Board()
        listeners = [self.board.record, self.seen.append]
        self.clock = asyncio.get_running_loop().time
        self.scheduler = Scheduler(self.board, listeners, lambda *_: False, lambda: 0.5, self.clock, **more)

    def start(self, probe, **kwargs):
        self.scheduler.start(planned(probe.context.name, cls=type(probe), **kwargs), lambda: probe)

    async def play(self, seconds):
        await asyncio.sleep(seconds)
        await self.scheduler.aclose()
