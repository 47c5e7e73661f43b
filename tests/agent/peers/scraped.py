"""A real Prometheus that scrapes replicas twice a second. It comes from the system: there is no wheel."""

import http.client
import json
import shutil

from agent.demo.process import HOST, Server, ServerError

EVERY = 0.5  # seconds


def available():
    """Whether a Prometheus is installed on this machine."""
    return shutil.which("prometheus") is not None


class Prometheus(Server):
    """`jobs`: name -> (ports on 127.0.0.1, further labels of these targets)."""

    name = "prometheus"

    def __init__(self, jobs):
        super().__init__()
        self._jobs = jobs

    @property
    def url(self):
        """Its base URL."""
        return f"http://{HOST}:{self.port}"

    def _prepare(self):
        jobs = [
            {
                "job_name": name,
                "static_configs": [{"targets": [f"{HOST}:{port}" for port in ports], "labels": labels}],
            }
            for name, (ports, labels) in self._jobs.items()
        ]
        config = {"global": {"scrape_interval": f"{round(EVERY * 1000)}ms", "scrape_timeout": "450ms"}}
        (self.folder / "prometheus.yml").write_text(json.dumps({**config, "scrape_configs": jobs}))  # JSON is YAML

    def _command(self):
        if not available():
            raise ServerError("Prometheus is not installed; on Debian: apt-get install prometheus")
        return [
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
            "--log.level=warn",
        ]

    def _ready(self):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=0.5)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
