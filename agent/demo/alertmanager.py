"""A real Alertmanager that passes on to one webhook. It comes from the system: there is no wheel of it."""

import http.client
import json
import shutil
from pathlib import Path
from typing import ClassVar

from agent.demo.process import HOST, Server, ServerError

_NAMES = ("prometheus-alertmanager", "alertmanager")  # Debian's name, and everybody else's
_ANSWER_SECONDS = 0.5


def available() -> bool:
    """Whether an Alertmanager is installed on this machine."""
    return _program() is not None


class Alertmanager(Server):
    """One Alertmanager without a cluster. `url` is its base URL."""

    name: ClassVar[str] = "alertmanager"

    def __init__(self, webhook: str, port: int = 0, *, resolve_seconds: int = 300) -> None:
        """`webhook` is told of everything; after `resolve_seconds` of silence an alert counts as over."""
        super().__init__(port)
        self._webhook = webhook
        self._resolve_seconds = resolve_seconds

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{HOST}:{self.port}"

    @property
    def _file(self) -> Path:
        return self.folder / "alertmanager.yml"

    def _prepare(self) -> None:
        config = {
            "global": {"resolve_timeout": f"{self._resolve_seconds}s"},
            # Without waiting for company: whoever watches a demo wants to see the alert now.
            "route": {"receiver": "webhook", "group_wait": "100ms", "group_interval": "1s", "group_by": ["..."]},
            "receivers": [{"name": "webhook", "webhook_configs": [{"url": self._webhook, "send_resolved": True}]}],
        }
        self._file.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML

    def _command(self) -> list[str]:
        program = _program()
        if program is None:
            raise ServerError("Alertmanager is not installed; on Debian: apt-get install prometheus-alertmanager")
        return [
            program,
            f"--config.file={self._file}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
            "--cluster.listen-address=",  # alone
            "--log.level=warn",
        ]

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _program() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name))), None)
