"""What the demo writes into `.demo`: Outrider's file, and the addresses for scripts; removed at the end."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent.demo.process import HOST
from outrider import __version__

HOME = Path(".demo")  #: below the current folder
CONTROL = "control.sock"
FILE = "outrider.yaml"
ADDRESSES = "addresses.json"
SERVICE_NAME = "demo"
MEMORY_LIMIT = 128 * 1024 * 1024  #: bytes; the sample service needs 72 MiB

_TEMPLATE = """\
# Outrider beside a sample service: what `outrider demo` runs.
service: {service}

listen:
  public: "*:{public}"  # verdicts and metrics
  admin: 127.0.0.1:{admin}  # the page, the API

defaults:  # quick, to be watched; without them: every 10s
  interval: 2s
  fast_interval: 500ms
  slow_interval: 2s

probes:
  app:
    type: http
    url: {app}/healthz
    expect: {{json: {{status: ok}}}}
  orders-db:
    type: postgres
    dsn: {postgres}
    degraded_above: {{connections_used: 80%}}
    slo: 99.95%
  cache:
    type: redis
    url: {redis}
    write_check: true
    when_down: degraded  # the service can do without it
    degraded_above: {{memory_used: 85%}}
  memory:
    type: memory
    of: {{process: {process}}}
    limit: {limit}MiB
    degraded_above: {{used: 85%}}

readiness:
  drain: 1s

traces:
  receive: {{http: 127.0.0.1:{otlp}}}
  forward:
    upstream:
      endpoint: {upstream}

alerts:
  receivers:
{receivers}
  routes:
    - to: [{names}]
"""


_CHART = """\
# The same in your Helm chart, with addresses as your Pod sees them.
# Chart.yaml
dependencies:
  - {{name: outrider, version: {version}, repository: "file://helm/outrider"}}

# values.yaml
outrider:
  deployment: {{enabled: false}}
  config:
{config}

# templates/deployment.yaml, in the Pod's spec
      initContainers:
        {{{{- include "outrider.sidecar.initContainers" .Subcharts.outrider | nindent 8 }}}}
      containers:
        {{{{- include "outrider.sidecar.containers" .Subcharts.outrider | nindent 8 }}}}
      volumes:
        {{{{- include "outrider.sidecar.volumes" .Subcharts.outrider | nindent 8 }}}}
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the demo's Outrider."""

    public: int = 9740
    admin: int = 9741
    otlp: int = 4318

    def settings(self) -> Mapping[str, tuple[str, int]]:
        """Option of `outrider demo` -> setting of the file, port."""
        return {
            "--public": ("listen.public", self.public),
            "--admin": ("listen.admin", self.admin),
            "--otlp": ("traces.receive.http", self.otlp),
        }


def process_name(port: int) -> str:
    """What the memory probe finds the sample service by: one name per demo, within the 15 characters Linux keeps."""
    return f"{SERVICE_NAME}-{port}"


def demo_file(ports: Ports, process: str, urls: Mapping[str, str], receivers: Mapping[str, Mapping[str, str]]) -> str:
    """The YAML of what runs.

    `process` is the sample service's name; `urls` has app, postgres, redis, upstream; `receivers` are name -> its keys.
    """
    lines = [
        f"    {name}: {{{', '.join(f'{key}: {value}' for key, value in keys.items())}}}"
        for name, keys in receivers.items()
    ]
    return _TEMPLATE.format(
        service=SERVICE_NAME,
        process=process,
        public=ports.public,
        admin=ports.admin,
        otlp=ports.otlp,
        limit=MEMORY_LIMIT // (1024 * 1024),
        receivers="\n".join(lines),
        names=", ".join(receivers),
        **urls,
    )


def chart_lines(yaml: str) -> str:
    """What adds this file to the Helm chart of one's own service."""
    bare = [line.partition(" # ")[0].rstrip() for line in yaml.splitlines() if not line.startswith("#")]
    config = "\n".join(f"    {line}" for line in bare if line)
    return _CHART.format(version=__version__, config=config)


def addresses(ports: Ports, others: Mapping[str, str]) -> dict[str, str]:
    """Name -> base URL, without trailing slash, of everything that runs."""
    return {
        "outrider-1": f"http://{HOST}:{ports.public}",
        "outrider-1-admin": f"http://{HOST}:{ports.admin}",
        "otlp": f"http://{HOST}:{ports.otlp}",
        **others,
    }


def write(path: Path, text: str) -> None:
    """Write at once, never half, for the user alone."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def write_addresses(home: Path, named: Mapping[str, str]) -> None:
    """Tell scripts where everything is: it exists only while everything runs."""
    write(home / ADDRESSES, json.dumps(named, indent=2) + "\n")


@contextmanager
def folder(home: Path) -> Iterator[Path]:
    """The demo's folder, with nothing in it from a demo that was killed; removed with what the demo wrote."""
    home.mkdir(mode=0o700, exist_ok=True)
    _clear(home)
    try:
        yield home
    finally:
        _clear(home)
        with suppress(OSError):  # something of the user's is in it
            home.rmdir()


def _clear(home: Path) -> None:
    """Remove our own files only: the folder may have been the user's before it was ours."""
    for name in (ADDRESSES, FILE, CONTROL, f".{ADDRESSES}.new", f".{FILE}.new"):
        (home / name).unlink(missing_ok=True)
    for name in ("outrider", "service"):
        (home / name / "server.log").unlink(missing_ok=True)
        with suppress(OSError):
            (home / name).rmdir()
