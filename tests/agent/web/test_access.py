import logging
import os

import aiohttp
import pytest

from agent.web import listeners
from config.types.address import ListenAddress
from tests.agent.web.conftest import ask


@pytest.mark.parametrize(
    ("host", "code"),
    [
        pytest.param("localhost", 200, id="localhost"),
        pytest.param("LocalHost:8080", 200, id="forwarded port"),
        pytest.param("127.0.0.1:9741", 200, id="IPv4"),
        pytest.param("[::1]:9741", 200, id="IPv6"),
        pytest.param("evil.example", 403, id="rebound name"),
        pytest.param("127.0.0.1.evil.example", 403, id="disguised name"),
        pytest.param("evil.example:9741", 403, id="rebound name and port"),
        pytest.param("[::1", 200, id="unclosed"),
        pytest.param("2130706433", 403, id="number"),
        pytest.param("10.0.0.9", 403, id="pod address"),
    ],
)
async def test_host_is_checked_on_admin(admin, host, code):
    """The admin listener answers to names of this machine alone: a rebound name gets nothing."""
    async with admin.get("/api/v1/status", headers={"Host": host}) as answer:
        assert answer.status == code


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        pytest.param(None, 200, id="a program"),
        pytest.param("http://localhost:9741", 200, id="our page"),
        pytest.param("http://evil.example", 403, id="another page"),
        pytest.param("null", 403, id="a file or a sandbox"),
        pytest.param("http://localhost:8000", 403, id="another port"),
        pytest.param("https://localhost:9741", 403, id="another scheme"),
    ],
)
async def test_origin_is_checked_on_admin(admin, world, origin, code):
    """A page of another origin cannot make the user's browser drain the replica."""
    headers = {"Host": "localhost:9741"} | ({"Origin": origin} if origin else {})
    async with admin.post("/api/v1/drain", headers=headers) as answer:
        assert answer.status == code
    assert world.lifecycle.draining is (code == 200)


async def test_changes_need_post(admin, world):
    """A link or an image cannot change anything: GET on a change is 405."""
    for path in ("/api/v1/drain", "/api/v1/reload"):
        async with admin.get(path) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert not world.lifecycle.draining


async def test_health_on_admin_withholds_from_a_rebound_name(admin, world):
    """Health answers whatever Host says; its reasons are for requests that were meant for this machine."""
    world.down("db")
    async with admin.get("/readyz?verbose", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 503
        assert "[-]db failed: reason withheld" in await answer.text()


async def test_health_on_admin_without_host(world):
    """HAProxy's HTTP/1.0 without Host is answered on the admin listener too."""
    async with listeners.admin(world.desk(), ListenAddress("localhost", 0)) as listener:
        assert (await ask(listener.port, b"GET /readyz HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 200 OK\r\n")


async def test_unix_socket_knows_its_client(world, tmp_path, caplog):
    """Over a Unix socket any Host will do, and the log names the user at the other end."""
    path = tmp_path / "admin.sock"
    caplog.set_level(logging.INFO)
    async with (
        listeners.admin(world.desk(), ListenAddress("", 0, str(path))),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client,
        client.post("http://whatever/api/v1/drain") as answer,
    ):
        assert answer.status == 200
    assert f"drain asked for, by user {os.getuid()} (process {os.getpid()}, " in caplog.text
