"""Real SDKs send, each in its own process and its own way: every span arrives, with its own ids."""

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.pipeline.ends import HOST, Collector
from tests.ports import free_port
from tests.running import PATIENCE, ROOT, agent

pytestmark = [pytest.mark.e2e, pytest.mark.case("D1")]

JS = Path(__file__).with_name("js")
COUNT = 1000


def missing() -> str:
    """Why the senders for JavaScript cannot run; "" when they can, and in CI, which must have them."""
    if os.environ.get("CI"):
        return ""
    if not shutil.which("node"):
        return "node is not installed"
    return "" if (JS / "node_modules").is_dir() else "no node_modules: run `make ci-tools`"


@pytest.fixture(scope="module")
def path():
    """A collector, and an agent in front of it that listens in both ways."""
    collector, grpc = Collector(), free_port()
    with collector.listening():
        body = (
            "probes: {}\ntraces:\n"
            f"  receive: {{http: '{HOST}:OTLP_PORT', grpc: '{HOST}:{grpc}', cors: ['*'],"
            " pass_headers: [x-tenant]}\n"
            f"  forward: {{gateway: {{endpoint: 'http://{HOST}:{collector.port}'}}}}\n"
        )
        with agent(body) as running:
            running.until("/startupz")
            yield collector, {"http": f"http://{HOST}:{running.otlp}", "grpc": f"http://{HOST}:{grpc}"}


def arrived(collector, printed):
    """Wait for the ids that a sender printed."""
    ids = {int(each, 16) for each in json.loads(printed)}
    assert len(ids) == COUNT
    collector.until(ids)
    counted = collector.delivered()
    assert {counted[each] for each in ids} == {1}


def run(command, **env):
    """What it printed."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE * 2, cwd=ROOT, env=os.environ | env, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("way", ["proto", "json", "grpc"])
def test_javascript(path, way):
    """The SDK for Node delivers a thousand spans by protobuf, JSON and gRPC."""
    if why := missing():
        pytest.skip(why)
    collector, urls = path
    url = urls["grpc"] if way == "grpc" else urls["http"] + "/v1/traces"
    arrived(collector, run(["node", str(JS / "send.mjs"), way, url, str(COUNT)]))


@pytest.mark.parametrize(
    ("way", "compression"), [("http", ""), ("http", "gzip"), ("http", "deflate"), ("grpc", ""), ("grpc", "gzip")]
)
def test_python(path, way, compression):
    """The SDK for Python delivers a thousand spans over HTTP and gRPC, plain and compressed."""
    collector, urls = path
    command = [sys.executable, str(Path(__file__).with_name("send.py")), way, str(COUNT)]
    chosen = {"OTEL_EXPORTER_OTLP_COMPRESSION": compression} if compression else {}
    arrived(collector, run(command, OTEL_EXPORTER_OTLP_ENDPOINT=urls[way], **chosen))


@pytest.mark.case("D4")
def test_a_service_that_forks(path):
    """Four workers of one parent that make their own tracers deliver all of their spans."""
    collector, urls = path
    command = [sys.executable, str(Path(__file__).with_name("send.py")), "http", str(COUNT), "4"]
    arrived(collector, run(command, OTEL_EXPORTER_OTLP_ENDPOINT=urls["http"]))


def test_a_page_in_a_browser(path, tmp_path):
    """A page of another origin sends its spans with the SDK, after the preflight that its headers need."""
    if why := missing():
        pytest.skip(why)
    if not os.environ.get("CI") and not shutil.which("chromium"):
        pytest.skip("chromium is not installed (make ci-tools)")
    from playwright.sync_api import sync_playwright

    collector, urls = path
    bundle = [str(JS / "node_modules/.bin/esbuild"), str(JS / "page.mjs"), "--bundle", "--format=iife"]
    run([*bundle, f"--outfile={tmp_path / 'page.js'}", "--log-level=error"])
    (tmp_path / "index.html").write_text("<!doctype html><title>shop</title><script src=page.js></script>")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            """Quiet."""

    server = ThreadingHTTPServer((HOST, 0), partial(Quiet, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        with sync_playwright() as started:
            browser = started.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
            )
            page = browser.new_page()
            page.goto(f"http://{HOST}:{server.server_address[1]}/")
            ids = page.evaluate("([url, count]) => send(url, count)", [urls["http"] + "/v1/traces", 20])
            browser.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(ids) == 20
    collector.until({int(each, 16) for each in ids})
