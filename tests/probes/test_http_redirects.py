"""Redirects and proxies: followed only where asked, and nothing secret goes where it was not written for."""

import asyncio

import pytest

from config.net.tls import TlsOptions
from config.types import Secret, StatusRanges, Url
from probes.base import ProbeContext, ProbeFailed
from probes.http import HttpOptions, HttpProbe
from probes.http.options import Auth, Expect
from probes.reason import Reason
from tests.probes.look import look
from tests.probes.pki import Authority
from tests.probes.wire import Attempt, answering, pipe, serve


def routing(routes):
    """A server with a page per path: (status, location or body)."""

    async def script(peer):
        path = (await peer.request()).split(b" ")[1].decode()
        status, what = routes[path]
        location = {"Location": what} if status // 100 == 3 else {}
        await answering_now(peer, status, b"" if location else what.encode(), location)

    return script


async def answering_now(peer, status, body, headers):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    await peer.send(head.encode() + body)


async def check(url, **options):
    probe = HttpProbe(HttpOptions(url=Url.parse(url), **options), ProbeContext("web"))
    measurement = await probe.check(Attempt())
    return {reading.name: reading.value for reading in measurement.readings}


@pytest.mark.case("H21")
async def test_followed_when_asked():
    """A redirect is followed, and counted."""
    found = await look(routing({"/": (302, "/there"), "/there": (200, "ok")}), follow_redirects=3)
    assert found.passed
    assert (found.values["status"], found.values["redirects"]) == (200, 1)


@pytest.mark.case("H22")
async def test_not_followed_by_default():
    """Without being asked, a redirect is the answer."""
    script = routing({"/": (302, "/there")})
    found = await look(script, expect=Expect(status=StatusRanges.parse("302")))
    assert found.passed
    assert (found.values["redirects"], found.connections) == (0, 1)
    assert (await look(script)).reason is Reason.STATUS


@pytest.mark.case("H23")
async def test_endless_redirects_are_counted():
    """After the last allowed hop the next one is never asked for."""
    found = await look(routing({"/": (302, "/")}), follow_redirects=4)
    assert (found.reason, found.detail) == (Reason.STATUS, "redirected more than 4 times")
    assert (found.values["status"], found.values["redirects"], found.connections) == (302, 4, 5)


@pytest.mark.case("N02")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("end", "passed"), [(200, True), (500, False)])
async def test_every_kind_of_redirect(status, end, passed):
    """Every redirect status leads to the same page, which decides."""
    found = await look(routing({"/": (status, "there"), "/there": (end, "page")}), follow_redirects=1)
    assert found.passed is passed
    assert found.values["status"] == end


async def test_a_redirect_status_without_a_place_is_an_answer():
    """A 302 without Location leads nowhere: its status decides."""
    found = await look(answering(302), follow_redirects=3)
    assert (found.reason, found.connections) == (Reason.STATUS, 1)


@pytest.mark.parametrize(
    ("status", "method", "sent"),
    [(302, "POST", b"GET"), (303, "PUT", b"GET"), (307, "POST", b"POST"), (308, "PUT", b"PUT"), (303, "HEAD", b"HEAD")],
)
async def test_method_after_a_redirect(status, method, sent):
    """303 asks for a page, 307 and 308 repeat the request, as RFC 9110 says."""
    script = routing({"/": (status, "/there"), "/there": (200, "ok")})
    body = None if method == "HEAD" else Secret("payload")
    found = await look(script, follow_redirects=1, method=method, body=body)
    assert found.requests[1].startswith(sent + b" ")
    assert found.requests[1].endswith(b"payload") is (sent == method.encode() and body is not None)


@pytest.mark.case("N05")
async def test_headers_stay_on_the_same_host():
    """On the same host the file's headers, Host among them, go along."""
    headers = {"Host": Secret("shop.test"), "X-Key": Secret("k")}
    found = await look(routing({"/": (302, "/there"), "/there": (200, "ok")}), follow_redirects=1, headers=headers)
    assert b"Host: shop.test\r\n" in found.requests[1]
    assert b"X-Key: k\r\n" in found.requests[1]


async def test_nothing_secret_goes_to_another_host():
    """Credentials, cookies and every other header of the file stay with the host they were written for."""
    headers = {"Cookie": Secret("canary"), "X-Key": Secret("canary"), "Host": Secret("canary.test")}
    async with (
        serve(answering(body=b"ok")) as other,
        serve(routing({"/": (302, other.url("/there"))})) as first,
    ):
        await check(first.url(), follow_redirects=1, auth=Auth(bearer=Secret("canary")), headers=headers)
    assert first.requests[0].count(b"canary") == 4
    assert b"canary" not in other.requests[0]
    assert b"Host: 127.0.0.1:" in other.requests[0]


async def test_a_body_does_not_go_to_another_host():
    """A 307 that would carry the request's body elsewhere is not followed."""
    async with serve(answering()) as other, serve(routing({"/": (307, other.url())})) as first:
        with pytest.raises(ProbeFailed, match="another host"):
            await check(first.url(), follow_redirects=1, method="POST", body=Secret("canary"))
    assert not other.requests


