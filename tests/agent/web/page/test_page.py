import base64
import hashlib
import os
import re
import shutil

import pytest

from agent.events import Outcome
from agent.outbox.dead import DeadLetter
from agent.readiness.policy import unjudged
from agent.web import listeners
from config.types.address import ListenAddress
from probes.base import Kind, Measurement, Reading
from probes.reason import Reason
from tests.exporters.notify.place import alert

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
READINGS = Measurement(
    (
        Reading("deadlocks", 3, kind=Kind.COUNTER),
        Reading("connections_used", 0.421, "ratio"),
        Reading("replication_lag", None, "seconds"),
        Reading("query_latency", 0.0013, "seconds"),
        Reading("depth", 7, item="orders"),
        Reading("size", 5, "bytes"),
    )
)
SLO = {
    "name": "orders", "sli": "probe orders-db", "objective": 0.999, "window_seconds": 2592000,
    "burn_rate": {"5m": 120.0, "1h": 16.7},
    "error_budget_remaining_ratio": 0.31, "seconds_to_exhaustion": 40000,
}  # fmt: skip
DESTINATION = {
    "state": "failing", "trouble": "connection refused", "failures": 3, "delivered_spans": 12345, "queue_spans": 12,
    "queue_bytes": 2048, "queue_oldest_seconds": 61.2, "rejected_upstream_spans": {},
    "dropped_spans": {"shutdown": 2, "full": 1},
}  # fmt: skip
PIPELINE = {"durability": "process", "storage": {"trouble": ""}, "destinations": {"gateway": DESTINATION}}


async def html(admin):
    async with admin.get("/") as answer:
        assert answer.status == 200
        return await answer.text()


