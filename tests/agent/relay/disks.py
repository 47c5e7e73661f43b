"""Disks that fail: a child process over a shim, what would be left after a power cut, and small file systems."""

import contextlib
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.running import PATIENCE, ROOT

SHIM = Path(__file__).with_name("disk_shim.c")


class Child:
    """The appender as a process, and what it has said so far."""

    def __init__(self, folder, durability="process", size=2000, log=256 << 10, wrap=(), **env):
        words = [str(folder), durability, str(size), str(log)]
        command = [*wrap, sys.executable, "-m", "tests.agent.relay.appender", *words]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=os.environ | env)
        self.lines = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            if line.endswith(b"\n"):
                self.lines.append(line.decode().split())

    def until(self, condition):
        """Wait until what it said fulfils this."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self):
            assert self.process.poll() is None, self.lines[-5:]
            assert time.monotonic() < deadline, self.lines[-5:]
            time.sleep(0.002)

    def said(self, word):
        """What it said with this word, in order."""
        return [line[1] if len(line) > 1 else "" for line in list(self.lines) if line[0] == word]

    @property
    def safe(self):
        """Seqs that were promised to be kept."""
        return {int(seq) for seq in self.said("safe")}

    @property
    def settled(self):
        """Seqs that may be gone."""
        return {int(seq) for seq in self.said("settles")}

    def kill(self):
        """Kill -9, and read to the end what it had said."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()


@contextlib.contextmanager
def child(*args, **options):
    """A child that does not outlive the test."""
    running = Child(*args, **options)
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """The shim, built."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    built = tmp_path_factory.mktemp("shim") / "disk_shim.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", built, SHIM, "-ldl"], check=True)
    return built


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of its own with so many bytes."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no mount: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def after_power_cut(raw, folder):
    """The files as a disk would have them that kept what was synced and nothing else; `raw` is a tape, or its begin.

    What a failed sync was about is lost for good, as Linux has it, unless it was written again.
    """
    files, open_files, pending, at = {}, {}, {}, 0
    while at + 21 <= len(raw):
        op, fd, offset, length = struct.unpack_from("=ciqq", raw, at)
        op = op.decode()
        body = raw[at + 21 : at + 21 + length] if op in "OWU" else b""
        at += 21 + len(body)
        if op in "OWU" and len(body) < length:
            break
        if op == "O":
            open_files[fd] = name = Path(body.decode()).name
            files.setdefault(name, bytearray())
        elif op == "U":
            files.pop(Path(body.decode()).name, None)
            pending.pop(Path(body.decode()).name, None)
        elif op in "WT":
            pending.setdefault(open_files[fd], []).append((op, offset, body))
        elif op == "S":
            for kind, where, what in pending.pop(open_files[fd], []):
                _apply(files[open_files[fd]], kind, where, what)
        else:
            pending.pop(open_files[fd], None)
    folder.mkdir()
    for name, image in files.items():
        (folder / name).write_bytes(image)
    return folder


def _apply(image, kind, where, what):
    if kind == "T":
        del image[where:]
        image.extend(bytes(where - len(image)))
    else:
        image.extend(bytes(max(0, where + len(what) - len(image))))
        image[where : where + len(what)] = what
