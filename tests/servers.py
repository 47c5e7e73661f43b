"""Fixtures with real servers: `pytest_plugins = ("tests.servers",)` in a test file makes them known.

The session's servers are shared: a test that breaks, fills or pauses one starts its own.
"""

from collections.abc import Iterator

import pytest

from agent.demo.servers import Postgres, Valkey


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL with room for 50 sessions."""
    with Postgres(max_connections=50) as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """A Valkey."""
    with Valkey() as server:
        yield server
