"""A disk that is full, read-only or failing: memory has to do, it is said, and the disk is used again by itself."""

import asyncio
import os
import subprocess

import pytest

from tests.agent.relay.disks import child, shim, small_disk
from tests.agent.relay.journals import A, delivered, entry, journal, put, until
from tests.agent.relay.test_journal_crash import owed_on_disk

__all__ = ["shim"]

FAR = 1 << 62


@pytest.mark.case("F5")
async def test_a_disk_that_others_fill(tmp_path):
    """Appends wait in memory and it is said; when the space comes back, they are written by themselves."""
    with small_disk(tmp_path / "disk", "16m") as disk:
        async with journal(disk / "state") as store:
            kept = await put(store)
            (disk / "other").write_bytes(bytes(disk_free(disk) - 4096))
            made = entry(store, body=bytes(50_000))
            assert not await store.append(made, [A], {"http": 10})
            assert "the disk is nearly full" in store.trouble or "the disk is full" in store.trouble
            assert dict(store._database.samples())["outrider_state_degraded"][0].value == 1
            assert await store.read(A, 0, FAR, 1 << 20) == [kept]
            (disk / "other").unlink()
            await until(store)
            assert await store.read(A, 0, FAR, 1 << 20) == [kept, made]


@pytest.mark.case("F5")
async def test_a_disk_that_the_queue_itself_fills(tmp_path):
    """There is always room to settle: what is delivered leaves, and new entries fit again, with nobody's help."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        async with journal(disk / "state") as store:
            kept = []
            while not store.trouble:
                made = entry(store, body=bytes(100_000))
                if await store.append(made, [A], {"http": 10}):
                    kept.append(made)
            assert "nearly full" in store.trouble
            assert store.bytes > 2 << 20
            assert await store.read(A, 0, kept[1].seq, 1) == kept[:1]
            store.settle(A, kept, delivered(*kept))
            await until(store)
            assert await store.read(A, 0, FAR, 1 << 20) == [made]
            for _ in range(10):
                await put(store, body=bytes(100_000))


async def test_a_full_disk_is_still_read_after_a_restart(tmp_path):
    """The backlog can be delivered although nothing can be written."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        async with journal(disk / "state") as store:
            entries = [await put(store, body=bytes(100_000)) for _ in range(5)]
        (disk / "other").write_bytes(bytes(disk_free(disk) - 64 * 1024))
        async with journal(disk / "state") as store:
            assert await store.read(A, 0, FAR, 1 << 20) == entries
            assert not await store.append(entry(store, body=bytes(50_000)), [A], {"http": 10})


async def test_a_disk_that_is_read_only_at_the_start(tmp_path):
    """Said in words; used by itself once it can be written."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        async with journal(disk / "state") as store:
            kept = await put(store)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        async with journal(disk / "state") as store:
            assert "read-only" in store.trouble
            made = entry(store)
            assert not await store.append(made, [A], {"http": 10})
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            await until(store)
            assert await store.read(A, 0, FAR, 1 << 20) == [kept, made]


@pytest.mark.case("F7")
@pytest.mark.parametrize("durability", ["process", "host"])
async def test_syncs_that_fail(tmp_path, shim, durability):
    """Nothing is promised meanwhile, nothing that was promised is lost, and it goes on by itself when they work."""
    folder, fail = tmp_path / "state", tmp_path / "fail"
    with child(folder, durability, size=3000, LD_PRELOAD=str(shim), SHIM_FAIL=str(fail)) as running:
        running.until(lambda one: len(one.safe) > 20)
        fail.touch()
        running.until(lambda one: one.said("trouble"))
        promised = len(running.safe)
        running.until(lambda one: len(one.said("waits")) > 20)
        assert len(running.safe) <= promised + 1
        fail.unlink()
        running.until(lambda one: one.said("well") and len(one.safe) > promised + 20)
        running.kill()
    waited = {int(seq) for seq in running.said("waits")}
    found = await owed_on_disk(folder)
    assert running.safe - running.settled <= found
    assert {seq for seq in waited if seq < max(running.safe)} - running.settled <= found


def disk_free(disk):
    """Bytes that are left."""
    return os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize


async def test_a_loop_that_turns_while_the_disk_fails(tmp_path):
    """Appending into trouble never waits."""
    (tmp_path / "state").write_text("in the way")
    async with journal(tmp_path / "state") as store:
        async with asyncio.timeout(60):
            for _ in range(500):
                assert not await store.append(entry(store), [A], {"http": 10})
