"""Requests lost in three faults: by a shallow check, by a naive deep one, and by Outrider, side by side."""

import asyncio
import random
import statistics
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import uvloop

from bench.fleet_stage import CHECKS, HOST, REPLICAS, again, stage
from bench.haproxy import program_path
from bench.rows import Row

RATE = 20  # requests a second on each fleet
FREE_EVERY = 5  # every fifth request needs no database
SLOW = 2.0  # seconds; an answer after that is as good as none
BEFORE, AFTER = 3.0, 20.0  # seconds counted before and after a fault
FAULT, RUNS = 60.0, 5
MARGIN, AT_LEAST = 0.05, 10  # the gate: no more than this above the better of the other two
FAULTS = {
    "shared": "shared fault: the database refuses everyone for {0:.0f} s",
    "private": "private fault: one of {1} replicas answers 500 for {0:.0f} s, its /alive 200",
    "cut": "one of {1} replicas is cut off from the database for {0:.0f} s",
}


@dataclass
class Client:
    """Asks one fleet at a steady rate, whatever becomes of the answers; counts what became of them."""

    port: int
    asked: int = 0
    lost: Counter = field(default_factory=Counter)  # what happened -> how often
    lost_free: int = 0  # those among them that needed no database

    @property
    def total(self):
        """All that were lost."""
        return self.lost.total()

    async def run(self, seconds):
        """Ask for so long, and wait for the last answer."""
        began, asking = time.monotonic(), set()
        while (due := self.asked / RATE) < seconds:
            await asyncio.sleep(began + due - time.monotonic())
            free = self.asked % FREE_EVERY == 0
            self.asked += 1
            task = asyncio.create_task(self._one("/about" if free else "/orders", free))
            asking.add(task)
            task.add_done_callback(asking.discard)
        await asyncio.gather(*asking)

    async def _one(self, path, free):
        if became := await self._became(path):
            self.lost[became] += 1
            self.lost_free += free

    async def _became(self, path):
        """Why it is lost; "" when it is not."""
        try:
            async with asyncio.timeout(SLOW):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
                    status = (await reader.readline())[9:12]
                    await reader.read()
                finally:
                    writer.close()
        except TimeoutError:
            return "slow"
        except OSError:
            return "refused"
        return "" if status == b"200" else status.decode() or "cut short"


async def _break(made, fault):
    if fault == "shared":
        await made.run(made.database.stop)
    for fleet in made.fleets:
        if fault == "private":
            await made.run(fleet.services[0].say, "break")
        elif fault == "cut":
            await made.run(fleet.way.stop)


async def _mend(made, fault):
    if fault == "shared":
        await made.run(again, made.database)
    for fleet in made.fleets:
        if fault == "private":
            await made.run(fleet.services[0].say, "mend")
        elif fault == "cut":
            await made.run(again, fleet.way)


async def play(made, fault, seconds, after):
    """One fault over all fleets; fleet -> its client. All of them are whole before it."""
    await made.whole()
    await asyncio.sleep(random.uniform(0, 2))  # somewhere between two checks
    clients = {fleet.name: Client(fleet.balancer.port) for fleet in made.fleets}
    asking = [asyncio.create_task(each.run(BEFORE + seconds + after)) for each in clients.values()]
    await asyncio.sleep(BEFORE)
    await _break(made, fault)
    await asyncio.sleep(seconds)
    await _mend(made, fault)
    await asyncio.gather(*asking)
    return clients


async def one_run(made, seconds, after, say):
    """All faults, one after another, over the same fleets; fault -> fleet -> its client."""
    found = {}
    for fault in FAULTS:
        found[fault] = await play(made, fault, seconds, after)
        say(fault, found[fault])
    return found


async def runs(number, seconds, after, say):
    """So many runs at once, each over fleets of its own, which are started one after another."""
    starting = asyncio.Lock()

    async def one():
        async with AsyncExitStack() as stack:
            async with starting:
                made = await stack.enter_async_context(stage())
            return await one_run(made, seconds, after, say)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(number)]
    return [task.result() for task in tasks]


def rows(say, *, number=RUNS, seconds=FAULT, after=AFTER):
    """A row for each fault: mean of the runs, and the worst.

    Four replicas behind a HAProxy that repeats nothing; 20 requests a second, of which four in five need the database.
    Lost is what is answered with another status than 200, refused, or slower than 2 s, from 3 s before the fault until
    20 s after it. The database is one for the three fleets, so the fault comes at the same instant for all.
    """
    if program_path() is None:
        yield Row("requests lost by a fleet", "not measured: haproxy is not installed (make ci-tools)")
        return
    found = uvloop.run(runs(number, seconds, after, lambda fault, clients: say(_line(fault, clients))))
    for fault, what in FAULTS.items():
        yield _row(what.format(seconds, REPLICAS), [run[fault] for run in found])


def _row(what, played):
    mean = {name: statistics.mean(run[name].total for run in played) for name in CHECKS}
    cells = {name: _cell([run[name] for run in played], mean[name]) for name in CHECKS}
    better = min(mean["shallow"], mean["deep"])
    return Row(
        f"requests lost of {played[0]['outrider'].asked:,}: {what}",
        cells["outrider"],
        f"shallow check {cells['shallow']}; naive deep check {cells['deep']}",
        f"the better of the two + {MARGIN:.0%} or {AT_LEAST}",
        met=mean["outrider"] <= better + max(AT_LEAST, MARGIN * better),
    )


def _cell(clients, mean):
    free = statistics.mean(each.lost_free for each in clients)
    return f"{mean:,.1f} (worst {max(each.total for each in clients):,}; {free:,.1f} needed no database)"


def _line(fault, clients):
    said = (f"{name} {each.total} ({each.lost_free} free, {dict(each.lost)})" for name, each in clients.items())
    return f"{fault}: lost " + ", ".join(said)
