"""Upstreams in bad faith: what they say is counted as what it is, and costs nobody else anything."""

import gzip
import time

import pytest

from tests.agent.upstream import Reply
from tests.pipeline.paths import file_of, hidden_rss, missing, page, send, serving, spans, upstream
from tests.pipeline.upstreams import rude, scripted
from tests.running import AT_ONCE

pytestmark = pytest.mark.e2e

MIB = 1 << 20

_BOMB = gzip.compress(bytes(200 * MIB), 9)
_YES = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"


def _endless(one):
    one.sendall(_YES + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        one.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")


def _drip(one):
    one.sendall(_YES + b"Content-Length: 1000\r\n\r\n")
    while True:
        one.sendall(b"x")
        time.sleep(1)


def _huge(one):
    one.sendall(_YES + b"Content-Length: 104857600\r\n\r\n")
    for _ in range(1600):
        one.sendall(bytes(65536))


def _headers_without_end(one):
    one.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        one.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")


def _garbage(one):
    one.sendall(b"\x00\xff" * 1000)


def _old(one):
    one.sendall(b"this is HTTP/0.9, as good as any")


def _garbage_for_a_body(one):
    one.sendall(_YES + b"Content-Length: 805\r\n\r\n\xff\xff\xff\xff\xff" + b"\x00garbage" * 100)


def _garbage_after_yes(one):
    one.sendall(_YES + b"Content-Length: 0\r\n\r\n" + b"\x00garbage" * 100)


def _bomb(one):
    one.sendall(_YES + f"Content-Encoding: gzip\r\nContent-Length: {len(_BOMB)}\r\n\r\n".encode() + _BOMB)


def _redirect(one):
    one.sendall(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /v1/traces\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("behave", "fate"),
    [
        (_endless, "rejected_upstream_spans_total"),
        (_huge, "rejected_upstream_spans_total"),
        (_bomb, "rejected_upstream_spans_total"),
        (_redirect, "rejected_upstream_spans_total"),
        (_garbage_for_a_body, "delivered_spans_total"),
        (_garbage_after_yes, "queue_spans"),
        (_drip, "queue_spans"),
        (_headers_without_end, "queue_spans"),
        (_garbage, "queue_spans"),
        (_old, "queue_spans"),
    ],
)
def test_a_rude_upstream_costs_the_other_nothing(tmp_path, behave, fate):
    """Whatever it answers is counted as what it is; the other destination gets everything; the agent stays small."""
    with scripted() as other, rude(behave) as where:
        forward = {"rude": upstream(where, "1s"), "other": other.port}
        with serving(file_of(forward, tmp_path)) as running:
            before = hidden_rss(running)
            sent = send(running, range(1, 101))
            running.wait(lambda: _settled_or_tried(running), "an attempt")
            sent |= send(running, range(101, 201))
            running.wait(lambda: not spans(running, "queue_spans", dest="other"), "the other")
            running.wait(lambda: spans(running, fate, dest="rude") == 200, f"200 in {fate}")
            assert other.delivered().keys() == sent
            assert not missing(running)
            assert hidden_rss(running) - before < 40 * MIB
            assert page(running).total("event_loop_lag_seconds") < AT_ONCE


def _settled_or_tried(running):
    seen = page(running)
    return not seen.total("otlp_queue_spans", dest="rude") or seen.total("otlp_retries_total", dest="rude")


def test_a_token_that_an_upstream_repeats_stays_a_secret(tmp_path):
    """Whoever answers 401 with our own header in its words: they reach no log, no API and no page."""
    secret = "canary-5f3a9d"
    with scripted() as gateway:
        gateway.always = Reply(401, f"unknown token {secret}".encode(), content_type="text/plain")
        keys = f"{upstream(gateway.port)}, headers: {{authorization: 'Bearer {secret}', x-key: {secret}}}"
        with serving(file_of({"gateway": keys}, tmp_path)) as running:
            send(running, range(1, 11))
            running.wait(lambda: spans(running, "retries_total", code="auth"), "a refusal")
            shown = [running.get(path, running.admin)[1].decode() for path in ("/", "/api/v1/pipeline", "/metrics")]
            assert not [text for text in (*shown, running.log.read_text()) if secret in text]
