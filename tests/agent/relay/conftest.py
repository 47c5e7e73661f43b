"""Upstreams of these tests."""

import pytest

from tests.agent import upstream as scriptable


@pytest.fixture
async def upstream():
    """A scriptable upstream that listens."""
    async with scriptable.listening() as listening:
        yield listening
