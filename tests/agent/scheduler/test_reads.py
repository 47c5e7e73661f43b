"""Who reads the facts about a dependency: what the file comes to, and what each attempt is told."""

import asyncio
from dataclasses import replace

import pytest

from agent.events import Outcome
from agent.health.judge import Bound
from agent.scheduler.reads import of_target, who_reads
from probes.base import Kind, Measurement, Reading
from probes.http import HttpProbe
from probes.memory import MemoryProbe
from probes.postgres import PostgresProbe
from probes.redis import RedisProbe
from tests.agent.scheduler.probes import Scripted
from tests.agent.scheduler.stage import Stage, planned
from tests.virtual import run


def bound(reading, outcome=Outcome.FAIL):
    return Bound(reading, 0.9, above=True, outcome=outcome)


def comes_to(wanted="auto", *bounds, fleet=True, fail_on_degraded=False):
    return who_reads(wanted, PostgresProbe, bounds, fleet=fleet, fail_on_degraded=fail_on_degraded)


def test_one_replica_reads_for_a_fleet_and_each_where_there_is_none():
    """`auto` stays where the probe is shared and peers are known; else everyone reads."""
    assert comes_to() == "auto"
    assert comes_to(fleet=False) == "always"


@pytest.mark.parametrize("wanted", ["always", "never"])
def test_what_a_person_wrote_stands(wanted):
    """`always` and `never` are not argued with."""
    assert comes_to(wanted, bound("connections_used")) == wanted
    assert comes_to(wanted, fleet=False) == wanted


@pytest.mark.parametrize(
    ("limit", "reads"),
    [
        (bound("connections_used"), "always"),
        (bound("connections_used", Outcome.WARN), "auto"),
        (bound("query"), "auto"),
        (bound("duration"), "always"),
        (bound("phase.statistics"), "always"),
        (bound("duration", Outcome.WARN), "auto"),
    ],
    ids=lambda value: getattr(value, "reading", value),
)
def test_no_reader_leaves_alone_for_what_is_true_for_all(limit, reads):
    """What may make a replica down by a reading, or by the time that reading takes, is read by each of them."""
    assert comes_to("auto", limit) == reads


def test_where_degraded_is_unready_everyone_reads():
    """With `fail_on_degraded` a warning of the reader alone would take the reader out."""
    assert comes_to(fail_on_degraded=True) == "always"


@pytest.mark.parametrize(
    ("cls", "ours"),
    [
        (PostgresProbe, {"query"}),
        (RedisProbe, {"ping"}),
        (HttpProbe, set(HttpProbe.readings)),
        (MemoryProbe, set(MemoryProbe.readings)),
    ],
)
def test_facts_about_the_path_are_read_by_everyone(cls, ours):
    """How long it takes from here is ours; how full or how far behind a database is, is the same for all."""
    assert {name for name in cls.readings if not of_target(cls, name)} == ours
    assert not of_target(cls, "duration")


def test_the_reader_is_asked_at_each_attempt_and_only_for_auto():
    """Replicas come and go: whose turn it is may change from one attempt to the next."""
    asked, turns = [], {"auto": [True, False, True, False]}

    def reader(name):
        asked.append(name)
        return turns[name].pop(0)

    probes = {reads: Scripted(name=reads) for reads in ("auto", "always", "never")}

    async def main():
        stage = Stage(reader=reader)
        for reads, probe in probes.items():
            stage.start(probe, reads=reads)
        await stage.play(40)

    run(main())
    assert asked == ["auto"] * 4
    assert probes["auto"].reads == [True, False, True, False]
    assert probes["always"].reads == [True] * 4
    assert probes["never"].reads == [False] * 4


def test_rates_wait_for_two_readings_in_a_row():
    """The judge is told which attempts read: growth while another replica did is not this one's to judge."""
    counters = [Measurement((Reading("deadlocks", value, kind=Kind.COUNTER),)) for value in (0.0, 900.0, 900.0)]
    probe, turns = Scripted([counters[0], Measurement(), *counters[1:]]), [True, False, True, True]
    limit = Bound("deadlocks", 5 / 60, above=True, outcome=Outcome.WARN, per_second=True)

    async def main():
        stage = Stage(reader=lambda _: turns.pop(0))
        stage.scheduler.start(replace(planned(reads="auto"), bounds=(limit,)), lambda: probe)
        await stage.play(40)
        return [seen.outcome.value for seen in stage.seen]

    assert run(main()) == ["pass"] * 4


@pytest.mark.parametrize("change", [{"depends_on": ("network",)}, {"shared": True}, {"description": "ours"}])
def test_what_a_verdict_makes_of_a_probe_needs_no_restart(change):
    """Such words change nothing in how it is asked; another interval does."""
    before = planned()
    assert before.asks_like(replace(before, member=replace(before.member, **change)))
    assert not before.asks_like(planned(interval=20.0))


def test_who_reads_may_change_without_a_restart():
    """A reload that brings peers leaves the connection and the timetable of a probe alone."""
    probe = Scripted()

    async def main():
        stage = Stage(reader=lambda _: False)
        stage.start(probe)
        await asyncio.sleep(12)
        alone, among = planned(), planned(reads="auto")
        assert alone.asks_like(among)
        stage.scheduler.amend(among)
        await stage.play(20)

    run(main())
    assert (probe.opened, probe.reads) == (1, [True, False, False])
