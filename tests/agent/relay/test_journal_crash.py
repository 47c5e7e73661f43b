"""kill -9 and power cuts: what was promised is there."""

import asyncio
import random
import shutil
import subprocess
import sys

import psutil
import pytest

from agent.relay.store import Left
from tests.agent.relay.disks import after_power_cut, child, shim
from tests.agent.relay.journals import A, journal
from tests.running import ROOT

__all__ = ["shim"]

FAR = 1 << 62


async def owed_on_disk(folder):
    """What a new process finds, and whether the books balance."""
    async with journal(folder) as store:
        assert store.trouble == ""
        assert await store.verify() == []
        left = store.left().get(A) or Left({}, 0, 0, 0, 0.0, 0)
        found = [one.seq for one in await store.read(A, 0, FAR, 1 << 40)]
        assert found == sorted(found)
        assert left.entries == len(found)
        assert left.items == 10 * len(found)
        return set(found)


@pytest.mark.case("G1")
@pytest.mark.parametrize("durability", ["process", "host"])
async def test_what_was_safe_survives_a_kill(tmp_path, durability):
    """Killed at random instants, again and again: every promise is kept, and the next process goes on."""
    promised, settled = set(), set()
    for _ in range(4):
        with child(tmp_path, durability) as running:
            running.until(lambda one: len(one.safe) > 20)
            await asyncio.sleep(random.uniform(0, 0.1))
            running.kill()
        promised |= running.safe
        settled |= running.settled
        found = await owed_on_disk(tmp_path)
        assert promised - settled <= found


@pytest.mark.case("G5")
async def test_a_kill_during_recovery_changes_nothing(tmp_path):
    """Killed twenty times while it opens what a killed one left: nothing is lost, nothing comes back."""
    with child(tmp_path, size=20_000) as running:
        running.until(lambda one: len(one.safe) > 100)
        running.kill()
    expected = running.safe - running.settled
    opening = """
import asyncio, os, sys
from pathlib import Path
from agent.relay.journal import SCHEMA, Journal
from agent.state.database import Database
async def main():
    os.write(1, b"x")
    database = Database(Path(sys.argv[1]), [SCHEMA])
    await database.open()
    await Journal(database).open([])
    os.write(1, b"y")
    await asyncio.sleep(60)
asyncio.run(main())
"""
    for _ in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", opening, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            try:
                assert process.stdout.read(1) == b"x"
                await asyncio.sleep(random.uniform(0, 0.01))
            finally:
                process.kill()
    assert expected <= await owed_on_disk(tmp_path)


@pytest.mark.parametrize("log", [256 << 10, 64 << 20])
@pytest.mark.parametrize("fails", [False, True])
async def test_what_was_safe_survives_a_power_cut(tmp_path, shim, fails, log):
    """`host`: a disk that kept only what was synced has every promise, also when syncs failed in between."""
    folder, fail, tape = tmp_path / "state", tmp_path / "fail", tmp_path / "tape"
    env = {"LD_PRELOAD": str(shim), "SHIM_FAIL": str(fail), "SHIM_TAPE": str(tape)}
    with child(folder, "host", size=3000, log=log, **env) as running:
        running.until(lambda one: len(one.safe) > 60)
        for _ in range(3 if fails else 0):
            before = len(running.safe)
            fail.touch()
            running.until(lambda one: one.lines[-1][0] == "waits")
            fail.unlink()
            running.until(lambda one, before=before: len(one.safe) > before + 60)
        running.kill()
    image = after_power_cut(tape.read_bytes(), tmp_path / "image")
    assert len(running.safe - running.settled) > 20
    assert running.safe - running.settled <= await owed_on_disk(image)


@pytest.mark.parametrize("durability", ["process", "host"])
async def test_the_books_survive_a_power_cut_at_any_moment(tmp_path, shim, durability, caplog):
    """`process` may lose what came last; but the file is whole, and the books in it balance."""
    tape = tmp_path / "tape"
    with child(tmp_path / "state", durability, size=3000, LD_PRELOAD=str(shim), SHIM_TAPE=str(tape)) as running:
        running.until(lambda one: len(one.safe) > 300)
        running.kill()
    raw = tape.read_bytes()
    for number in range(15):
        cut = raw[: random.randrange(len(raw))]
        await owed_on_disk(after_power_cut(cut, tmp_path / f"image{number}"))
    assert caplog.messages == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
@pytest.mark.parametrize("durability", ["process", "host"])
def test_host_syncs_before_it_promises(tmp_path, durability):
    """Seen from outside: a sync of the log stands before every promise; `process` pays for none."""
    trace = tmp_path / "trace"
    wrap = ("strace", "-f", "-qq", "-y", "-e", "trace=fdatasync,fsync,write", "-e", "signal=none", "-o", str(trace))
    with child(tmp_path / "state", durability, size=500, wrap=wrap) as running:
        running.until(lambda one: len(one.safe) > 40)
        for traced in psutil.Process(running.process.pid).children():
            traced.kill()
        running.kill()
    synced = unsynced = 0
    since = False
    for line in trace.read_text().splitlines():
        if "sync(" in line and "outrider.db-wal" in line:
            since = True
        elif '"safe ' in line:
            synced, unsynced, since = synced + since, unsynced + (not since), False
    if durability == "host":
        assert synced > 40
        assert unsynced == 0
    else:
        assert unsynced > 30
