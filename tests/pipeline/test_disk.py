"""State folders that fill up, fail, vanish or belong to others: what is acknowledged is delivered all the same."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.relay.disks import small_disk
from tests.agent.upstream import Reply
from tests.pipeline.ends import Collector, Sender, body_of
from tests.pipeline.paths import (
    again,
    file_of,
    missing,
    page,
    post,
    repeated,
    send,
    serving,
    settled,
    spans,
)
from tests.pipeline.upstreams import scripted
from tests.running import PATIENCE

pytestmark = pytest.mark.e2e

MIB = 1 << 20
GROUPS = Path("/sys/fs/cgroup/memory")


@contextlib.contextmanager
def memory_group(name, limit):
    """A memory group below our own with a limit; yields its folder."""
    group = GROUPS / name
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit))
    except OSError as error:
        pytest.skip(f"no memory group can be made here: {error}")
    try:
        yield group
    finally:
        for pid in (group / "tasks").read_text().split():
            with contextlib.suppress(OSError):
                (group.parent / "tasks").write_text(pid)
        group.rmdir()


@pytest.mark.case("F4")
@pytest.mark.timeout(300)
def test_a_small_container_outlives_a_long_outage(tmp_path):
    """96 MiB, 10,000 spans a second, and nobody who takes them: no kill by the kernel, memory flat, nothing lost."""
    if not GROUPS.is_dir():
        pytest.skip("no memory groups of version 1")
    with memory_group(f"outrider-test-{os.getpid()}", 96 * MIB) as group, scripted() as gateway:
        gateway.always = Reply(503)
        with serving(file_of({"gateway": gateway.port}, tmp_path)) as running:
            (group / "cgroup.procs").write_text(str(running.process.pid))
            with Sender(running.otlp, spans=500, rate=20) as sender:
                running.wait(lambda: sender.sent >= 40_000, "half of it")
                half = running.rss
                running.wait(lambda: sender.sent >= 80_000, "all of it")
                assert running.rss < min(90 * MIB, half + 12 * MIB)
            assert len(sender.acknowledged) == sender.sent
            assert "oom_kill 0" in (group / "memory.oom_control").read_text()
            assert not missing(running)
            assert spans(running, "queue_spans") == sender.sent
            gateway.always = Reply()
            settled(running)
            assert running.rss < 90 * MIB
            assert gateway.accepted == sender.sent


@pytest.mark.case("F5")
def test_a_full_disk_is_served_from_memory_until_there_is_room(tmp_path):
    """Filled to the last byte: still 200, told and shown; freed: back on disk by itself; a kill -9 loses nothing."""
    with small_disk(tmp_path / "state", 8 * MIB) as folder, scripted() as gateway:
        gateway.always = Reply(503)
        with serving(file_of({"gateway": gateway.port}, folder)) as running:
            sent = send(running, range(1, 501))
            with contextlib.suppress(OSError):
                (folder / "filler").write_bytes(bytes(8 * MIB))
            running.wait(
                lambda: (
                    sent.update(send(running, range(len(sent) + 1, len(sent) + 101)))
                    or page(running).total("state_degraded")
                ),
                "a degraded state",
            )
            sent |= send(running, range(100_001, 100_501))
            assert not missing(running)
            running.says("the disk is")
            (folder / "filler").unlink()
            running.wait(lambda: not page(running).total("state_degraded"), "a state that is well")
            running.wait(lambda: running.json("/api/v1/pipeline")["storage_degraded"] is False, "the same by the API")
            sent |= send(running, range(200_001, 200_101))
            running.process.kill()
            running.ends()
            gateway.always = Reply()
            again(running)
            running.until("/livez")
            settled(running)
            assert gateway.delivered().keys() == sent
            assert not repeated(gateway.delivered())
            assert spans(running, "received_spans_total") == len(sent)


@pytest.mark.case("F5")
def test_memory_refuses_when_the_disk_is_full_and_so_is_it(tmp_path):
    """With neither disk nor memory it is 503, counted; what was taken before is delivered, and the process lives."""
    with small_disk(tmp_path / "state", 4 * MIB) as folder, scripted() as gateway:
        gateway.always = Reply(503)
        limits = "queue: {memory: 512KiB}"
        with serving(file_of({"gateway": gateway.port}, folder, limits)) as running:
            with contextlib.suppress(OSError):
                (folder / "filler").write_bytes(bytes(4 * MIB))
            taken, refused = set(), 0
            for first in range(1, 20_000, 100):
                ids = range(first, first + 100)
                status, _ = post(running.otlp, body_of(ids))
                assert status in {200, 503}
                taken |= set(ids) if status == 200 else set()
                refused += status == 503
            assert refused > 50
            assert spans(running, "refused_spans_total", reason="queue_full") == refused * 100
            assert not missing(running)
            gateway.always = Reply()
            settled(running)
            assert gateway.delivered().keys() == taken
            assert send(running, range(50_001, 50_011))  # and there is room again


@pytest.mark.case("F5")
def test_a_folder_that_is_read_only_is_used_when_it_can_be_written(tmp_path):
    """Serves from memory, says why; remounted for writing, what comes then survives a kill."""
    with small_disk(tmp_path / "state", 8 * MIB) as folder, scripted() as gateway:
        gateway.always = Reply(503)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with serving(file_of({"gateway": gateway.port}, folder)) as running:
            sent = send(running, range(1, 101))
            assert page(running).total("state_degraded") == 1
            running.says("read-only")
            subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
            running.wait(lambda: not page(running).total("state_degraded"), "a state that is well")
            sent |= send(running, range(101, 201))
            running.wait(lambda: not running.json("/api/v1/pipeline")["storage_degraded"], "all of it on disk")
            running.process.kill()
            running.ends()
            gateway.always = Reply()
            again(running)
            running.until("/livez")
            settled(running)
            assert gateway.delivered().keys() == sent


@pytest.mark.case("F5")
def test_a_folder_that_is_removed_is_made_anew(tmp_path):
    """Removed under a running agent: what is in memory goes out, what comes is kept, the books in the file balance."""
    folder = tmp_path / "state"
    with scripted() as gateway:
        gateway.always = Reply(503)
        with serving(file_of({"gateway": gateway.port}, folder)) as running:
            sent = send(running, range(1, 501))
            shutil.rmtree(folder)
            deadline = time.monotonic() + PATIENCE
            while not (folder / "outrider.db").exists():
                assert time.monotonic() < deadline, "the file was never made anew"
                sent |= send(running, range(len(sent) + 1, len(sent) + 11))
                time.sleep(0.05)
            running.wait(lambda: not running.json("/api/v1/pipeline")["storage_degraded"], "all of it on disk")
            sent |= send(running, range(len(sent) + 1, len(sent) + 101))
            assert not missing(running)
            gateway.always = Reply()
            settled(running)
            assert gateway.delivered().keys() == sent
            running.signal(15)
            assert running.ends() == 0
            again(running)
            running.until("/livez")
            assert not missing(running)
            assert spans(running, "queue_spans") == 0
            assert spans(running, "received_spans_total") == len(sent)


def test_a_second_agent_keeps_its_hands_off(tmp_path):
    """On one folder the second one serves from memory and names the first; when that ends, it keeps things on disk."""
    collector = Collector()
    with (
        collector.listening(),
        serving(file_of({"gateway": collector.port}, tmp_path)) as first,
        serving(file_of({"gateway": collector.port}, tmp_path)) as second,
    ):
        sent = send(first, range(1, 101))
        sent |= send(second, range(101, 201))
        assert page(first).total("state_degraded") == 0
        assert page(second).total("state_degraded") == 1
        second.says(f"another agent (process {first.process.pid}) uses it")
        first.signal(15)
        assert first.ends() == 0
        second.wait(lambda: not page(second).total("state_degraded"), "the folder for itself")
        sent |= send(second, range(201, 301))
        settled(second)
        assert collector.delivered().keys() == sent
        assert not missing(second)
