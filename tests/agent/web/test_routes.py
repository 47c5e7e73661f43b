"""Which method of which path is whose."""

import pytest

from agent.web.counted import Counted
from agent.web.problem import answer
from agent.web.routes import Route, Routes
from tests.agent.web.conftest import _Served


def says(word):
    async def endpoint(call):
        return answer(f"{word} {call.name}".strip().encode(), "text/plain")

    return endpoint


@pytest.fixture
async def client(aiohttp_client):
    """Of a table with several methods on one path."""
    routes = [
        Route("/a", says("read")),
        Route("/a", says("change"), "POST"),
        Route("/a", says("clear"), "DELETE"),
        Route("/a/*", says("end"), "DELETE"),
        Route("/b", says("read")),
        Route("/c", says("change"), "POST"),
    ]
    return await aiohttp_client(_Served(Routes(routes)))


@pytest.mark.parametrize(
    ("method", "path", "word"),
    [("GET", "/a", "read"), ("POST", "/a", "change"), ("DELETE", "/a", "clear"), ("DELETE", "/a/x", "end x")],
)
async def test_each_method_has_its_own(client, method, path, word):
    """One path, several methods, each answered by its own function."""
    async with client.request(method, path) as response:
        assert (response.status, await response.text()) == (200, word)


async def test_head_is_get_without_a_body(client):
    """HEAD answers as GET would, with nothing after the head."""
    async with client.head("/a") as response:
        assert (response.status, await response.read()) == (200, b"")
        assert response.headers["Content-Length"] == "4"


@pytest.mark.case("R26")
@pytest.mark.parametrize(
    ("path", "allow"), [("/a", "GET, HEAD, POST, DELETE"), ("/a/x", "DELETE"), ("/b", "GET, HEAD"), ("/c", "POST")]
)
@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "TRACE", "PURGE"])
async def test_other_methods_are_told_which_there_are(client, path, allow, method):
    """405 names every method of the path in `Allow`."""
    async with client.request(method, path) as response:
        assert (response.status, response.headers["Allow"]) == (405, allow)
        assert (await response.json(content_type=None))["detail"] == f"this path knows {allow} only"


@pytest.mark.parametrize("path", ["/", "/a/", "/a/x/y", "/b/x", "/A"])
async def test_no_such_path(client, path):
    """What is not in the table is 404, whatever the method."""
    for method in ("GET", "POST", "DELETE"):
        async with client.request(method, path) as response:
            assert response.status == 404


@pytest.mark.case("K15")
async def test_requests_are_counted_under_their_own_path(aiohttp_client):
    """Each path of the table, with its status; what does not exist is one series, whatever a scanner tries."""
    counted = Counted()
    client = await aiohttp_client(_Served(Routes([Route("/a", says("a")), Route("/b/*", says("b"))], counted=counted)))
    for path in ("/a", "/a", "/b/x", "/b/y", "/nowhere", "/a/x", "/.env"):
        (await client.get(path)).release()
    (await client.post("/a")).release()
    ((_, samples),) = counted.samples()
    assert {sample.labels: sample.value for sample in samples} == {
        ("/a", "200"): 2, ("/b/NAME", "200"): 2, ("other", "404"): 3, ("/a", "405"): 1,
    }  # fmt: skip
