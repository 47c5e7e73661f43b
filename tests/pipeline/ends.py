"""Both ends of the telemetry path, each in a thread: who sends with real HTTP, and who receives and remembers."""

import contextlib
import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.running import PATIENCE

HOST = "127.0.0.1"
PROTOBUF = "application/x-protobuf"


def ids_of(body: bytes) -> list[int]:
    """The span ids of a request, as numbers."""
    found = ExportTraceServiceRequest.FromString(body)
    spans = (span for each in found.resource_spans for scope in each.scope_spans for span in scope.spans)
    return [int.from_bytes(span.span_id) for span in spans]


class Collector:
    """An upstream that remembers which spans it said yes to. `seconds` is how long it takes for that."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.status = 200
        self.requests: list[list[int]] = []
        self.port = 0

    def delivered(self) -> Counter[int]:
        """How often each span arrived."""
        return Counter(itertools.chain.from_iterable(tuple(self.requests)))

    def until(self, wanted: set[int]) -> None:
        """Wait until all of these have arrived."""
        deadline = time.monotonic() + PATIENCE
        while missing := wanted - self.delivered().keys():
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(missing)} of {len(wanted)} spans never arrived, such as {min(missing)}")
            time.sleep(0.02)

    @contextlib.contextmanager
    def listening(self) -> Iterator["Collector"]:
        """On a free port, which stays the same when it listens again."""
        collector = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                ids = ids_of(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(collector.seconds)
                status = collector.status
                if status == 200:
                    collector.requests.append(ids)  # before it is said: what was said to be there, is
                self.send_response(status)
                self.send_header("Content-Type", PROTOBUF)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                """A client that was killed is no news."""

        server = Server((HOST, self.port), Answer)
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Sender:
    """An SDK: sends batches at a rate, and remembers which were acknowledged. What was refused is not sent again."""

    def __init__(self, port: int, *, spans: int = 50, rate: float = 100.0) -> None:
        self.port, self.spans, self.pause = port, spans, 1 / rate
        self._acknowledged: set[int] = set()
        self._lock = threading.Lock()
        self.sent = 0
        self.took: list[float] = []  # seconds, of each acknowledged call
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ending.set()
        self._thread.join()

    @property
    def acknowledged(self) -> set[int]:
        """The spans that were answered 200 so far."""
        with self._lock:
            return set(self._acknowledged)

    def once(self, connection: http.client.HTTPConnection) -> int:
        """Send one batch; the status of the answer."""
        first, self.sent = self.sent + 1, self.sent + self.spans
        ids = range(first, first + self.spans)
        began = time.perf_counter()
        connection.request("POST", "/v1/traces", body_of(ids), {"Content-Type": PROTOBUF})
        with connection.getresponse() as answer:
            answer.read()
        if answer.status == 200:
            self.took.append(time.perf_counter() - began)
            with self._lock:
                self._acknowledged.update(ids)
        return answer.status

    def _run(self) -> None:
        with contextlib.closing(http.client.HTTPConnection(HOST, self.port, timeout=30)) as connection:
            while not self._ending.wait(self.pause):
                try:
                    self.once(connection)
                except (OSError, http.client.HTTPException):
                    connection.close()  # nobody there now


def body_of(ids: range, padding: int = 200) -> bytes:
    """A request with these spans; each has `padding` bytes of attributes."""
    request = ExportTraceServiceRequest()
    each = request.resource_spans.add()
    each.resource.attributes.add(key="service.name").value.string_value = "checkout"
    scope = each.scope_spans.add()
    now = time.time_ns()
    for number in ids:
        span = scope.spans.add(name="GET /orders", kind=2, trace_id=number.to_bytes(16), span_id=number.to_bytes(8))
        span.start_time_unix_nano, span.end_time_unix_nano = now - 1_000_000, now
        span.attributes.add(key="note").value.string_value = "x" * padding
    return request.SerializeToString()
