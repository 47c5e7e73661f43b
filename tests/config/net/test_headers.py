"""Headers that a person writes, and what a server may repeat of them."""

import pytest

from config.net.headers import hidden, secrets_of
from config.types import Secret


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"unknown token abcdef123456", b"unknown token ************"),
        (b"Bearer abcdef123456 is not known", b"******************* is not known"),
        (b"tenant 1 has a quota of 10", b"tenant 1 has a quota of 10"),
    ],
)
def test_what_a_server_repeats_of_a_secret_is_hidden(said, shown):
    """The value and its last word become as many stars; what is too short to be a secret stays readable."""
    secrets = secrets_of({"authorization": Secret("Bearer abcdef123456"), "x-tenant": Secret("1")})
    assert hidden(said, secrets) == shown
