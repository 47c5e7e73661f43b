"""`/peerz` on the public listener: told to replicas that share the token, and to nobody else."""

import dataclasses

import pytest

from agent.tokens import Tokens
from agent.web import tables
from agent.web.routes import Routes
from config.types import Secret
from tests.agent.web.conftest import _Served

TOLD = {"version": 1, "identity": "a1", "wants_out": False, "probes": {"db": [(0.5, True)]}}


@pytest.fixture
def client(aiohttp_client, world):
    """Makes a stranger's client for a replica that tells this, to whoever presents one of these tokens."""

    async def make(told, tokens):
        desk = dataclasses.replace(world.desk(), peerz=lambda: told, peer_tokens=lambda: tokens)
        return await aiohttp_client(_Served(Routes(tables.public(desk))))

    return make


async def test_the_document_is_told(client):
    """JSON that no cache keeps; without a token to anyone."""
    asked = await client(TOLD, Tokens())
    async with asked.get("/peerz") as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert answer.headers["Cache-Control"] == "no-store, no-cache"
        assert await answer.json() == {**TOLD, "probes": {"db": [[0.5, True]]}}
    async with asked.head("/peerz") as answer:
        assert answer.status == 200
    async with asked.post("/peerz") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


async def test_without_peers_there_is_none(client):
    """404, and the words that would be right."""
    asked = await client(None, None)
    async with asked.get("/peerz") as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
        assert "readiness.peers" in (await answer.json())["detail"]


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic right", "Bearer", "Bearer right right"])
async def test_strangers_are_refused(client, header):
    """401 with a challenge; the answer repeats neither the token nor the document."""
    asked = await client(TOLD, Tokens(Secret("right")))
    async with asked.get("/peerz", headers={"Authorization": header} if header else {}) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        text = await answer.text()
    assert "wrong" not in text
    assert "a1" not in text.replace((await answer.json())["request_id"], "")


async def test_both_tokens_open_during_a_rotation(client):
    """The document is told to replicas that have the new file, and to those that still have the old one."""
    tokens = Tokens(Secret("old"))
    asked = await client(TOLD, tokens)
    tokens.rotate(Secret("new"))
    for token, status in (("old", 200), ("new", 200), ("other", 401)):
        async with asked.get("/peerz", headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == status