@pytest.mark.parametrize("location", ["ftp://files.test/", "javascript:alert(1)", "http://[::1", "http://é" + "x" * 70])
async def test_nowhere_to_go(location):
    """A redirect to what is no web address fails, and says only that."""
    found = await look(routing({"/": (302, location)}), follow_redirects=1)
    assert (found.reason, found.connections) == (Reason.STATUS, 1)
    assert location not in found.detail


@pytest.mark.case("H43")
async def test_tls_belongs_to_the_host_redirected_to(tmp_path):
    """From http on one host to https on another: name and certificate of the second one count."""
    authority = Authority.new(tmp_path)
    async with (
        serve(answering(body=b"ok"), authority.server("localhost")) as other,
        serve(routing({"/": (302, other.url(host="localhost", scheme="https"))})) as first,
    ):
        tls = TlsOptions(ca=str(authority.root))
        values = await check(first.url(), follow_redirects=1, tls=tls, expect=Expect(tls=True))
    assert values["redirects"] == 1
    assert values["certificate_expiry"] > 0


async def test_no_way_back_from_tls(tmp_path):
    """A redirect from https to http is not followed."""
    authority = Authority.new(tmp_path)
    async with (
        serve(answering()) as other,
        serve(routing({"/": (302, other.url())}), authority.server("127.0.0.1")) as first,
    ):
        with pytest.raises(ProbeFailed, match="from https to http"):
            await check(first.url(scheme="https"), follow_redirects=1, tls=TlsOptions(ca=str(authority.root)))
    assert not other.connections


def proxying(answer=b"HTTP/1.1 200 Connection established\r\n\r\n"):
    """A proxy: joins both sides after CONNECT, or answers a whole URL itself."""

    async def script(peer):
        request = await peer.request()
        method, target, _ = request.split(b" ", 2)
        if method != b"CONNECT":
            await answering_now(peer, 200, b"from the proxy", {})
            return
        await peer.send(answer)
        if not answer.startswith(b"HTTP/1.1 200"):
            return
        host, _, port = target.decode().rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(pipe(peer.reader, writer))
                both.create_task(pipe(reader, peer.writer))
        finally:
            writer.close()

    return script


async def test_http_through_a_proxy():
    """A proxy is asked for the whole URL, and for nothing else."""
    async with serve(proxying()) as proxy:
        values = await check("http://target.test/x?y=1", proxy=Url.parse(proxy.url()), expect=Expect(body="from the"))
    assert proxy.requests[0].startswith(b"GET http://target.test/x?y=1 HTTP/1.1\r\nHost: target.test\r\n")
    assert values["status"] == 200


async def test_https_through_a_proxy(tmp_path):
    """For https the proxy only opens a tunnel: it gets its own credentials, and none of the target's."""
    authority = Authority.new(tmp_path)
    async with (
        serve(proxying()) as proxy,
        serve(answering(body=b"ok"), authority.server("localhost")) as target,
    ):
        url = proxy.url().replace("//", "//me:secret@")
        values = await check(
            target.url(host="localhost", scheme="https"),
            proxy=Url.parse(url),
            tls=TlsOptions(ca=str(authority.root)),
            auth=Auth(bearer=Secret("canary")),
        )
    assert values["certificate_expiry"] > 0
    assert proxy.requests[0].startswith(f"CONNECT localhost:{target.port} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n" in proxy.requests[0]
    assert b"canary" not in proxy.requests[0]
    assert b"Bearer canary" in target.requests[0]
    assert b"Proxy-" not in target.requests[0]


@pytest.mark.parametrize(
    ("answer", "reason", "said"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Reason.STATUS, "the proxy refused: 407 Proxy"),
        (b"SSH-2.0-x\r\n\r\n", Reason.STATUS, "the proxy refused"),
        (b"HTTP/1.1 200 " + b"x" * 40_000, Reason.PROTOCOL, "does not end"),
        (b"", Reason.CONNECTION_RESET, ""),
    ],
)
async def test_a_proxy_that_refuses(answer, reason, said):
    """A proxy that does not open the way is told as the proxy, not as the target."""
    async with serve(proxying(answer)) as proxy:
        with pytest.raises(ProbeFailed) as raised:
            await check("https://target.test/", proxy=Url.parse(proxy.url()))
    assert raised.value.reason is reason
    assert said in raised.value.detail
    assert raised.value.phase == "connect"


@pytest.mark.parametrize(
    ("host", "place"), [("target.test", b"target.test:443"), ("[2001:db8::1]:8443", b"[2001:db8::1]:8443")]
)
async def test_the_place_asked_of_a_proxy(host, place):
    """An IPv6 address goes to the proxy in brackets."""
    async with serve(proxying(b"HTTP/1.1 403 No\r\n\r\n")) as proxy:
        with pytest.raises(ProbeFailed):
            await check(f"https://{host}/", proxy=Url.parse(proxy.url()))
    assert proxy.requests[0].split(b" ")[1] == place
