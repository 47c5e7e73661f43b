"""The HTTP probe: what passes, what fails, and what it says (blackbox_exporter's table, and more)."""

import base64
import gzip
import zlib

import pytest

from config.types import Secret, Size, StatusRanges, Url
from probes.base import Measurement, ProbeContext, ProbeFailed
from probes.expect import HeaderRule
from probes.http import HttpOptions, HttpProbe
from probes.http.options import Auth, Basic, Expect
from probes.reason import Reason
from tests.probes.look import look
from tests.probes.wire import Attempt, answering, saying, serve


def statuses(text):
    return StatusRanges.parse(text)


@pytest.mark.parametrize(
    ("status", "expect", "passed"),
    [
        pytest.param(200, None, True, id="default-200"),
        pytest.param(204, None, True, id="default-204"),
        pytest.param(300, None, False, id="H02-300", marks=pytest.mark.case("H02")),
        pytest.param(404, None, False, id="H02-404", marks=pytest.mark.case("H02")),
        pytest.param(404, "200,404", True, id="H03-404", marks=pytest.mark.case("H03")),
        pytest.param(200, "200,404", True, id="H03-200", marks=pytest.mark.case("H03")),
        pytest.param(201, "200,404", False, id="H03-201", marks=pytest.mark.case("H03")),
        pytest.param(404, "404", True, id="H04-404", marks=pytest.mark.case("H04")),
        pytest.param(200, "404", False, id="H04-200", marks=pytest.mark.case("H04")),
        pytest.param(500, None, False, id="J20", marks=pytest.mark.case("J20")),
        pytest.param(202, "200,201,202,203", True, id="J21", marks=pytest.mark.case("J21")),
        pytest.param(500, None, False, id="N01", marks=pytest.mark.case("N01")),
    ],
)
async def test_status(status, expect, passed):
    """The status decides, and a refused one is told with what was expected."""
    rules = Expect(status=statuses(expect)) if expect else Expect()
    found = await look(answering(status), expect=rules)
    assert found.passed is passed
    assert found.values["status"] == status
    if not passed:
        assert found.reason is Reason.STATUS
        assert found.detail == f"status {status}, expected {expect or '200-299'}"


async def test_not_status_wins():
    """A status that is both good and bad is bad."""
    found = await look(answering(202), expect=Expect(not_status=statuses("202")))
    assert (found.reason, found.detail) == (Reason.STATUS, "status 202, which must not be")


@pytest.mark.case("H05")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_http_version(version):
    """The server's HTTP version is told as a fact."""
    found = await look(saying(f"HTTP/{version} 200 OK\r\nContent-Length: 2\r\n\r\nok".encode()))
    assert found.measurement.facts["http_version"] == version


@pytest.mark.parametrize(
    "encoding",
    [
        pytest.param("", id="H07-none", marks=pytest.mark.case("H07")),
        pytest.param("identity", id="H07-identity", marks=pytest.mark.case("H07")),
        pytest.param("xxx", id="H08", marks=pytest.mark.case("H08")),
    ],
)
async def test_lengths_without_compression(encoding):
    """A body that is not compressed, or in a way nobody knows, has one length."""
    headers = {"Content-Encoding": encoding} if encoding else {}
    found = await look(answering(body=b"x" * 110, headers=headers))
    assert found.passed
    assert (found.values["content_length"], found.values["uncompressed_length"]) == (110, 110)


@pytest.mark.case("H09")
async def test_a_failure_keeps_its_readings():
    """A refused answer is measured all the same."""
    found = await look(answering(404, b"not found"))
    assert not found.passed
    assert found.values["content_length"] == 9


ENCODERS = {"gzip": gzip.compress, "deflate": zlib.compress, "none": bytes}


