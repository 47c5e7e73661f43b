"""A place that takes alerts."""

import pytest

from tests.exporters.notify.place import Place


@pytest.fixture
async def place():
    """One receiver on a free port."""
    async with Place() as started:
        yield started
