"""A HAProxy that asks each replica of a fleet one thing, and repeats nothing, so that what is lost is seen."""

import csv
import shutil
import socket
from contextlib import suppress
from dataclasses import dataclass

from agent.demo.process import HOST, Server, ServerError

_FILE = """\
global
    maxconn 2000
    stats socket {folder}/stats mode 600 level admin
defaults
    mode http
    retries 0
    option http-server-close
    timeout connect 1s
    timeout client 10s
    timeout server 5s
    timeout check 1s
frontend fleet
    bind {host}:{port}
    default_backend replicas
backend replicas
    balance roundrobin
    option httpchk GET {path}
"""


@dataclass(frozen=True)
class Check:
    """What HAProxy asks, and how often: `pace` is the rest of its `server` line."""

    path: str
    pace: str


class Haproxy(Server):
    """In front of `targets`: pairs of a replica's port and the port that is asked how it is."""

    name = "haproxy"

    def __init__(self, port, check, targets):
        super().__init__(port)
        self.check, self.targets = check, targets

    @property
    def url(self):
        """Where clients connect."""
        return f"http://{HOST}:{self.port}"

    def _prepare(self):
        lines = [
            f"    server app{number} {HOST}:{port} check port {asked} {self.check.pace}\n"
            for number, (port, asked) in enumerate(self.targets, start=1)
        ]
        head = _FILE.format(folder=self.folder, host=HOST, port=self.port, path=self.check.path)
        (self.folder / "haproxy.cfg").write_text(head + "".join(lines))

    def _command(self):
        program = program_path()
        if program is None:
            raise ServerError("haproxy is not installed (make ci-tools)")
        return [program, "-db", "-q", "-f", str(self.folder / "haproxy.cfg")]

    def _ready(self):
        with suppress(OSError), socket.create_connection((HOST, self.port), 0.5):
            return True
        return False

    def up(self):
        """How many replicas it sends requests to now."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(2)
            asking.connect(str(self.folder / "stats"))
            asking.sendall(b"show stat\n")
            said = asking.makefile().read()
        rows = csv.DictReader(said.removeprefix("# ").splitlines())
        return sum(row["svname"].startswith("app") and row["status"] == "UP" for row in rows)


def program_path():
    """Where it is installed, or None; Debian keeps it out of a user's path."""
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
