import asyncio
import re

import pytest

from agent.readiness.policy import Policy, unjudged
from tests.agent.web.conftest import DETAIL, HOST, SECRET

PUBLIC_PATHS = (
    "/livez", "/readyz", "/readyz/db", "/startupz", "/health", "/health/ready", "/health/status", "/metrics", "/nope",
    "/", "/api/v1/config",
)  # fmt: skip


async def text(client, path, **more):
    async with client.get(path, **more) as answer:
        return answer.status, await answer.text()


async def document(client, path, accept=None):
    async with client.get(path, headers={"Accept": accept} if accept else {}) as answer:
        return answer.status, answer.content_type, await answer.json(content_type=None)


@pytest.mark.case("S02")
@pytest.mark.parametrize(
    ("member", "code", "word", "header"),
    [
        pytest.param("up", 200, "ok", "ready", id="all healthy"),
        pytest.param("degraded", 200, "degraded", "degraded", id="one degraded"),
        pytest.param("down", 503, "unready", "unready", id="one unhealthy"),
    ],
)
async def test_readyz_tells_the_verdict(public, world, member, code, word, header):
    """Healthy and degraded answer 200, unhealthy 503, each with its word and its header."""
    world.up("app")
    getattr(world, member)("db")
    async with public.get("/readyz") as answer:
        assert (answer.status, await answer.text(), answer.headers["Outrider-Ready"]) == (code, word, header)


@pytest.mark.case("S17")
async def test_member_that_does_not_gate(public, world):
    """A member that may be down leaves the replica ready and degraded."""
    world.down("cache", when_down="degraded")
    assert await text(public, "/readyz") == (200, "degraded")


@pytest.mark.case("K12")
async def test_starting_is_unready_until_the_first_pass(public, world):
    """Before the first result a gating member keeps the replica out; its first pass lets it in."""
    world.probe("db")
    assert await text(public, "/readyz") == (503, "unready")
    world.up("db", times=1)
    assert await text(public, "/readyz") == (200, "ok")


async def test_unjudged_is_ready_and_says_so(public, world):
    """Without a valid configuration the replica stays in, marked as unjudged."""
    world.verdict = lambda _: unjudged(draining=False)
    async with public.get("/readyz?verbose") as answer:
        assert (answer.status, answer.headers["Outrider-Ready"]) == (200, "unjudged")
        assert "[+]configuration degraded: none is in force" in await answer.text()


async def test_draining_is_unready_and_still_live(public, world):
    """From the first request to stop: unready, live."""
    world.up("db")
    world.lifecycle.drain()
    assert await text(public, "/readyz") == (503, "draining")
    assert "[-]shutdown failed: draining" in (await text(public, "/readyz?verbose"))[1]
    assert await text(public, "/livez") == (200, "ok")
    assert (await document(public, "/health"))[2]["draining"] is True
    assert (await document(public, "/readyz", "application/health+json"))[2]["output"].startswith("draining")


async def test_fail_on_degraded_shows_who_failed(public, world):
    """Where degraded means unready, the lines mark the degraded member as the failed one."""
    world.policy = Policy(fail_on_degraded=True)
    world.degraded("db")
    status, said = await text(public, "/readyz?verbose")
    assert (status, said) == (503, "[-]db degraded: reason withheld\nreadyz check failed\n")


async def test_livez_and_startupz_speak_of_the_agent_alone(public, world):
    """No probe moves liveness or startup; the loop and the first configuration do."""
    world.down("db")
    assert await text(public, "/livez?verbose") == (200, "[+]loop ok\nlivez check passed\n")
    assert await text(public, "/startupz") == (200, "ok")
    world.alive = world.lifecycle.configured = False
    assert await text(public, "/livez?verbose") == (503, "[-]loop failed\nlivez check failed\n")
    assert await text(public, "/startupz") == (503, "failed")
    assert await document(public, "/livez", "application/json") == (503, "application/json", {"status": "unhealthy"})
    draft = "application/health+json"
    assert await document(public, "/startupz", draft) == (503, draft, {"status": "fail"})


@pytest.mark.case("K02")
async def test_verbose(public, world):
    """`?verbose` lists every member and the sum, as Kubernetes does."""
    world.up("ping")
    assert await text(public, "/readyz?verbose") == (200, "[+]ping ok\nreadyz check passed\n")


@pytest.mark.case("K03")
async def test_exclude_of_nothing(public, world):
    """An exclude that names nothing changes nothing."""
    world.up("ping")
    assert await text(public, "/readyz?exclude=dontexist") == (200, "ok")


