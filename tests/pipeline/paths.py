"""A real agent on the telemetry path: its file, its books as /metrics has them, and itself once more."""

import contextlib
import http.client
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from tests.pipeline.bodies import requests_of
from tests.pipeline.ends import HOST, PROTOBUF, body_of
from tests.ports import free_port
from tests.running import PATIENCE, ROOT, Agent, agent

SETTLED = ("delivered_spans_total", "rejected_upstream_spans_total", "dropped_spans_total", "queue_spans")


def file_of(forward: dict[str, int | str], folder: Path | None = None, traces: str = "", receive: str = "") -> str:
    """Spans in, these destinations: a port of this machine, or what stands in the braces. `traces`: further lines."""
    lines = [f"state_dir: {folder}"] if folder else []
    lines += ["probes: {}", "traces:", f"  receive: {{http: '{HOST}:OTLP_PORT'{receive and ', '}{receive}}}"]
    lines += ["  forward:", *(f"    {name}: {{{upstream(where)}}}" for name, where in forward.items())]
    return "\n".join([*lines, *(f"  {line}" for line in traces.splitlines()), ""])


def upstream(where: int | str, timeout: str = "30s") -> str:
    """The keys of a destination on a port."""
    assert where, "it does not listen yet"
    return f"endpoint: 'http://{HOST}:{where}', timeout: {timeout}" if isinstance(where, int) else where


class Page:
    """One scrape."""

    def __init__(self, page: str, *, exemplars: bool = False) -> None:
        parsed = openmetrics(page) if exemplars else text(page)
        self.samples = [sample for family in parsed for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """The sum of one name over all labels that are not given; fails where there is none."""
        found = [s.value for s in self.samples if s.name == f"outrider_{name}" and labels.items() <= s.labels.items()]
        assert found, f"outrider_{name}{labels} is not on the page"
        return sum(found)

    def destinations(self) -> set[str]:
        """All that have books."""
        return {sample.labels["dest"] for sample in self.samples if sample.name == "outrider_otlp_queue_spans"}


def page(running: Agent) -> Page:
    """What a scrape finds now."""
    return Page(running.get("/metrics")[1].decode())


def spans(running: Agent, name: str, **labels: str) -> float:
    """One family of the ledger, summed over the labels that are not given."""
    return page(running).total(f"otlp_{name}", **labels)


def missing(running: Agent, since: dict[str, int] | None = None) -> dict[str, float]:
    """What each destination lacks in: received = delivered + rejected_upstream + dropped + queue. Nothing, ever.

    `since`: for one that came by a reload, the spans that had been received before.
    """
    seen = page(running)
    received = seen.total("otlp_received_spans_total")
    found = {
        dest: received - (since or {}).get(dest, 0) - sum(seen.total(f"otlp_{name}", dest=dest) for name in SETTLED)
        for dest in seen.destinations()
    }
    return {dest: number for dest, number in found.items() if number}


def settled(running: Agent, since: dict[str, int] | None = None) -> None:
    """Wait until nothing is queued; the books must have balanced all the way."""

    def empty() -> bool:
        assert not missing(running, since)
        return not spans(running, "queue_spans")

    running.wait(empty, "an empty queue")


def post(port: int, body: bytes, path: str = "/v1/traces", **headers: str) -> tuple[int, bytes]:
    """One request of a sender; the status and the body of the answer."""
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=PATIENCE)) as connection:
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body, {"Content-Type": PROTOBUF} | more)
        answer = connection.getresponse()
        return answer.status, answer.read()


def send(running: Agent, ids: range, padding: int = 200, **headers: str) -> set[int]:
    """One request with these spans, which must be taken."""
    status, said = post(running.otlp, body_of(ids, padding), **headers)
    assert status == 200, said
    return set(ids)


def requests(running: Agent, ok: int, errors: int = 0, first: int = 1, **more: float) -> None:
    """Server spans, so many good ones and so many that failed, which must be taken."""
    status, said = post(running.otlp, requests_of(range(first, first + ok + errors), errors=errors, **more))
    assert status == 200, said


def again(running: Agent, *options: str) -> None:
    """The same agent once more, after it ended."""
    assert running.process.poll() is not None
    command = [sys.executable, "-m", "outrider", "run", "-c", str(running.file), *options]
    with running.log.open("a") as stream:
        running.process = subprocess.Popen(command, stderr=stream, stdout=stream, cwd=ROOT)


def edited(running: Agent, old: str, new: str) -> None:
    """Another file."""
    before = running.file.read_text()
    assert old in before
    running.file.write_text(before.replace(old, new))


def reload(running: Agent, old: str, new: str) -> None:
    """Another file, in force."""
    edited(running, old, new)
    status, said = running.post("/api/v1/reload")
    assert status == 200, said


def repeated(delivered: Counter[int]) -> int:
    """Spans that arrived more than once."""
    return sum(1 for times in delivered.values() if times > 1)


def quiet(running: Agent) -> None:
    """Nothing broke on the way: no traceback, no task that died."""
    said = running.log.read_text()
    assert "Traceback" not in said, said
    assert page(running).total("task_restarts_total") == 0


@contextmanager
def serving(body: str, *options: str, **more: str) -> Iterator[Agent]:
    """An agent that is there; nothing broke in it when it is left, if it is still there."""
    with agent(body, *options, **more) as running:
        running.until("/livez")
        yield running
        if running.process.poll() is None:
            quiet(running)


def hidden_rss(running: Agent) -> int:
    """Bytes of the agent that nobody else has."""
    return psutil.Process(running.process.pid).memory_full_info().uss


def port() -> int:
    """One where nobody listens."""
    return free_port()
