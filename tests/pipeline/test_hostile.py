"""Senders and upstreams in bad faith: the agent answers the others, stays as large as it was, and keeps its books."""

import contextlib
import gzip
import http.client
import itertools
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.pipeline.ends import HOST, PROTOBUF, Collector, Sender, body_of
from tests.pipeline.paths import (
    file_of,
    hidden_rss,
    missing,
    page,
    port,
    post,
    send,
    serving,
    settled,
    spans,
)
from tests.running import AT_ONCE

pytestmark = pytest.mark.e2e

MIB = 1 << 20
JSON = "application/json"


def _head(length, more=""):
    return f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {length}\r\n{more}\r\n"


def _sends(address, *parts, pause=0.0, read=True):
    """Send these parts on a connection of their own; what came back, b"" where it was cut off."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, address), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        return connection.recv(65536) if read else b""
    return b""


def _slow_body(otlp, grpc_port):
    return _sends(otlp, _head(1000).encode(), *([b"\x0a"] * 24), pause=0.25)


def _slow_head(otlp, grpc_port):
    return _sends(otlp, b"POST", *([b"x"] * 8), pause=0.25)


def _large_head(otlp, grpc_port):
    return _sends(otlp, _head(0, f"X-Large: {'x' * 65536}\r\n").encode())


def _endless_head(otlp, grpc_port):
    return _sends(otlp, b"POST /v1/traces HTTP/1.1\r\n", *([b"X-More: " + b"y" * 4000 + b"\r\n"] * 100))


def _never_reads(otlp, grpc_port):
    request = b"POST /v1/trace HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    return _sends(otlp, request * 2000, read=False, pause=1.0)


def _gzip_bomb(otlp, grpc_port):
    return _sends(otlp, _head(len(_BOMB), "Content-Encoding: gzip\r\n").encode() + _BOMB)


def _json_bomb(otlp, grpc_port):
    body = next(_JSONS)
    return _sends(otlp, _head(len(body)).replace(PROTOBUF, JSON).encode() + body)


def _empty_messages(otlp, grpc_port):
    body = b"\x0a\x00" * (2 * MIB)
    return _sends(otlp, _head(len(body)).encode() + body)


def _deep(otlp, grpc_port):
    body = b""
    for _ in range(5000):
        body = b"\x0a" + _varint(len(body)) + body
    return _sends(otlp, _head(len(body)).encode() + body)


def _garbage_to_grpc(otlp, grpc_port):
    return _sends(grpc_port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(range(256)) * 400)


def _http1_to_grpc(otlp, grpc_port):
    return _sends(grpc_port, _head(10).encode() + b"0123456789")


def _half_a_frame_to_grpc(otlp, grpc_port):
    settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    return _sends(grpc_port, settings, b"\x00\xff\xff\x01\x04\x00\x00\x00\x01" + b"\x82" * 1000, pause=1.0)


def _varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


_BOMB = gzip.compress(bytes(200 * MIB), 9)
_JSONS = itertools.cycle(
    [
        b"[" * MIB,
        b'{"resourceSpans":' * 50_000,
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * 300_000 + b"{}]}]}]}",
        b'{"a":"' + b"\\ud800" * 100_000 + b'"}',
        b'{"resourceSpans":' + b"9" * 500_000 + b"}",
    ]
)
ATTACKS = (
    *(_slow_body, _slow_head, _large_head, _endless_head, _never_reads, _gzip_bomb, _json_bomb, _empty_messages),
    *(_deep, _garbage_to_grpc, _http1_to_grpc, _half_a_frame_to_grpc),
)


class Pulse:
    """Asks /livez all the time, and how large the agent is; from a thread."""

    def __init__(self, running):
        self.took, self.largest = [], 0
        self._running, self._ending = running, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._ending.set()
        self._thread.join()

    def _run(self):
        with contextlib.closing(http.client.HTTPConnection(HOST, self._running.public, timeout=30)) as connection:
            while not self._ending.wait(0.01):
                began = time.perf_counter()
                connection.request("GET", "/livez")
                with connection.getresponse() as answer:
                    answer.read()
                self.took.append(time.perf_counter() - began)
                self.largest = max(self.largest, hidden_rss(self._running))

    @property
    def p99(self):
        """Seconds."""
        return sorted(self.took)[len(self.took) * 99 // 100]


def test_a_siege_of_senders_is_noticed_by_nobody(tmp_path):
    """Every attack fifty times at once: an honest sender loses nothing, /livez answers, memory is bounded."""
    where, collector = port(), Collector()
    receive = f"grpc: '{HOST}:{where}', memory: 16MiB, max_body: 8MiB"
    with collector.listening(), serving(file_of({"gateway": collector.port}, tmp_path, "", receive)) as running:
        send(running, range(900_001, 900_011))
        before = hidden_rss(running)
        with Sender(running.otlp, rate=20) as honest, Pulse(running) as pulse:
            with ThreadPoolExecutor(120) as pool:
                attacks = [attack for attack in ATTACKS for _ in range(50)]
                answers = list(pool.map(lambda attack: attack(running.otlp, where), attacks))
            lag = page(running).total("event_loop_lag_seconds")
        assert not [said for said in answers if said.startswith(b"HTTP/1.1 500")]
        assert not [said for said in answers if said.startswith(b"HTTP/1.1 200")]
        assert len(honest.acknowledged) > honest.sent * 0.5
        collector.until(honest.acknowledged)
        settled(running)
        assert pulse.largest - before < 80 * MIB, pulse.largest - before
        assert pulse.p99 < AT_ONCE
        assert lag < AT_ONCE
        assert running.log.read_text().count("\n") < 200
        assert page(running).total("otlp_refused_requests_total") > 100


def test_five_hundred_connections_are_served_beside_those_that_idle(tmp_path):
    """They stay open and silent; who comes next is answered at once, and each of them is when it speaks."""
    collector = Collector()
    with (
        contextlib.ExitStack() as stack,
        collector.listening(),
        serving(file_of({"gateway": collector.port}, tmp_path)) as running,
    ):
        idle = [stack.enter_context(socket.create_connection((HOST, running.otlp))) for _ in range(500)]
        sent = send(running, range(1, 11))
        for number, one in enumerate(idle[::10], 100):
            body = body_of(range(number, number + 1))
            one.sendall(_head(len(body)).encode() + body)
            assert one.recv(4096).startswith(b"HTTP/1.1 200")
            sent.add(number)
        collector.until(sent)
        settled(running)
        assert page(running).total("event_loop_lag_seconds") < AT_ONCE


def test_requests_that_are_cut_off_leave_nothing_behind():
    """Two hundred senders that die in the middle of a body: nothing is counted as received, no budget is kept."""
    with serving(file_of({"gateway": port()}, None, "", "memory: 1MiB, max_body: 512KiB")) as running:
        body = body_of(range(1, 1001))
        for _ in range(200):
            with socket.create_connection((HOST, running.otlp)) as one:
                one.sendall(_head(len(body)).encode() + body[:1000])
        running.wait(lambda: post(running.otlp, body)[0] == 200, "room for an honest one")
        assert spans(running, "received_spans_total") == 1000
        assert not missing(running)