@pytest.mark.case("K04")
async def test_exclude(public, world):
    """An excluded member has no part in the verdict; excludes may be repeated."""
    world.up("ping")
    world.down("bad")
    world.down("worse")
    assert await text(public, "/readyz?exclude=bad&exclude=worse") == (200, "ok")
    assert (await text(public, "/readyz?exclude=bad"))[0] == 503


@pytest.mark.case("K05")
async def test_exclude_verbose(public, world):
    """An excluded member is listed as such."""
    world.up("ping")
    world.down("bad")
    status, said = await text(public, "/readyz?verbose=true&exclude=bad")
    assert (status, said) == (200, "[+]ping ok\n[+]bad excluded: ok\nreadyz check passed\n")


@pytest.mark.case("K06")
@pytest.mark.parametrize("path", ["/readyz", "/livez"])
async def test_unknown_exclude_warns(public, world, path):
    """An exclude without a match is a warning line, quoted so that it cannot forge another."""
    _, said = await text(public, f"{path}?verbose=true&exclude=dontexist")
    assert 'warn: some health checks cannot be excluded: no matches for "dontexist"\n' in said
    _, said = await text(public, f"{path}?verbose&exclude=a%0A[-]forged%20failed%00")
    assert "\n[-]forged" not in said
    assert r"a\n[-]forged failed\u0000" in said


@pytest.mark.case("K07")
async def test_single_member(public, world):
    """A member answers for itself alone."""
    world.up("ping")
    world.down("bad")
    assert await text(public, "/readyz/ping") == (200, "ok")


@pytest.mark.case("K09")
async def test_single_member_withholds_its_reason(public, admin, world):
    """A stranger learns that a member is down; the admin listener says why."""
    world.down("bad", when_down="ignore", shared=True)
    assert await text(public, "/readyz/bad") == (503, "down: reason withheld")
    status, said = await text(admin, "/readyz/bad")
    assert status == 503
    assert said == f"down: auth in connect ({DETAIL})"


async def test_single_member_never_passed(public, world):
    """A member that never passed is not available, whatever its policy."""
    world.probe("db", when_down="ignore")
    assert await text(public, "/readyz/db") == (503, "unknown: reason withheld")
    world.degraded("db")
    assert await text(public, "/readyz/db") == (200, "degraded")


@pytest.mark.case("K16")
async def test_unknown_member(public):
    """A name that no probe has is 404, a problem document with the request's id like any other."""
    for path in ("/readyz/nope", "/readyz/a%2Fb", "/readyz/", "/readyz/a/b"):
        async with public.get(path, headers={"X-Request-ID": "abc"}) as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
            assert (await answer.json(content_type=None))["request_id"] == "abc"


async def test_admin_lines_tell_why(admin, world):
    """On the admin listener the lines carry the reasons; an ignored member stays a plus."""
    world.down("db")
    world.degraded("cache")
    world.down("toy", when_down="ignore")
    _, said = await text(admin, "/readyz?verbose")
    assert f"[-]db failed: down: auth in connect ({DETAIL})\n" in said
    assert f"[+]cache degraded: degraded: threshold ({DETAIL})\n" in said
    assert "[+]toy ignored\n" in said


async def test_stale_member(admin, world):
    """A member whose attempts stopped keeps the replica out and says so."""
    world.up("db")
    world.now += 600
    status, said = await text(admin, "/readyz?verbose")
    assert status == 503
    assert "[-]db failed: stale: no attempt ended for 33 s" in said
    assert (await document(admin, "/health"))[2]["checks"]["db"]["error"] == "stale: no attempt ended for 33 s"


