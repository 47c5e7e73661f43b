"""What an HTTP probe's options refuse at load, and what they say."""

import pytest

from config.net.tls import TlsOptions
from config.types import Secret, Size, Url
from probes.http import HttpOptions
from probes.http.options import Auth, Basic, acceptable

URL = Url.parse("http://web.test/")


def problems(**options):
    found = HttpOptions(**({"url": URL} | options)).problems()
    return dict(found)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        pytest.param({"url": Url.parse("ftp://files.test/")}, "url", id="scheme"),
        pytest.param({"url": Url.parse("http://a.test,b.test/")}, "url", id="two-hosts"),
        pytest.param({"url": Url.parse("http://é" + "x" * 70 + "/")}, "url", id="long-label"),
        pytest.param({"proxy": Url.parse("socks5://proxy.test:1080")}, "proxy", id="socks"),
        pytest.param({"method": "GE T"}, "method", id="method"),
        pytest.param({"method": "CONNECT"}, "method", id="connect"),
        pytest.param({"body": Secret("x"), "body_file": "/x"}, "body_file", id="H49", marks=pytest.mark.case("H49")),
        pytest.param({"max_body": Size(1 << 30)}, "max_body", id="max_body"),
        pytest.param({"headers": {"a b": Secret("x")}}, "headers", id="header-name"),
        pytest.param({"headers": {"X": Secret("canary\r\nY: 1")}}, "headers.X", id="header-injection"),
        pytest.param({"headers": {"Transfer-Encoding": Secret("chunked")}}, "headers.Transfer-Encoding", id="framing"),
        pytest.param(
            {"headers": {"authorization": Secret("x")}, "auth": Auth(bearer=Secret("canary"))}, "auth", id="auth-twice"
        ),
        pytest.param(
            {"url": Url.parse("http://u:canary@web.test/"), "auth": Auth(bearer=Secret("x"))}, "auth", id="auth-url"
        ),
        pytest.param(
            {"compression": "gzip", "headers": {"Accept-Encoding": Secret("deflate")}},
            "compression",
            id="H14",
            marks=pytest.mark.case("H14"),
        ),
        pytest.param(
            {"compression": "gzip", "headers": {"accEpt-enCoding": Secret("deflate")}},
            "compression",
            id="H14-case",
            marks=pytest.mark.case("H14"),
        ),
    ],
)
def test_refused(options, key):
    """Each impossible combination is one problem, at its key, without the secret that takes part in it."""
    found = problems(**options)
    assert list(found) == [key]
    assert "canary" not in found[key]
    assert ";" in found[key]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": Url.parse("https://u:p@web.test:8443/a?b=c#d")},
        {"method": "QUERY", "body": Secret("x")},
        {"headers": {"X-Key": Secret("ä"), "Host": Secret("a.test")}},
        {"proxy": Url.parse("http://proxy.test:3128")},
        {"compression": "gzip", "headers": {"Accept-Encoding": Secret("br, gzip")}},
        {"auth": Auth(basic=Basic(username="u", password=Secret("p")))},
        {"tls": TlsOptions(verify=False)},
    ],
)
def test_accepted(options):
    """What makes sense is not refused."""
    assert not problems(**options)


@pytest.mark.case("X02")
@pytest.mark.parametrize(
    "auth", [Auth(), Auth(bearer=Secret("x"), basic=Basic(username="u", password=Secret("p")))], ids=["none", "both"]
)
def test_auth_is_one_of_two(auth):
    """Credentials are either basic or bearer."""
    assert [text for _, text in auth.problems()] == ["needs either basic or bearer; write one of them"]


@pytest.mark.parametrize(
    ("auth", "key"),
    [
        (Auth(bearer=Secret("canary\r\nX: 1")), "bearer"),
        (Auth(bearer=Secret("canary\N{SNOWMAN}")), "bearer"),
        (Auth(basic=Basic(username="a:b", password=Secret("canary"))), "basic.username"),
    ],
)
def test_credentials_that_cannot_be_sent(auth, key):
    """Credentials that no header can hold are refused at load, and not shown."""
    (found,) = auth.problems()
    assert found[0] == key
    assert "canary" not in found[1]


@pytest.mark.case("H17")
@pytest.mark.parametrize(
    ("header", "encoding", "allowed"),
    [
        ("gzip, compress", "br", False),
        ("gzip, br;q=0.0", "br", False),
        ("gzip, *;q=0.0", "br", False),
        ("br, gzip", "gzip", True),
        ("*", "gzip", True),
        ("gzip;q=0.5", "gzip", True),
        ("gzip;q=x", "gzip", False),
        ("", "gzip", False),
    ],
)
def test_acceptable(header, encoding, allowed):
    """An Accept-Encoding header is read with its weights."""
    assert acceptable(header, encoding) is allowed


def test_options_show_no_secret():
    """The options of a probe can be printed."""
    options = HttpOptions(
        url=Url.parse("https://u:canary@web.test/?key=canary"),
        headers={"X-Key": Secret("canary")},
        body=Secret("canary"),
        auth=Auth(bearer=Secret("canary")),
    )
    assert "canary" not in repr(options)
    assert options == HttpOptions(
        url=Url.parse("https://u:canary@web.test/?key=canary"),
        headers={"X-Key": Secret("canary")},
        body=Secret("canary"),
        auth=Auth(bearer=Secret("canary")),
    )
