"""The OpenTelemetry Collector as a peer: built once, from bench/otelcol.yaml into .bench/, where there is Go.

Go checks what it downloads against sum.golang.org. Behind a proxy that does not carry that, say so in GONOSUMDB.
"""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from agent.demo.process import HOST, Server, ServerError, last_words

ROOT = Path(__file__).parent.parent
MANIFEST = ROOT / "bench" / "otelcol.yaml"
BUILT = ROOT / ".bench" / "otelcol"  # the manifest's output_path
BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.130.0"
VARIABLE = "OTELCOL"  # names a program that was built elsewhere from the same manifest
_BUILD_SECONDS = 900

_CONFIG = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{host}:{port}'}}}}}}}}
processors: {{batch: {{}}}}
exporters: {{otlphttp: {{endpoint: 'http://{host}:{upstream}', compression: none}}}}
{metrics}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [{exporters}]}}
"""
_SPANMETRICS = "connectors: {spanmetrics: {histogram: {unit: s}, dimensions: [{name: http.route}]}}"
_METRICS = "    metrics: {receivers: [spanmetrics], exporters: [otlphttp]}\n"


class Listening(Server):
    """A relay that is ready when it takes connections."""

    def __init__(self, upstream):
        super().__init__()
        self.upstream = upstream

    @property
    def url(self):
        """Where spans are sent."""
        return f"http://{HOST}:{self.port}"

    def _ready(self):
        try:
            socket.create_connection((HOST, self.port), 0.5).close()
        except OSError:
            return False
        return True


class Collector(Listening):
    """Receives over HTTP, batches as its defaults say, and forwards over HTTP uncompressed, as the others do.

    `spanmetrics`: it also makes request metrics, with the route as a dimension. Its own metrics are off.
    """

    name = "otelcol"

    def __init__(self, upstream, *, spanmetrics=False):
        super().__init__(upstream)
        self.spanmetrics = spanmetrics

    def _prepare(self):
        text = _CONFIG.format(
            host=HOST,
            port=self.port,
            upstream=self.upstream,
            metrics=_SPANMETRICS if self.spanmetrics else "",
            exporters="otlphttp, spanmetrics" if self.spanmetrics else "otlphttp",
        )
        self._file.write_text(text + (_METRICS if self.spanmetrics else ""))

    @property
    def _file(self):
        return self.folder / "otelcol.yaml"

    def _command(self):
        self._prepare()  # the port is known only now
        return [str(program()), f"--config=file:{self._file}"]


def program():
    """The collector's program, built when there is none. Raises ServerError with the reason why there is none."""
    if named := os.environ.get(VARIABLE):
        if not os.access(named, os.X_OK):
            raise ServerError(f"otelcol is not there: ${VARIABLE} names {named}, which is no program")
        return Path(named)
    built = BUILT / "otelcol"
    if not built.exists():
        _build()
    return built


def _build():
    go = shutil.which("go")
    if go is None:
        raise ServerError("otelcol is not there: there is no Go toolchain (go) to build it with")
    print(f"building the collector into {BUILT.relative_to(ROOT)}, once: some minutes ...", file=sys.stderr, flush=True)
    BUILT.parent.mkdir(exist_ok=True)
    command = [go, "run", BUILDER, f"--config={MANIFEST}"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_BUILD_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"otelcol is not there: its build took more than {_BUILD_SECONDS} s") from error
    if done.returncode != 0:
        raise ServerError(f"otelcol is not there: it cannot be built: {_reason(done.stderr)}")


def _reason(said):
    """What Go complained of: its last line of that form, without the progress before it."""
    told = [line for line in said.splitlines() if line.startswith(("go:", "#")) and "downloading" not in line]
    return (told[-1] if told else last_words(said))[:300]
