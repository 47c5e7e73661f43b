"""Two agents never share one state folder."""

import asyncio
import subprocess
import sys

from tests.running import ROOT

HOLDER = """
import asyncio, sys
from pathlib import Path
from agent.state.database import Database
async def main():
    database = Database(Path(sys.argv[1]), [])
    await database.open()
    print(database.trouble, flush=True)
    await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


async def test_the_second_agent_waits_until_the_first_is_gone(opened, tmp_path):
    """It says whose the folder is, and takes it by itself once that process was killed."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "state")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        try:
            assert (await asyncio.to_thread(first.stdout.readline)).strip() == b""
            database = await opened()
            assert f"another agent (process {first.pid}) uses it" in database.trouble
        finally:
            first.kill()
    async with asyncio.timeout(60):
        while database.trouble:
            await asyncio.sleep(0.01)
