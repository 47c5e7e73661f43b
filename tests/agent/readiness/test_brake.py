"""The brake: of all that want out, fewer than half go, and every replica can tell for itself which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.readiness.brake import lets_out
from agent.readiness.fleet import PeerView
from agent.readiness.rank import before, rank

names = st.lists(st.text("0123456789abcdef", min_size=16, max_size=16), min_size=1, max_size=40, unique=True)


def out(fleet, wanting=None):
    """Who of the fleet may leave, where everyone knows everyone."""
    wanting = fleet if wanting is None else wanting
    views = {name: PeerView(name, 0.0, wants_out=name in wanting) for name in fleet}
    others = {name: [view for view in views.values() if view.identity != name] for name in wanting}
    return [name for name in wanting if lets_out(name, others[name], others[name])]


@given(names)
def test_half_may_leave_and_one_always_stays(fleet):
    """When all want out, half of them go; of one or two, one does."""
    assert len(out(fleet)) == max(1, len(fleet) // 2)


@given(names, st.integers(0, 40))
def test_where_few_want_out_all_of_them_go(fleet, number):
    """A replica that is truly cut off is not held by others that rank before it and are well."""
    wanting = fleet[: min(number, len(fleet) // 2)]
    assert out(fleet, wanting) == wanting


@given(names)
def test_who_leaves_is_a_matter_of_rank(fleet):
    """Those first in the order, so that all agree without a word."""
    ordered = sorted(fleet, key=lambda name: rank(name, "leave"))
    assert set(out(fleet)) == set(ordered[: max(1, len(fleet) // 2)])


def fleet_of(size):
    ordered = sorted((f"{number:016x}" for number in range(size)), key=lambda name: rank(name, "leave"))
    return [PeerView(name, 0.0, wants_out=True) for name in ordered]


def test_an_unlucky_sample_brings_nobody_back():
    """In a large fleet the fresh views are a sample: who is out stays out as long as all heard lately agree."""
    everyone = fleet_of(50)
    me, others = everyone[20], everyone[:20] + everyone[21:]
    unlucky = everyone[4:20] + everyone[40:]
    assert not lets_out(me.identity, unlucky, others, out=False)
    assert lets_out(me.identity, unlucky, others, out=True)


def test_a_sample_without_the_living_holds():
    """Half of those heard lately have died since: what is fresh shows it, and the last stay."""
    everyone = fleet_of(12)
    dead = [PeerView(f"dead {number}", 0.0) for number in range(12)]
    me, others = everyone[-1], everyone[:-1]
    assert not lets_out(me.identity, others, others + dead, out=False)
    assert not lets_out(me.identity, others, others + dead, out=True)


def test_alone():
    """Who knows nobody may leave: there is no one to agree with."""
    assert lets_out("a", [], [])


@pytest.mark.parametrize("key", ["leave", "db", ""])
@given(fleet=names)
def test_ranks_are_a_total_order(key, fleet):
    """Each replica finds another number of others before it, from none up."""
    assert sorted(before(name, fleet, key) for name in fleet) == list(range(len(fleet)))


def test_another_key_is_another_order():
    """The replica that reads one dependency for all is not the one that reads every other."""
    fleet = [f"{number:016x}" for number in range(20)]
    assert len({min(fleet, key=lambda name: rank(name, probe)) for probe in ("db", "cache", "queue", "mail")}) > 1


@given(names, st.text("0123456789abcdef", min_size=16, max_size=16))
def test_a_newcomer_moves_nobody_else(fleet, newcomer):
    """Whoever was before another stays before it."""
    ordered = sorted(fleet, key=lambda name: rank(name, "db"))
    grown = sorted({*fleet, newcomer}, key=lambda name: rank(name, "db"))
    assert [name for name in grown if name in fleet] == ordered
