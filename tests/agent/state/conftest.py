"""State folders of these tests: quick to try again."""

import contextlib

import pytest

from agent.state.database import Database, Schema, Settings

QUICK = Settings(retry=0.02, idle=0.05, tell=0.0)
NOTES = Schema("notes", 1, ("CREATE TABLE notes(text TEXT)",))


@pytest.fixture
async def opened(tmp_path):
    """Opens a database and closes it at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def opening(folder=tmp_path / "state", schemas=(NOTES,), *, host=False, settings=QUICK):
            database = Database(folder, schemas, host=host, settings=settings)
            stack.push_async_callback(database.aclose)
            await database.open()
            return database

        yield opening