@pytest.mark.case("H11")
@pytest.mark.parametrize("encoding", ENCODERS)
async def test_compression_asked_and_given(encoding):
    """A compressed body is asked for, counted as it travelled, and read as it was."""
    text = b"{}" + b" " * 500
    body = ENCODERS[encoding](text)
    headers = {"Content-Encoding": encoding} if encoding != "none" else {}
    rules = Expect(body=r"^\{\} +$")
    found = await look(answering(body=body, headers=headers), compression=encoding, expect=rules)
    assert found.passed
    assert (found.values["content_length"], found.values["uncompressed_length"]) == (len(body), len(text))
    asked = f"Accept-Encoding: {encoding}".encode()
    assert (asked in found.requests[0]) is (encoding != "none")


@pytest.mark.parametrize("given", ["gzip", "br"])
@pytest.mark.case("H12")
async def test_another_compression_than_asked(given):
    """A server that compresses in another way than it was asked breaks the protocol."""
    body = gzip.compress(b"text")
    found = await look(answering(body=body, headers={"Content-Encoding": given}), compression="deflate")
    assert (found.passed, found.reason) == (False, Reason.PROTOCOL)
    assert found.values["uncompressed_length"] == 0


async def test_compression_unasked_is_undone():
    """A body that comes compressed without being asked is still what the rules look at."""
    body = gzip.compress(b"all good")
    found = await look(answering(body=body, headers={"Content-Encoding": "gzip"}), expect=Expect(body="^all good$"))
    assert found.passed


@pytest.mark.case("H13")
@pytest.mark.parametrize("own", ["gzip", "br, gzip"])
async def test_own_accept_encoding(own):
    """The file's own Accept-Encoding is sent in place of the probe's."""
    headers = {"accept-encoding": Secret(own)}
    body = gzip.compress(b"text")
    script = answering(body=body, headers={"Content-Encoding": "gzip"})
    found = await look(script, compression="gzip", headers=headers)
    assert found.passed
    assert found.requests[0].lower().count(b"accept-encoding") == 1


@pytest.mark.parametrize(
    ("length", "encode", "passed", "lengths"),
    [
        pytest.param(127, bytes, True, (127, 127), id="H18", marks=pytest.mark.case("H18")),
        pytest.param(128, bytes, True, (128, 128), id="exactly"),
        pytest.param(129, bytes, False, (129, 128), id="H19", marks=pytest.mark.case("H19")),
        pytest.param(127, gzip.compress, True, (None, 127), id="H20-127", marks=pytest.mark.case("H20")),
        pytest.param(129, gzip.compress, False, (None, 128), id="H20-129", marks=pytest.mark.case("H20")),
    ],
)
async def test_body_limit(length, encode, passed, lengths):
    """A body may have as many bytes as the limit, on the wire and decompressed, and not one more."""
    headers = {"Content-Encoding": "gzip"} if encode is gzip.compress else {}
    found = await look(answering(body=encode(b"x" * length), headers=headers), max_body=Size(128))
    assert found.passed is passed
    assert found.values["uncompressed_length"] == lengths[1]
    assert lengths[0] in (None, found.values["content_length"])
    if not passed:
        assert found.reason is Reason.BODY_TOO_LARGE
        assert "128 bytes" in found.detail


