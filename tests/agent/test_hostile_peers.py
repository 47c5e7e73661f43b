"""Peers that do their worst to one real agent, and reloads while its dependency is out."""

import contextlib
import json
import random
import threading
import time
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import psutil
import pytest

from agent.peers import deltas
from agent.peers.book import MOST, Base, Book
from tests.agent import hostile
from tests.agent.peers.asking import way
from tests.agent.peers.replicas import heard, hearing
from tests.ports import free_port
from tests.running import AT_ONCE, agent

JSON = b"Content-Type: application/json\r\n"
DEEP = b'{"identity": "a", "version": 1, "probes": ' + b"[" * 60_000


def flood_of(block):
    """This head, then the same block for ever."""

    def play(client):
        client.sendall(hostile.OK)
        while True:
            client.sendall(block)

    return play


def interim(client):
    """100 Continue for ever."""
    while True:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def half_closed(client):
    """A head, half of the body, the end of the stream, and never a close."""
    client.sendall(hostile.OK + b"Content-Length: 100\r\n\r\n{")
    client.shutdown(1)
    hostile.hang(client)


PLAYS = {
    "hangs": hostile.hang,
    "resets": hostile.reset,
    "drips": hostile.says(hostile.OK, b"Content-Length: 5000\r\n\r\n", then=hostile.drips),
    "floods": hostile.says(hostile.OK, b"\r\n", then=hostile.floods),
    "fields without end": flood_of(b"X-Field: " + b"x" * 1000 + b"\r\n"),
    "one field without end": flood_of(b"x" * 65_536),
    "interim answers": interim,
    "chunks of one byte": hostile.says(hostile.OK, b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 200_000),
    "half closed": half_closed,
    "bomb": hostile.says(hostile.OK, b"Content-Encoding: gzip\r\n\r\n", hostile.bomb()),
    "deep": hostile.says(hostile.OK, b"Content-Length: %d\r\n\r\n" % len(DEEP), DEEP),
    "noise": hostile.says(bytes(range(256)) * 100),
}


@pytest.mark.e2e
def test_the_worst_of_peers_cost_no_verdict():
    """Twelve at once: /readyz answers on, memory stays bounded, and the loop that asks them never dies."""
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(hostile.serving(play)) for play in PLAYS.values()]
        target = stack.enter_context(hostile.answering())
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        body = f"probes: {{db: {{type: http, url: '{target.url}/', interval: 1s, shared: true}}}}\n"
        one = stack.enter_context(agent(body, readiness=f"peers: {{urls: {urls}, refresh: 500ms}}"))
        one.until("/readyz")
        one.wait(lambda: requests(one, "malformed") >= 12, "the first rounds")
        memory, seconds, before = one.rss, [], sum(requests(one, outcome) for outcome in ("failed", "malformed"))
        ends = time.perf_counter() + 6
        while time.perf_counter() < ends:
            began = time.perf_counter()
            assert one.get("/readyz")[0] == 200
            seconds.append(time.perf_counter() - began)
            time.sleep(0.01)
        assert max(seconds) < AT_ONCE
        assert one.rss < memory + 10 * 2**20
        assert sum(requests(one, outcome) for outcome in ("failed", "malformed")) > before
        assert requests(one, "ok") == 0
        assert sample(one, 'outrider_task_restarts_total{task="peers"}') == 0


def sample(one, name):
    """One number of the metrics page."""
    page = one.get("/metrics")[1].decode()
    return next(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(f"{name} "))


def requests(one, outcome):
    """Looks at peers with that outcome."""
    return sample(one, f'outrider_peer_requests_total{{outcome="{outcome}"}}')


class Told(ThreadingHTTPServer):
    """A peer that says what it is made to say: `document()` is the body."""

    daemon_threads = True

    def __init__(self, document):
        super().__init__(("127.0.0.1", 0), _Telling)
        self.document = document

    @property
    def url(self):
        """Its public listener."""
        return f"http://127.0.0.1:{self.server_port}"


