"""A kubelet, as far as its prober goes: how it asks, what it counts, and what it makes of one container.

From its sources: redirects are followed on the same host only, a redirect elsewhere passes with a warning, 10 KiB of a
body are read, no proxy is asked, every request is a connection of its own; liveness and readiness are not asked before
startup has passed, and of a Pod that is being deleted only readiness.
"""

import http.client
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from tests.running import PATIENCE

BODY = 10 * 1024  #: bytes of an answer that are read
REDIRECTS = 10
WHO = "kube-probe/1.33"


def ask(url, timeout=1.0, headers=None):
    """One probe: success, warning (counts as a success) or failure, and what was answered."""
    first, until = urlsplit(url), time.monotonic() + timeout
    try:
        for _ in range(REDIRECTS):
            status, place, text = _get(url, headers or {}, until)
            if status not in {301, 302, 303, 307, 308} or not place:
                return ("success" if 200 <= status < 400 else "failure"), text
            if urlsplit(urljoin(url, place)).hostname != first.hostname:
                return "warning", f"probe terminated redirects: {place}"
            url = urljoin(url, place)
    except (OSError, http.client.HTTPException) as error:
        return "failure", str(error)
    return "failure", f"stopped after {REDIRECTS} redirects"


def _get(url, headers, until):
    """Status, where it leads, and the beginning of the body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=max(0.001, until - time.monotonic()))
    try:
        path = parts._replace(scheme="", netloc="").geturl() or "/"
        connection.request("GET", path, headers={"User-Agent": WHO, "Accept": "*/*", "Connection": "close"} | headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["Location"], answer.read(BODY).decode(errors="replace")
    finally:
        connection.close()


@dataclass
class Prober:
    """One probe of a container: its clock, its thresholds, and what is believed. Times are seconds."""

    url: str
    period: float
    timeout: float
    failures: int
    believed: bool | None
    successes: int = 1
    due: float = 0.0
    run: int = 0
    last: bool | None = None
    seen: Counter = field(default_factory=Counter)

    @classmethod
    def of(cls, spec, base, second, believed):
        """As a manifest says it; a second of its periods lasts `second`. The timeout is a busy machine's."""
        return cls(
            url=base + spec["httpGet"]["path"],
            period=spec.get("periodSeconds", 10) * second,
            timeout=PATIENCE,
            failures=spec.get("failureThreshold", 3),
            successes=spec.get("successThreshold", 1),
            believed=believed,
        )

    def look(self):
        """Ask once where it is time, and believe what was seen often enough in a row."""
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + self.period
        result, _ = ask(self.url, self.timeout)
        passed = result != "failure"
        self.seen[result] += 1
        self.run = self.run + 1 if passed == self.last else 1
        self.last = passed
        if self.run >= (self.successes if passed else self.failures):
            self.believed = passed


class Container:
    """A container with its three probes, as the kubelet keeps it."""

    def __init__(self, manifest, base, second):
        self.startup = Prober.of(manifest["startupProbe"], base, second, None)
        self.liveness = Prober.of(manifest["livenessProbe"], base, second, believed=True)
        self.readiness = Prober.of(manifest["readinessProbe"], base, second, believed=False)
        self.deleting = False

    @property
    def started(self):
        """The next container of the Pod may start."""
        return self.startup.believed is True

    @property
    def killed(self):
        """The kubelet would restart it."""
        return self.startup.believed is False or not self.liveness.believed

    @property
    def ready(self):
        """Its part in the Pod's Ready."""
        return self.started and self.readiness.believed

    def look(self):
        """Whatever is due now."""
        if not self.started:
            self.startup.look()
            return
        if not self.deleting:
            self.liveness.look()
        self.readiness.look()

    def until(self, condition, patience=PATIENCE):
        """Go on asking until the condition holds."""
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, vars(self)
            self.look()
            time.sleep(0.01)

    def asks(self, rounds):
        """Go on until readiness was asked so many times more."""
        enough = self.readiness.seen.total() + rounds
        self.until(lambda: self.readiness.seen.total() >= enough)
