"""The processes of our own: the sample service, its way to the database, and Outrider beside it."""

import http.client
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from agent.demo import files
from agent.demo.process import HOST, Server, ServerError

_ANSWER_SECONDS = 1.0
_ROOT = Path(__file__).resolve().parents[2]  # where the packages of this very Outrider are


class SampleService(Server):
    """The sample service of `agent.demo.service`; it asks for a database, a cache and a place for its spans."""

    name: ClassVar[str] = "service"

    def __init__(self, port: int = 0, *, folder: Path, postgres: str, redis: str, otlp: str) -> None:
        super().__init__(port)
        self._folder = folder
        self._arguments = ["--postgres", postgres, "--redis", redis, "--otlp", otlp]
        self.failing = False  #: whether it was told to fail; one that is started anew does not

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{HOST}:{self.port}"

    def hold(self, megabytes: int) -> None:
        """Make it allocate so many MiB more. ServerError when it does not."""
        self._post(f"/allocate?mb={megabytes}")

    def release(self) -> None:
        """Make it give back what it was told to hold. ServerError when it does not."""
        self._post("/release")

    def fail(self) -> None:
        """Make every request for orders fail, from now on. ServerError when it does not."""
        self._post("/fail")
        self.failing = True

    def work(self) -> None:
        """Make it answer again. ServerError when it does not."""
        self._post("/work")
        self.failing = False

    def _post(self, path: str) -> None:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10 * _ANSWER_SECONDS)
        try:
            connection.request("POST", path)
            status = connection.getresponse().status
        except OSError as error:
            raise ServerError(f"the sample service does not answer: {error}") from error
        finally:
            connection.close()
        if status != http.HTTPStatus.OK:
            raise ServerError(f"the sample service refused POST {path}: status {status}")

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.failing = False

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "agent.demo.service", "--port", str(self.port), *self._arguments]

    def _environment(self) -> Mapping[str, str]:
        return _our_environment()

    def _ready(self) -> bool:
        return _answers(self.port, "/healthz")


class Way(Server):
    """The way of one replica to a database, `agent.demo.way`: stopped, it is cut."""

    name: ClassVar[str] = "way"

    def __init__(self, port: int = 0, *, to: Server) -> None:
        """`to` is a server that has its port."""
        super().__init__(port)
        self._to = to

    @property
    def url(self) -> str:
        """The URL of its target, by this way."""
        return self._to.url.replace(f":{self._to.port}", f":{self.port}")

    def _prepare(self) -> None:
        """Nothing: it keeps no files."""

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "agent.demo.way", str(self.port), str(self._to.port)]

    def _environment(self) -> Mapping[str, str]:
        return _our_environment()

    def _ready(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), _ANSWER_SECONDS).close()
        except OSError:
            return False
        return True


class Outrider(Server):
    """Outrider as a user starts it: `outrider run -c FILE`. `port` is that of its public listener."""

    name: ClassVar[str] = "outrider"

    def __init__(self, port: int, *, folder: Path, file: Path, peers_token: str) -> None:
        """`folder` is its state folder too; `peers_token` is what the file calls `${PEERS_TOKEN}`."""
        super().__init__(port)
        self._folder = folder
        self._file = file
        self._peers_token = peers_token

    @property
    def url(self) -> str:
        """The base URL of its public listener."""
        return f"http://{HOST}:{self.port}"

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "outrider", "run", "-c", str(self._file.resolve())]

    def _environment(self) -> Mapping[str, str]:
        return {**_our_environment(), files.PEERS_TOKEN: self._peers_token}

    def _ready(self) -> bool:
        # Not /startupz: who starts a demo wants to see the first verdict, and everything it watches runs already.
        return _answers(self.port, "/readyz")


def _our_environment() -> Mapping[str, str]:
    """The child imports the same code as we do, logs unbuffered, and heeds no proxy, OTEL_ or SENTRY_ of the user's."""
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SENTRY_"))}
    return {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "NO_PROXY": "*"}


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
