"""Who may send: whoever has the token, and web pages of allowed origins."""

import pytest

from agent.receiver.limits import Limits
from config.sections.traces import Receive
from config.types import Secret
from tests.agent.spans import request

SHOP = "https://shop.example"


async def test_a_request_without_the_token_is_401(receive):
    """A Status that says what to send, counted; with the token it is taken, and a change takes effect."""
    async with receive(token=Secret("right")) as client:
        answer = await client.post(request(1))
        assert (answer.status, answer.headers["WWW-Authenticate"], client.refused(401)) == (401, "Bearer", 1)
        assert "authorization: Bearer" in answer.message
        assert "right" not in answer.message.replace("the right token", "")
        assert (await client.post(request(1), Authorization="Bearer right")).status == 200
        client.receiver.change(Limits(1 << 20, 1 << 20), Receive(token=Secret("new")))
        assert (await client.post(request(1), Authorization="Bearer new")).status == 200
        assert client.received == 2


async def preflight(client, origin=SHOP, path="/v1/traces"):
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}
    return await client.post(None, path=path, method="OPTIONS", Origin=origin, Content_Type=None, **asked)


@pytest.mark.parametrize(("written", "told"), [(SHOP, SHOP), ("*", "*")])
async def test_a_page_of_an_allowed_origin_may_send(receive, written, told):
    """Its browser hears what it may do before, without a token, and may read the answers, good and bad."""
    async with receive(cors=(written,), pass_headers=("X-Tenant",), token=Secret("right")) as client:
        answer = await preflight(client)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, told)
        assert answer.headers["Access-Control-Allow-Methods"] == "POST"
        assert {"content-type", "content-encoding", "authorization", "x-tenant"} <= set(
            answer.headers["Access-Control-Allow-Headers"].split(", ")
        )
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert answer.headers.get("Vary") == (None if written == "*" else "Origin")
        for token, status in (("right", 200), ("wrong", 401)):
            answer = await client.post(request(1), Origin=SHOP, Authorization=f"Bearer {token}")
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, told)


async def test_a_page_of_another_origin_may_not_send(receive):
    """403 that names the key, and no header that would let the browser go on."""
    async with receive(cors=(SHOP,)) as client:
        for origin in ("https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"):
            answer = await preflight(client, origin)
            assert (answer.status, answer.headers["Vary"]) == (403, "Origin")
            assert "Access-Control-Allow-Origin" not in answer.headers
        assert client.refused(403) == 4


async def test_without_cors_no_page_may_send(client):
    """A preflight is a wrong method like others, and no answer invites a page."""
    assert (await preflight(client)).status == 405
    answer = await client.post(request(1), Origin=SHOP)
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