class _Telling(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(self.server.document()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def telling(document):
    """A server of that kind, while the block runs."""
    with Told(document) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def says(identity, *passes):
    """A document with these attempts of `db`, all of this moment."""
    return {"version": 1, "identity": identity, "probes": {"db": [[0.0, passed] for passed in passes]}}


async def test_one_address_has_one_voice():
    """Who answers with a new name each time is heard once, and two addresses of one replica are two ways to it."""
    names = count()
    with telling(lambda: says(f"liar{next(names)}", True)) as liar, telling(lambda: says("honest", True)) as honest:
        hear = hearing()
        async with way(liar.url, honest.url) as asking:
            for _ in range(6):
                await asking.look(hear)
        assert heard(hear) == ["honest", "liar5"]


def test_a_name_with_ten_thousand_addresses_is_cut():
    """So many are kept, and twelve asked."""
    book = Book("me", random.Random(1))
    book.update(Base(f"http://10.{number // 65536}.{number // 256 % 256}.{number % 256}:1") for number in range(10_000))
    assert len(book) == MOST
    assert len(book.choose(0.0)) == 12


def test_a_counter_that_jumps_at_every_scrape_fills_no_memory():
    """Of whatever Prometheus has counted, the newest eight attempts are kept."""
    points = [(float(at), float(at * 100)) for at in range(50_000)]
    scrapes = [at for at, _ in points]
    tracemalloc.start()
    try:
        found = deltas.attempts([("pass", points), ("fail", points)], scrapes, 1.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == 8
    assert peak < 2**20


# -- reloads under fire ------------------------------------------------------------------------------------------------

OPTIONS = (
    "groups: {all: {members: [db, app]}}",
    "groups: {all: {members: [db]}, any: {members: [app], rule: any}}",
    "maintenance: {night: {probes: [app], start: '22:00', duration: 1h, timezone: Europe/Berlin}}",
    "labels: {team: a}",
    "slos: {dependency: {objective: 99%, sli: {probe: db}}}",
)


@pytest.mark.e2e
def test_reloads_in_an_outage_take_nobody_out_and_leave_nothing_behind():
    """Twenty files while what all share is out: ready all the time; no file, no thread and no listener is left over."""
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(hostile.answering())
        peers = [stack.enter_context(telling(lambda name=name: says(name, False, False))) for name in "abc"]
        nobody = free_port()
        probes = f"""
probes:
  db: {{type: http, url: 'http://127.0.0.1:{nobody}/', interval: INTERVAL, fast_interval: 200ms, shared: true}}
  app: {{type: http, url: '{target.url}/', interval: 1s EXTRA}}
"""
        one = stack.enter_context(agent(text(probes, 0), readiness=readiness(peers, 0)))
        one.until("/readyz")
        one.wait(lambda: one.json("/api/v1/probes/db")["state"] == "down")
        process, codes, over = psutil.Process(one.process.pid), set(), threading.Event()
        head = one.file.read_text().partition("probes:")[0]
        for number in (1, 2, 0):  # what the first uses of each part load is no leak
            assert reloaded(one, head, probes, peers, number) == 200
        one.wait(lambda: one.get("/readyz")[0] == 200)
        files, threads = process.num_fds(), process.num_threads()

        def ask():
            while not over.is_set():
                codes.add(one.get("/readyz")[0])

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for number in range(1, 21):
                assert reloaded(one, head, probes, peers, number) == 200
        finally:
            over.set()
            asking.join()
        assert codes == {200}
        assert reloaded(one, head, probes, peers, 0) == 200
        one.wait(lambda: process.num_fds() <= files + 3, "what was opened is given back")
        assert process.num_threads() <= threads + 2
        assert "Traceback" not in one.log.read_text()
        assert "unready" not in one.log.read_text().partition("probe db is down")[2]
        open_at = {each.laddr.port for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
        assert open_at == {one.public, one.admin}


def text(probes, number):
    """The file but for its head: each number another."""
    extra = (", depends_on: [db]", ", when_down: degraded", ", slo: 99%", "")[number % 4]
    new = f"  new{number}: {{type: http, url: 'http://127.0.0.1:1/', interval: 30s, shared: true}}\n"
    intervals = probes.replace("INTERVAL", f"{2 + number % 2}s").replace(" EXTRA", extra)
    return f"{intervals}{new if number % 3 else ''}{OPTIONS[number % len(OPTIONS)]}\n"


def readiness(peers, number):
    """Other peers, or another time between two looks; sometimes none."""
    if number % 7 == 3:
        return "shared: degrade"
    urls = [each.url for each in peers[number % 2 :]]
    token = f", token: secret{number}" if number % 5 == 4 else ""
    return f"peers: {{urls: {urls}, refresh: {200 + 100 * (number % 3)}ms{token}}}"


def reloaded(one, head, probes, peers, number):
    """Put another file in force; returns the status."""
    listening = f"agent_check: '127.0.0.1:{free_port()}'" if number % 2 else ""
    lines = head.splitlines()
    lines[1] = lines[1].partition(", }")[0].rstrip("}") + f", {listening}}}"
    lines[2] = f"readiness: {{drain: 0s, {readiness(peers, number)}}}"
    one.file.write_text("\n".join([*lines, text(probes, number)]))
    status, said = one.post("/api/v1/reload")
    assert status == 200, said
    return status