async def test_length_without_a_header():
    """A body that ends with the connection, or comes in chunks, is counted."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    for answer in (b"HTTP/1.0 200 OK\r\n\r\nabcde", chunked):
        found = await look(saying(answer), expect=Expect(body="^abcde$"))
        assert found.passed
        assert found.values["content_length"] == 5


@pytest.mark.case("H24")
async def test_method():
    """The method is sent as written; one that sends has a length."""
    found = await look(answering(), method="POST")
    assert found.requests[0].startswith(b"POST / HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 0\r\n" in found.requests[0]


async def test_head_has_no_body():
    """After HEAD the header's length is told, and no body is waited for."""
    found = await look(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", then="hang"), method="HEAD")
    assert found.passed
    assert (found.values["content_length"], found.values["uncompressed_length"]) == (5000, 0)


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(status):
    """A 204 or 304 is complete with its headers."""
    script = saying(f"HTTP/1.1 {status} X\r\n\r\n".encode(), then="hang")
    assert (await look(script, expect=Expect(status=statuses("200-399")))).passed


async def test_interim_answers_are_not_the_answer():
    """100 and 103 are passed over, however they are cut."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    found = await look(saying(interim[:40], interim[40:] + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    assert found.passed
    assert found.values["status"] == 200


async def test_switching_protocols_is_an_answer():
    """A 101 is a status like any other, here not a good one."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    found = await look(saying(head, then="hang"))
    assert (found.reason, found.values["status"]) == (Reason.STATUS, 101)


@pytest.mark.case("H25")
@pytest.mark.parametrize("how", ["basic", "bearer", "url"])
async def test_credentials(how):
    """The server sees exactly the credentials; nothing that is shown holds them."""
    token = base64.b64encode(b"user:canary").decode()
    script, options, wanted = answering(500, b"canary"), {}, f"Basic {token}"
    if how == "basic":
        options["auth"] = Auth(basic=Basic(username="user", password=Secret("canary")))
    elif how == "bearer":
        options["auth"], wanted = Auth(bearer=Secret("canary")), "Bearer canary"
    async with serve(script) as stub:
        url = stub.url("/x?token=canary")
        options["url"] = Url.parse(url.replace("//", "//user:canary@") if how == "url" else url)
        options = HttpOptions(**options)
        probe = HttpProbe(options, ProbeContext("web"))
        with pytest.raises(ProbeFailed) as raised:
            await probe.check(Attempt())
    assert f"\r\nAuthorization: {wanted}\r\n".encode() in stub.requests[0]
    assert b"\r\nHost: 127.0.0.1:" in stub.requests[0]
    for shown in (repr(options), HttpProbe.target(options), str(raised.value), raised.value.detail):
        assert "canary" not in shown
        assert token not in shown


async def test_request_head():
    """The request names its place, its sender, and asks for no second use of the connection."""
    found = await look(answering(), path="/a%20b/ä?q=1&q=2#fragment")
    lines = found.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /a%20b/%C3%A4?q=1&q=2 HTTP/1.1"
    assert lines[1].startswith("Host: 127.0.0.1:")
    assert {"User-Agent: outrider", "Accept: */*", "Connection: close"} <= set(lines)


async def test_own_headers_replace_the_probes():
    """A header of the file takes the place of the probe's, whatever its case."""
    headers = {"user-agent": Secret("me"), "Host": Secret("shop.test"), "X-Key": Secret("k")}
    found = await look(answering(), headers=headers)
    head = found.requests[0].decode()
    assert "user-agent: me\r\n" in head
    assert "Host: shop.test\r\n" in head
    assert "X-Key: k\r\n" in head
    assert head.lower().count("user-agent") == head.lower().count("\r\nhost:") == 1


@pytest.mark.case("H48")
async def test_body_inline_or_from_a_file(tmp_path):
    """The server reads the same bytes from the file's text and from a file beside it."""
    file = tmp_path / "body.json"
    file.write_bytes('{"ping": "ä"}'.encode())
    inline = await look(answering(), method="POST", body=Secret('{"ping": "ä"}'))
    beside = await look(answering(), method="POST", body_file=str(file))
    sent = [found.requests[0].partition(b"\r\n\r\n")[2] for found in (inline, beside)]
    assert sent == [file.read_bytes()] * 2


async def test_a_missing_body_file(tmp_path):
    """A body that cannot be read is a fault of the configuration, and nothing is asked."""
    found = await look(answering(), method="POST", body_file=str(tmp_path / "none"))
    assert (found.reason, found.connections) == (Reason.CONFIG, 0)
    assert "No such file" in found.detail


@pytest.mark.case("H26")
async def test_must_be_tls():
    """`tls: true` fails what came without it, `tls: false` passes."""
    found = await look(answering(), expect=Expect(tls=True))
    assert (found.reason, found.detail) == (Reason.ASSERTION, "the answer came without TLS")
    assert (await look(answering(), expect=Expect(tls=False))).passed


@pytest.mark.parametrize(
    ("rules", "body", "passed"),
    [
        pytest.param({"not_body": "could not connect to database"}, 0, False, marks=pytest.mark.case("H28"), id="H28"),
        pytest.param({"not_body": "could not connect to database"}, 1, True, marks=pytest.mark.case("H29"), id="H29"),
        pytest.param({"body": "fine"}, 0, False, marks=pytest.mark.case("H31"), id="H31-lacks"),
        pytest.param({"body": "fine"}, 1, True, marks=pytest.mark.case("H31"), id="H31-has"),
        pytest.param({"body": ("fine", "also")}, 1, False, marks=pytest.mark.case("H32"), id="H32-one"),
        pytest.param({"body": ("fine", "all is")}, 1, True, marks=pytest.mark.case("H32"), id="H32-both"),
    ],
)
async def test_body_patterns(rules, body, passed):
    """Patterns must, or must not, be found in the body; lengths are told either way."""
    text = [b"could not connect to database", b"all is fine"][body]
    found = await look(answering(body=text), expect=Expect(**rules))
    assert found.passed is passed
    assert found.values["content_length"] == len(text)
    if not passed:
        assert found.reason is Reason.ASSERTION
        assert "could not" in found.detail or "all is fine" in found.detail


JS = {"Content-Type": "text/javascript"}


@pytest.mark.parametrize(
    ("rules", "headers", "passed"),
    [
        pytest.param({"not_headers": JS}, JS, False, marks=pytest.mark.case("H33"), id="H33-js"),
        pytest.param(
            {"not_headers": JS},
            {"Content-Type": "application/octet-stream"},
            True,
            marks=pytest.mark.case("H33"),
            id="H33-other",
        ),
        pytest.param(
            {"not_headers": {"content-type": "text/javascript"}},
            {"CONTENT-TYPE": "text/html"},
            True,
            marks=pytest.mark.case("H33"),
            id="H33-case",
        ),
        pytest.param({"not_headers": {"X": ".*"}}, {"X": ""}, False, marks=pytest.mark.case("H34"), id="H34-empty"),
        pytest.param({"not_headers": {"X": ".*"}}, {}, False, marks=pytest.mark.case("H34"), id="H34-missing"),
        pytest.param(
            {"not_headers": {"X": HeaderRule(match=".*", allow_missing=True)}},
            {"X": ""},
            False,
            marks=pytest.mark.case("H34"),
            id="H34-empty-allowed",
        ),
        pytest.param(
            {"not_headers": {"X": HeaderRule(match=".*", allow_missing=True)}},
            {},
            True,
            marks=pytest.mark.case("H34"),
            id="H34-missing-allowed",
        ),
        pytest.param({"headers": {"X": ".*"}}, {"X": ""}, True, marks=pytest.mark.case("H37"), id="H37-empty"),
        pytest.param({"headers": {"X": ".*"}}, {}, False, marks=pytest.mark.case("H37"), id="H37-missing"),
        pytest.param(
            {"headers": {"X": HeaderRule(match=".*", allow_missing=True)}},
            {},
            True,
            marks=pytest.mark.case("H37"),
            id="H37-missing-allowed",
        ),
        pytest.param({"headers": {"X": ""}}, {"X": "any"}, True, marks=pytest.mark.case("V05"), id="V05-any"),
        pytest.param({"headers": {"X": "^b$"}}, {"X": "c"}, False, marks=pytest.mark.case("V05"), id="V05-no"),
        pytest.param(
            {"headers": {"Good": "."}, "not_headers": {"Bad": "."}},
            {"Good": "1", "Bad": "1"},
            False,
            marks=pytest.mark.case("V06"),
            id="V06-bad",
        ),
        pytest.param(
            {"headers": {"Good": "."}, "not_headers": {"Bad": "x"}},
            {"Good": "1", "Bad": "1"},
            True,
            marks=pytest.mark.case("V06"),
            id="V06-harmless",
        ),
        pytest.param({"headers": {"X": ("a", "b")}}, {"X": "abc"}, True, id="list-all"),
        pytest.param({"headers": {"X": ("a", "z")}}, {"X": "abc"}, False, id="list-one"),
    ],
)
async def test_header_rules(rules, headers, passed):
    """Header rules hold by any value, in any case of the name, and a missing header fails unless allowed."""
    found = await look(answering(headers=headers), expect=Expect(**rules))
    assert found.passed is passed
    if not passed:
        assert found.reason is Reason.ASSERTION


@pytest.mark.case("V05")
async def test_one_of_several_header_values():
    """Of a header that comes twice, one value that matches is enough, and one bad value is too much."""
    lines = b"X: a\r\nX: b\r\n"
    assert (await look(answering(lines=lines), expect=Expect(headers={"X": "^b$"}))).passed
    assert not (await look(answering(lines=lines), expect=Expect(not_headers={"X": "^b$"}))).passed


async def test_header_bytes_that_are_not_text():
    """A header that is not UTF-8 can be matched and told without breaking who shows it."""
    found = await look(answering(lines=b"X: \xff\xfe\r\n"), expect=Expect(headers={"X": "good"}))
    assert found.detail == "the header X does not match 'good': '\ufffd\ufffd'"
    found.detail.encode()


async def test_throttled_is_a_warning():
    """A 429 says "not so often", not "down"; what it asks for is told."""
    found = await look(answering(429, headers={"Retry-After": "30"}))
    assert found.passed
    assert found.measurement.concerns == (Reason.THROTTLED,)
    assert found.detail == "status 429, wait 30 s"


@pytest.mark.parametrize(
    ("rules", "concerns", "reason"),
    [
        (Expect(status=statuses("200,429")), (), Reason.OK),
        (Expect(not_status=statuses("429")), (), Reason.STATUS),
    ],
)
async def test_a_429_that_the_file_knows(rules, concerns, reason):
    """Where the file says what a 429 means, that holds."""
    found = await look(answering(429), expect=rules)
    assert (found.measurement.concerns, found.reason) == (concerns, reason)


async def test_unavailable_is_down():
    """A 503 is down, whenever it asks to be asked again."""
    assert (await look(answering(503, headers={"Retry-After": "30"}))).reason is Reason.STATUS


@pytest.mark.case("H46")
async def test_phases_without_tls():
    """Every phase is told, none is negative, and a name is resolved as such."""
    async with serve(answering(body=b"ok")) as stub:
        options = HttpOptions(url=Url.parse(stub.url(host="localhost")))
        measurement = await HttpProbe(options, ProbeContext("web")).check(Attempt())
    assert list(measurement.phases) == ["resolve", "connect", "processing", "transfer"]
    assert all(seconds >= 0 for seconds in measurement.phases.values())
    assert measurement.phases["resolve"] > 0


@pytest.mark.case("N06")
async def test_a_large_body_that_nobody_reads():
    """A body that no rule looks at is counted, not kept."""
    found = await look(answering(body=b"x" * 900_000))
    assert found.passed
    assert found.values["content_length"] == 900_000


@pytest.mark.case("N07")
async def test_environment_proxies_are_ignored(monkeypatch):
    """HTTP_PROXY in the environment changes nothing."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await look(answering())).passed


async def test_attempts_share_no_connection():
    """Every attempt connects anew, and every reading belongs to its own attempt."""
    async with serve(answering(body=b"ok")) as stub:
        probe = HttpProbe(HttpOptions(url=Url.parse(stub.url())), ProbeContext("web"))
        first, second = [await probe.check(Attempt(number)) for number in (1, 2)]
    assert stub.connections == 2
    assert isinstance(first, Measurement)
    assert first.phases is not second.phases


@pytest.mark.parametrize(
    ("url", "when_down", "target"),
    [
        ("http://127.0.0.1:8000/healthz", "unready", "http://127.0.0.1:8000/healthz"),
        ("http://localhost/", "unready", "http://localhost/"),
        ("http://[::1]:80/", "unready", "http://[::1]/"),
        ("https://u:p@api.test/x?token=1#f", "degraded", "https://api.test/x"),
    ],
)
def test_place(url, when_down, target):
    """Only a host on this machine can make the replica unready by itself; the target shows no secret."""
    options = HttpOptions(url=Url.parse(url))
    assert HttpProbe.default_when_down(options) == when_down
    assert HttpProbe.target(options) == target
