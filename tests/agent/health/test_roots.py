"""What explains what: the deepest cause, and how long a cause that is over still explains."""

import pytest

from agent.health.board import Board, Member
from agent.health.roots import ancestors, explanation, may_explain, root
from agent.health.state import State
from tests.agent.observed import attempt

#: edge -> app -> db, and app -> cache.
DEPENDS = {"db": (), "cache": (), "app": ("db", "cache"), "edge": ("app",)}


class World:
    """Four probes on one board."""

    def __init__(self, maintenance=()):
        self.board, self.now = Board(), 0.0
        self.maintained = lambda name: "window" if name in maintenance else ""
        for name, parents in DEPENDS.items():
            self.board.enter(Member(name, "tcp", depends_on=parents), 0.0)
            self.tries(name, "S")

    def tries(self, name, letters, every=1.0):
        """These attempts, one after the other."""
        for letter in letters:
            self.now += every
            self.board.record(attempt(letter, self.now, probe=name))

    @property
    def views(self):
        return self.board.view(self.now, self.maintained)

    def explains(self):
        return may_explain(self.views["db"], self.views["app"])


def test_ancestors_are_told_nearest_first():
    """Each once, whatever the number of ways to it."""
    assert [view.member.name for view in ancestors("edge", World().views)] == ["app", "db", "cache"]


def test_ancestors_that_are_not_there_are_passed_over():
    """A probe may leave the file before what depends on it does."""
    world = World()
    world.board.leave("app")
    assert list(ancestors("edge", world.views)) == []
    assert root("nobody", world.views) == "nobody"


def test_the_root_is_the_deepest_that_is_down():
    """Where all are down, the one below all others; itself when nothing below is down."""
    world = World()
    world.tries("edge", "FFF")
    assert root("edge", world.views) == "edge"
    world.tries("app", "FFF")
    assert root("edge", world.views) == "app"
    world.tries("db", "FFF")
    assert (root("edge", world.views), root("app", world.views), root("db", world.views)) == ("db", "db", "db")


def test_a_parent_in_maintenance_is_no_root():
    """What is being worked on is not called a cause."""
    world = World(maintenance={"db"})
    world.tries("db", "FFF")
    world.tries("app", "FFF")
    assert root("app", world.views) == "app"


def test_a_parent_that_works_explains_nothing():
    """It was asked after the child began to fail, and passed."""
    world = World()
    world.tries("app", "FFF")
    world.tries("db", "S")
    assert not world.explains()
    assert explanation("app", {name: view for name, view in world.views.items() if name != "cache"}) == ""


def test_a_parent_that_was_not_asked_since_may_explain():
    """What passed before the child's first failure says nothing of now."""
    world = World()
    world.tries("app", "FFF")
    assert world.explains()


def test_a_parent_that_begins_to_fail_may_explain():
    """One failure is enough for doubt, long before it is down."""
    world = World()
    world.tries("app", "FFF")
    world.tries("db", "SF")
    assert world.views["db"].state is State.UP
    assert world.explains()


@pytest.mark.parametrize(("again", "explained"), [(None, True), (50.0, True), (70.0, False)])
def test_a_parent_that_recovered_explains_until_the_child_fails_again_later(again, explained):
    """A minute after the parent's last failure the child's failures are its own."""
    world = World()
    world.tries("db", "FFF")
    world.tries("app", "FFF")
    world.tries("db", "SS")
    if again is not None:
        world.tries("app", "F", every=again)
        world.tries("db", "S")
    assert world.explains() is explained


def test_the_time_grows_with_the_slow_interval():
    """A parent that is asked every two minutes while down may be back for four before it is known."""
    world = World()
    world.board.amend(Member("db", "tcp", slow_interval=120.0))
    world.tries("db", "FFFSS")
    world.tries("app", "FFF", every=70.0)
    world.tries("db", "S")
    assert world.explains()


@pytest.mark.parametrize("letter", ["-", "I"])
def test_a_parent_that_is_not_measured_explains_nothing(letter):
    """Stale or blind, it has no say."""
    world = World()
    world.tries("app", "FFF")
    world.tries("db", letter * 5, every=20.0)
    assert not world.explains()


def test_an_explanation_outlives_the_cause():
    """The cause is up again and the child not yet: it is still told; once the child is up there is nothing to tell."""
    world = World()
    world.tries("db", "FFF")
    world.tries("app", "FFF")
    assert explanation("app", world.views) == "db"
    world.tries("db", "SS")
    world.tries("cache", "S")
    assert explanation("app", world.views) == "db"
    world.tries("app", "SS")
    assert explanation("app", world.views) == ""
