"""What the demo writes into `.demo`: a file for each Outrider, and the addresses for scripts; removed at the end."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent.demo.process import HOST
from outrider import __version__

HOME = Path(".demo")  #: below the current folder
CONTROL = "control.sock"
REPLICAS = 3
PEERS_TOKEN = "PEERS_TOKEN"  # noqa: S105 - the name of a variable of each Outrider's environment
ADDRESSES = "addresses.json"
SERVICE_NAME = "demo"
MEMORY_LIMIT = 128 * 1024 * 1024  #: bytes; the sample service needs 72 MiB

_WINDOWS = "{long: 60s, short: 5s, factor: 14.4, severity: page}"

_TEMPLATE = """\
# Outrider beside a sample service: what `outrider demo` runs.
service: {service}
state_dir: {state_dir}

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
    shared: true  # all replicas use it: is it me or is it everyone?
    readings: always  # so that you see them here; without it one replica of all reads them
    degraded_above: {{connections_used: 80%}}
  cache:
    type: redis
    url: {redis}
    shared: true
    readings: always
    write_check: true
    when_down: degraded  # the service can do without it
    degraded_above: {{memory_used: 85%}}
  memory:
    type: memory
    of: {{process: {process}}}
    limit: {limit}MiB
    degraded_above: {{used: 85%}}

readiness:
  peers:
    urls: [{peers}]
    token: ${{{peers_token}}}
    refresh: 1s
  ready_delay: 2s
  drain: 1s

traces:
  receive: {{http: 127.0.0.1:{otlp}}}
  forward:
    upstream:
      endpoint: {upstream}
  durability: process  # what the upstream cannot take waits in state_dir, and survives kill -9

slos:  # with windows to be watched; without them: the four of the SRE workbook, of an hour to three days
  orders:  # counted from the spans of the service
    objective: 99%
    sli: {{spans: {{route: /orders}}, within: 250ms}}
    alerts: {{windows: [{windows}]}}
  orders-db:
    objective: 99.95%
    sli: {{probe: orders-db}}
    alerts: {{windows: [{windows}]}}

alerts:
  receivers:
{receivers}
  routes:
    - to: [{names}]
  plain: {{off: true}}  # here the objectives alone call; without it: also for a probe that is down, and more
"""


_CHART = """\
# The same in your Helm chart, with addresses as your Pod sees them.
# Chart.yaml
dependencies:
  - {{name: outrider, version: {version}, repository: "file://helm/outrider"}}

# values.yaml
outrider:
  deployment: {{enabled: false}}
  peers:
    selector: {{app: {service}}}  # the labels of your Pods
    existingSecret: {service}-peers  # a Secret of yours, with the key token
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
    """The ports of one Outrider."""

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


def demo_file(
    ports: Ports,
    process: str,
    state_dir: Path,
    urls: Mapping[str, str],
    receivers: Mapping[str, Mapping[str, str]],
    peers: Sequence[str],
) -> str:
    """The YAML of what runs in one replica.

    `process` is the sample service's name, `state_dir` a folder of this Outrider alone; `urls` has app, postgres,
    redis, upstream; `receivers` are name -> its keys; `peers` are the public listeners of all replicas.
    """
    lines = [
        f"    {name}: {{{', '.join(f'{key}: {value}' for key, value in keys.items())}}}"
        for name, keys in receivers.items()
    ]
    return _TEMPLATE.format(
        service=SERVICE_NAME,
        process=process,
        state_dir=_quoted(state_dir),
        public=ports.public,
        admin=ports.admin,
        otlp=ports.otlp,
        limit=MEMORY_LIMIT // (1024 * 1024),
        receivers="\n".join(lines),
        names=", ".join(receivers),
        peers=", ".join(peers),
        peers_token=PEERS_TOKEN,
        windows=_WINDOWS,
        **urls,
    )


def _quoted(path: Path) -> str:
    """As a scalar of the file, whatever is in it."""
    return json.dumps(str(path).replace("${", "$${"))  # JSON is YAML


def chart_lines(yaml: str) -> str:
    """What adds this file to the Helm chart of one's own service. The chart itself knows peers and state folder."""
    left_out = ("#", "state_dir: ", "    urls: ", "    token: ")
    kept = [line for line in yaml.splitlines() if not line.startswith(left_out)]
    bare = [line.partition(" # ")[0].rstrip() for line in kept]
    config = "\n".join(f"    {line}" for line in bare if line)
    return _CHART.format(version=__version__, config=config, service=SERVICE_NAME)


def addresses(replicas: Sequence[Ports], others: Mapping[str, str]) -> dict[str, str]:
    """Name -> base URL, without trailing slash, of everything that runs. `otlp` is that of the first replica."""
    listeners = {
        name: f"http://{HOST}:{port}"
        for number, ports in enumerate(replicas, start=1)
        for name, port in ((f"outrider-{number}", ports.public), (f"outrider-{number}-admin", ports.admin))
    }
    return {**listeners, "otlp": f"http://{HOST}:{replicas[0].otlp}", **others}


def config_name(number: int) -> str:
    """Where the configuration of one replica is written."""
    return f"outrider-{number}.yaml"


def folder_name(part: str, number: int) -> str:
    """Where one process of one replica keeps its log, and Outrider its state. `part` is outrider or service."""
    return f"{part}-{number}"


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
    numbers = range(1, REPLICAS + 1)
    for name in (CONTROL, ADDRESSES, *map(config_name, numbers)):
        (home / name).unlink(missing_ok=True)
        (home / f".{name}.new").unlink(missing_ok=True)
    for name in (folder_name(part, number) for part in ("outrider", "service") for number in numbers):
        shutil.rmtree(home / name, ignore_errors=True)  # as its process would at its end