@pytest.mark.case("S04")
@pytest.mark.parametrize("path", ["/readyz", "/livez", "/health", "/metrics", "/nope"])
async def test_no_answer_is_cached(public, path):
    """Every answer forbids caches, in the words of HTTP/1.1 and of HTTP/1.0."""
    async with public.get(path) as answer:
        assert answer.headers["Cache-Control"] == "no-store, no-cache"
        assert answer.headers["Pragma"] == "no-cache"
        assert answer.headers["Expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.case("S09")
async def test_no_members(public):
    """Nothing to judge is ready; an unknown path is 404."""
    assert await text(public, "/readyz") == (200, "ok")
    status, said = await text(public, "/healthz")
    assert status == 404
    assert "the page and the API are on listen.admin" in said


@pytest.mark.case("S16")
async def test_negotiation(public, world):
    """JSON when asked for, text else; 406 only where a person asked for lines, never for a plain check."""
    world.up("db")
    assert (await document(public, "/readyz", "application/json"))[1] == "application/json"
    assert (await document(public, "/readyz", "text/html;q=0.5, application/json"))[1] == "application/json"
    assert await text(public, "/readyz", headers={"Accept": "image/png"}) == (200, "ok")
    for path in ("/readyz", "/readyz/db", "/livez"):
        status, kind, problem = await document(public, f"{path}?verbose", "image/png")
        assert (status, kind, problem["status"]) == (406, "application/problem+json", 406)


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/status"])
async def test_health_status(public, admin, world, path):
    """The aliases answer in JSON: the verdict, when, how long up, and every check; details on admin only."""
    world.up("db")
    world.down("cache", when_down="degraded")
    world.probe("new", when_down="degraded")
    world.now += 1
    status, kind, said = await document(public, path)
    assert (status, kind) == (200, "application/json")
    assert said == {
        "status": "degraded",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "uptime": 1.0,
        "checks": {
            "db": {"status": "up", "responseTime": 0.012},
            "cache": {"status": "down", "responseTime": 0.012, "error": "reason withheld"},
            "new": {"status": "unknown"},
        },
    }
    _, _, said = await document(admin, path)
    assert said["version"] == "9.8.7"
    assert said["checks"]["cache"]["error"] == f"auth in connect ({DETAIL})"
    assert said["reasons"] == [f"cache is down: auth in connect ({DETAIL})"]


async def test_health_status_as_text(public, world):
    """The aliases speak plain text to those who want nothing else."""
    assert await text(public, "/health", headers={"Accept": "text/plain"}) == (200, "ok")


async def test_single_member_as_json(public, world):
    """One member as JSON says its state and how long it took."""
    world.up("db")
    assert await document(public, "/readyz/db", "application/json") == (
        200, "application/json", {"status": "up", "responseTime": 0.012},
    )  # fmt: skip


@pytest.mark.case("R25")
@pytest.mark.parametrize(
    ("member", "code", "status"),
    [
        pytest.param("up", 200, "pass", id="pass"),
        pytest.param("degraded", 200, "warn", id="warn"),
        pytest.param("down", 503, "fail", id="fail"),
    ],
)
async def test_health_json(public, world, member, code, status):
    """application/health+json follows the draft: statuses, keys, no output on pass, the right code."""
    getattr(world, member)("db")
    for path in ("/readyz", "/readyz/db"):
        got, kind, said = await document(public, path, "application/health+json")
        assert (got, kind, said["status"]) == (code, "application/health+json", status)
        assert list(said["checks"]) == ["db:responseTime"]
        (component,) = said["checks"]["db:responseTime"]
        assert component["componentId"] == "db"
        assert component["componentType"] == "datastore"
        assert (component["observedValue"], component["observedUnit"]) == (0.012, "s")
        assert component["time"] == "2025-12-31T23:59:59.000Z"
        assert component["status"] == status
        assert ("output" in component) is (status != "pass")


async def test_health_json_before_the_first_attempt(admin, world):
    """A member without an attempt has nothing observed; the admin listener shows the version."""
    world.probe("db")
    _, _, said = await document(admin, "/readyz", "application/health+json")
    (component,) = said["checks"]["db:responseTime"]
    assert "observedValue" not in component
    assert component["output"] == "starting: not judged yet"
    assert said["version"] == "9.8.7"


@pytest.mark.case("R22")
@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/health+json", "text/html"])
async def test_strangers_learn_no_details(public, world, accept):
    """No path shows a stranger a host, a secret, a version or a trace of our insides."""
    world.down("db")
    world.degraded("cache")
    for path in PUBLIC_PATHS:
        async with public.get(f"{path}?verbose&exclude=x", headers={"Accept": accept}) as answer:
            said = await answer.text() + str(answer.headers)
        assert SECRET not in said
        assert HOST not in said
        assert not re.search(r"9\.8\.7|aiohttp|python|traceback|file \"", said.lower())


@pytest.mark.case("R26")
@pytest.mark.parametrize("path", ["/readyz", "/livez", "/startupz", "/health", "/readyz/db", "/metrics"])
async def test_methods(public, world, path):
    """HEAD answers without a body; every other method is 405 and says which would do."""
    world.down("db")
    async with public.get(path) as answer:
        expected, length = answer.status, answer.headers["Content-Length"]
    async with public.head(path) as answer:
        assert answer.status == expected
        assert answer.headers["Content-Length"] == length
        assert await answer.read() == b""
    for method in ("OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
        async with public.request(method, path) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
            assert answer.content_type == "application/problem+json"


@pytest.mark.case("R14")
async def test_many_requests_only_read(public, world):
    """A thousand checks read the board and change nothing: the handlers hold no way to start an attempt."""
    for number in range(50):
        world.up(f"db{number}")
    before = world.board.view(world.now)
    answers = await asyncio.gather(*(text(public, "/readyz") for _ in range(1000)))
    assert set(answers) == {(200, "ok")}
    assert world.board.view(world.now) == before
    assert world.views_taken == 1000
