"""A bearer token, and the minutes in which two of them are good."""

import pytest

from agent.tokens import ROTATION, Tokens
from config.types import Secret


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_without_a_token_anyone_may_come_in():
    """No secret is asked for, and none is sent; an empty one is none."""
    for tokens in (Tokens(), Tokens(Secret(""))):
        assert not tokens.needed
        assert tokens.accepts(None)
        assert tokens.accepts("Bearer whatever")
        assert tokens.offered() == ({},)


@pytest.mark.parametrize(
    ("header", "good"),
    [
        ("Bearer s3cret", True),
        ("bearer  s3cret ", True),
        ("BEARER s3cret", True),
        ("Bearer s3cre", False),
        ("Bearer s3cret2", False),
        ("Basic s3cret", False),
        ("s3cret", False),
        ("Bearer", False),
        ("", False),
        (None, False),
        ("Bearer \udcff", False),
        ("Bearer é", False),
        ("Bearer s3\udcffret", False),
    ],
)
def test_only_the_token_opens(header, good):
    """The scheme may be written in any case; nothing else is forgiven, and nothing raises."""
    assert Tokens(Secret("s3cret")).accepts(header) is good


def test_two_tokens_are_good_while_the_files_change(clock):
    """For five minutes the one before is accepted, and offered after the new one; then no longer."""
    tokens = Tokens(Secret("old"), clock=clock)
    tokens.rotate(Secret("new"))
    assert tokens.accepts("Bearer old")
    assert tokens.accepts("Bearer new")
    assert [headers["Authorization"] for headers in tokens.offered()] == ["Bearer new", "Bearer old"]
    clock.now += ROTATION
    assert not tokens.accepts("Bearer old")
    assert tokens.offered() == ({"Authorization": "Bearer new"},)


def test_the_same_token_again_is_no_rotation(clock):
    """A reload that changes something else neither prolongs nor forgets the token before."""
    tokens = Tokens(Secret("old"), clock=clock)
    tokens.rotate(Secret("new"))
    clock.now += ROTATION - 1
    tokens.rotate(Secret("new"))
    assert tokens.accepts("Bearer old")
    clock.now += 1
    assert not tokens.accepts("Bearer old")


def test_a_first_token_shuts_the_door_at_once(clock):
    """Where there was none, "anyone" does not stay good for five minutes."""
    tokens = Tokens(clock=clock)
    tokens.rotate(Secret("new"))
    assert not tokens.accepts(None)
    assert not tokens.accepts("Bearer ")
    assert tokens.accepts("Bearer new")


def test_a_token_taken_away_opens_the_door(clock):
    """The others may still ask for the one before, so it is still offered for a while."""
    tokens = Tokens(Secret("old"), clock=clock)
    tokens.rotate(None)
    assert tokens.accepts(None)
    assert tokens.offered() == ({"Authorization": "Bearer old"},)
    clock.now += ROTATION
    assert tokens.offered() == ({},)