def words(page):
    """The text of the page, as a reader gets it."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


async def test_the_page_may_load_nothing(admin):
    """The headers allow the one style sheet that is in the page, and nothing else; nobody may frame it."""
    async with admin.get("/") as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    (style,) = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in page
    assert '<html lang="en">' in page


async def test_the_page_is_not_public(public):
    """The public listener has no page."""
    async with public.get("/") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("arrange", "word", "sentence"),
    [
        pytest.param(lambda w: w.up("a"), "Ready", "Its one probe is up.", id="ready"),
        pytest.param(lambda w: (w.up("a"), w.up("b")), "Ready", "2 probes are up.", id="two ready"),
        pytest.param(lambda w: w.degraded("a"), "Degraded", "not everything it needs is well", id="degraded"),
        pytest.param(lambda w: w.down("a"), "Not ready", "send this replica no traffic", id="unready"),
        pytest.param(lambda w: w.probe("a"), "Starting", "Not every probe has answered yet", id="starting"),
        pytest.param(lambda w: w.lifecycle.drain(), "Draining", "may stop in 15 s", id="draining"),
        pytest.param(lambda _: None, "Ready", "This replica may get traffic.", id="empty"),
    ],
)
async def test_banner(admin, world, arrange, word, sentence):
    """The verdict stands first, as a word, a sentence and the title of the tab."""
    arrange(world)
    page = await html(admin)
    assert f"<title>{word}: checkout</title>" in page
    assert f'<h2 id="verdict">{word}</h2>' in page
    assert sentence in words(page)


async def test_banner_unjudged(admin, world):
    """Without a valid configuration the page says that nothing is judged."""
    world.verdict = lambda _: unjudged(draining=False)
    assert "Unjudged No valid configuration is in force" in words(await html(admin))


async def test_probes(admin, world):
    """A row says what it is, how it stands, since when, why, how long it took, and its first readings in words."""
    world.probe(
        "orders-db", Outcome.FAIL, Reason.AUTH, detail="wrong password", measurement=READINGS,
        description="Orders", runbook_url="https://runbooks.example/db?a=1&b=2",
    )  # fmt: skip
    world.up("app")
    world.now += 3600
    page = await html(admin)
    said = words(page)
    assert "orders-db postgres db.internal.example:5432 Orders down stale auth in connect wrong password" in said
    assert "runbook 1 h 12 ms 42.1 % connections used unreadable replication lag 1.3 ms query latency" in said
    assert "7 depth orders and 2 more" in said
    assert 'href="https://runbooks.example/db?a=1&amp;b=2" rel="noreferrer noopener"' in page
    assert "app postgres db.internal.example:5432 up stale pass" in said


async def test_a_runbook_that_is_no_web_address_is_no_link(admin, world):
    """A `javascript:` address in the file does not become something to click."""
    world.down("db", runbook_url="javascript:alert(1)")
    assert "javascript:" not in await html(admin)


async def test_objectives_alerts_and_traces(admin, world):
    """The lower parts tell burn and budget, what fires, and where spans went, in human units."""
    alert = {
        "name": "ErrorBudgetBurn", "about": "orders", "severity": "page", "state": "firing", "since": world.wall - 130,
        "started_at": world.wall - 130,
        "annotations": {"summary": "burns 120x", "runbook_url": "https://r.example/", "root_cause": "db is &down"},
    }  # fmt: skip
    blind = SLO | {"name": "blind", "problem": "no bucket ends there"}
    world.answers["slos"] = [SLO, SLO | {"name": "spent", "error_budget_remaining_ratio": -0.2}, blind]
    world.answers["alerts"] = [alert, alert | {"state": "pending", "annotations": {}}]
    world.answers["pipeline"] = PIPELINE
    said = words(await html(admin))
    assert "orders probe orders-db, over 30 d 99.9 % 31 % 5m 120, 1h 16.7 11 h 7 min" in said
    assert "spent probe orders-db, over 30 d 99.9 % -20 % 5m 120, 1h 16.7 spent" in said
    assert "blind probe orders-db, over 30 d; not counted: no bucket ends there 99.9 %" in said
    assert "orders ErrorBudgetBurn firing page 2 min 10 s burns 120x runbook db is &amp;down" in said
    assert "pending page 2 min 10 s" in said
    queued = "12 2 KiB on disk, the oldest for 1 min 1 s"
    assert f"gateway connection refused failing 12,345 {queued} 0 3 shutdown, full" in said


async def test_what_was_never_delivered(admin, world):
    """Only where there is something: to whom, what became of it and why, in texts that are no markup."""
    assert "Undelivered" not in await html(admin)
    letters = [DeadLetter("oncall", alert(key=f"k{each}"), "refused", "<b>no", 1, world.wall - 90) for each in range(7)]
    world.answers["undelivered"] = letters
    page = await html(admin)
    assert "shop pg-availability burns firing oncall refused &lt;b&gt;no 1 min 30 s ago" in words(page)
    assert page.count("1 min 30 s ago") == 5  # the API has all


async def test_where_spans_wait(admin, world):
    """With a disk that fails the page says so, and that what comes is kept in memory; an empty queue is just a 0."""
    world.answers["pipeline"] = PIPELINE | {"storage": {"trouble": "<b>: No space left on device"}}
    page = await html(admin)
    assert "until the state folder can be used: &lt;b&gt;: No space left on device" in page
    assert "12 2 KiB, the oldest" in words(page)
    world.answers["pipeline"] = PIPELINE | {"durability": "memory"}
    assert "12 2 KiB in memory, the oldest" in words(await html(admin))
    empty = DESTINATION | {"queue_spans": 0}
    world.answers["pipeline"] = PIPELINE | {"durability": "memory", "destinations": {"gateway": empty}}
    said = words(await html(admin))
    assert "12,345 0 0 3 shutdown" in said
    assert "state folder" not in said


async def test_empty_states(admin, world):
    """With nothing configured every part says so, and what to write."""
    said = words(await html(admin))
    assert "No probes configured" in said
    assert "slo: 99.9%" in said
    assert "None firing." in said
    assert "traces: forward:" in said
    world.probe("new")
    world.answers["slos"] = [SLO | {"seconds_to_exhaustion": None}]
    said = words(await html(admin))
    assert "unknown none yet" in said
    assert "not at this rate" in said


@pytest.mark.skipif(
    not os.environ.get("CI") and shutil.which("chromium") is None, reason="chromium is not installed (make ci-tools)"
)
async def test_in_a_browser(world):
    """In Chromium hostile names and details stay text, nothing is blocked or logged, and a phone need not scroll."""
    from playwright.async_api import async_playwright

    world.down("db", detail=HOSTILE, target=HOSTILE, description=HOSTILE)
    world.answers["slos"] = [SLO]
    world.answers["pipeline"] = PIPELINE | {"destinations": {HOSTILE: DESTINATION}}
    said = []
    async with (
        listeners.admin(world.desk(), ListenAddress("127.0.0.1", 0)) as listener,
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
        ) as browser,
    ):
        phone = await browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        phone.on("console", lambda message: said.append(message.text))
        phone.on("dialog", lambda dialog: said.append(dialog.message))
        await phone.goto(f"http://{listener}")
        assert await phone.title() == "Not ready: checkout"
        assert await phone.get_by_role("row").count() > 2
        assert await phone.get_by_text(HOSTILE).count() >= 3
        assert await phone.evaluate("document.documentElement.scrollWidth") <= 390
        assert await phone.evaluate("getComputedStyle(document.querySelector('.banner')).backgroundColor") != (
            "rgba(0, 0, 0, 0)"
        )
    assert said == []
