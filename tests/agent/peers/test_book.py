"""Whom to ask, and how many there are, from addresses that tell neither."""

import random
import socket
from collections import Counter

from agent.peers.book import MOST, RECHECK, Base, Book

V4, V6 = socket.AF_INET, socket.AF_INET6


def book(*bases, seed=1):
    """The book of the replica `me`."""
    found = Book("me", random.Random(seed))
    found.update(bases)
    return found


def bases(count, family=V4):
    """Addresses of one family."""
    return [Base(f"http://{family.name}-{number}", family) for number in range(count)]


def test_at_most_twelve_are_asked_each_as_often_as_any_other():
    """The load on a replica does not grow with the fleet, and none is overlooked."""
    fleet = book(*bases(40))
    rounds = [fleet.choose(0.0) for _ in range(400)]
    assert {len(chosen) for chosen in rounds} == {12}
    assert {len(set(chosen)) for chosen in rounds} == {12}
    asked = Counter(url for chosen in rounds for url in chosen)
    assert len(asked) == 40
    assert 60 < min(asked.values()) <= max(asked.values()) < 180  # the mean is 120


def test_the_own_address_is_not_asked_again_until_it_may_be_anothers():
    """It is known by the identity that answered there; an address may go to another pod."""
    fleet = book(*bases(2))
    fleet.note(bases(2)[0].url, "me", 100.0)
    assert (fleet.choose(100.0 + RECHECK - 1), fleet.others()) == ([bases(2)[1].url], 1)
    assert sorted(fleet.choose(100.0 + RECHECK)) == [base.url for base in bases(2)]
    fleet.note(bases(2)[0].url, "another", 160.0)
    assert fleet.others() == 2


def test_a_replica_with_two_addresses_is_one_replica():
    """Of each family one address, known to be the same replica: counted once, asked once, now here, now there."""
    both = [*bases(3, V4), *bases(3, V6)]
    fleet = book(*both)
    assert fleet.others() == 3
    for number, base in enumerate(both):
        fleet.note(base.url, ("me", "a", "b")[number % 3], 0.0)
    assert fleet.others() == 2
    rounds = [fleet.choose(1.0) for _ in range(50)]
    assert {len(chosen) for chosen in rounds} == {2}
    assert {url for chosen in rounds for url in chosen} == {base.url for base in both if not base.url.endswith("-0")}


def test_a_family_in_which_nobody_answers_is_not_counted():
    """IPv6 addresses that lead nowhere make no replicas; not even the own one, which would look like silence."""
    fleet = book(*bases(1, V4), *bases(1, V6))
    fleet.note(bases(1, V4)[0].url, "me", 0.0)
    assert fleet.others() == 0


def test_the_silent_are_counted():
    """A replica that does not answer is known by its address: that is how isolation is noticed."""
    fleet = book(*bases(4))
    assert fleet.others() == 4
    fleet.note(bases(4)[1].url, "a", 0.0)
    assert fleet.others() == 4


def test_what_left_the_list_is_forgotten_and_a_list_has_an_end():
    """Pods come and go for years, and a name server may say anything."""
    fleet = book(*bases(3))
    fleet.note(bases(3)[0].url, "me", 0.0)
    fleet.update(bases(3)[1:])
    fleet.note(bases(3)[0].url, "me", 1.0)  # its answer was on the way when it left
    fleet.update(bases(3))
    assert fleet.others() == 3
    fleet.update(bases(MOST + 500))
    assert len(fleet) == fleet.others() == MOST
