"""What a person may write for a value."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.types import (
    Bound,
    Duration,
    HostPort,
    ListenAddress,
    Rate,
    Ratio,
    Secret,
    SecretUrl,
    Size,
    StatusRanges,
    Unfit,
    Url,
)
from config.types.address import is_loopback

numbers = st.decimals(0, 10_000, places=3).map(lambda number: f"{number:f}")
durations = st.builds("{}{}".format, numbers, st.sampled_from(["ms", "s", "m", "h", "d"]))
ratios = st.decimals(0, 100, places=6).map(lambda number: f"{number:f}%")
sizes = st.builds(
    "{}{}".format, st.integers(0, 10**6), st.sampled_from(["", "B", "kB", "KB", "MiB", "Mi", "GB", "TiB"])
)
rates = st.builds("{}/{}".format, numbers, st.sampled_from(["s", "sec", "m", "min", "h", "d"]))
octets = st.integers(0, 255)
ports = st.integers(1, 65535)
hosts = st.one_of(
    st.builds("{}.{}.{}.{}".format, octets, octets, octets, octets),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.from_regex(r"\A[a-z][a-z0-9-]{0,20}(\.[a-z0-9]{1,10})?\Z"),
)
addresses = st.builds("{}:{}".format, hosts, ports)
codes = st.integers(100, 599)
statuses = st.lists(
    st.one_of(codes.map(str), st.tuples(codes, codes).map(lambda pair: "{}-{}".format(*sorted(pair)))),
    min_size=1,
    max_size=5,
).map(",".join)


@pytest.mark.parametrize(
    ("type_", "texts"),
    [
        (Duration, durations),
        (Ratio, ratios),
        (Size, sizes),
        (Rate, rates),
        (Bound, st.one_of(durations, ratios, sizes, rates, numbers)),
        (HostPort, addresses),
        (ListenAddress, addresses),
        (ListenAddress, st.from_regex(r"\Aunix:/[a-z0-9/]{0,50}[a-z]\Z")),
        (StatusRanges, statuses),
    ],
)
def test_what_is_printed_reads_as_the_same_value(type_, texts):
    """str() of a value is a text that parse reads as an equal value."""

    @given(texts)
    def holds(text):
        value = type_.parse(text)
        assert type_.parse(str(value)) == value

    holds()


@pytest.mark.parametrize(
    ("text", "seconds", "printed"),
    [
        ("500ms", 0.5, "500ms"),
        ("10s", 10, "10s"),
        ("90s", 90, "90s"),
        ("5m", 300, "5m"),
        ("1h30m", 5400, "90m"),
        ("30d", 2592000, "30d"),
        ("2w", 1209600, "14d"),
        ("0", 0, "0s"),
        ("1.5s", 1.5, "1.5s"),
        ("0.5ms", 0.0005, "0.0005s"),
    ],
)
def test_duration(text, seconds, printed):
    """Durations are seconds, and print in the largest unit that fits."""
    value = Duration.parse(text)
    assert value == pytest.approx(seconds, abs=0)
    assert str(value) == printed


@pytest.mark.parametrize(
    ("type_", "text", "says"),
    [
        (Duration, "10", "has no unit; write 10s"),
        (Duration, "-10s", "is not a duration"),
        (Duration, "10 s", "is not a duration"),
        (Duration, "٣s", "is not a duration"),
        (Duration, "", "is not a duration"),
        (Duration, "1e9s", "is not a duration"),
        (Duration, "40000d", "longer than a hundred years"),
        (Duration, "9" * 5000 + "s", "is not a duration"),
        (Ratio, "99.9", "is more than 1; write a percentage"),
        (Ratio, "101%", "is more than 1"),
        (Ratio, "-1%", "is not a ratio"),
        (Ratio, "nan", "is not a ratio"),
        (Size, "64 megs", "is not a size"),
        (Size, "1.5B", "whole number of bytes"),
        (Size, "9999999TiB", "larger than"),
        (Rate, "5", "is not a rate"),
        (Rate, "5/fortnight", "is not a rate"),
        (Bound, "lots", "is not a threshold"),
        (Bound, "5 apples", "is not a size"),
        (HostPort, "localhost", "has no port"),
        (HostPort, "localhost:http", "not a number from 1 to 65535"),
        (HostPort, "localhost:0", "not a number from 1 to 65535"),
        (HostPort, "localhost:65536", "not a number from 1 to 65535"),
        (HostPort, "localhost:" + "9" * 5000, "not a number from 1 to 65535"),
        (HostPort, "::1:80", "without brackets; write [::1]:8080"),
        (HostPort, "[nope]:80", "no IPv6 address"),
        (HostPort, "a b:80", "no host that can exist"),
        (HostPort, ":80", "no host that can exist"),
        (HostPort, "*:80", "does not say which host"),
        (ListenAddress, "unix:run/x", "not an absolute path"),
        (ListenAddress, "unix:/" + "x" * 200, "longer than"),
        (StatusRanges, "2xx", "is not a list of HTTP statuses"),
        (StatusRanges, "299-200", "ends before it starts"),
        (StatusRanges, "", "is not a list of HTTP statuses"),
        (Url, "db.internal:5432", "is not a URL"),
        (Url, "http://a b/", "is not a URL"),
        (Url, "http:///path", "names no host"),
        (Url, "http://h:99999/", "port that is not a number"),
        (Url, "http://[::1/", "write an IPv6 address in brackets"),
        (Url, "postgres://u:pa/ss@h/db", "write / ? # @ : in a password as %2F"),
    ],
)
def test_what_does_not_fit_says_what_would(type_, text, says):
    """Every refusal says what is wrong and what would be right, and does not repeat the value."""
    with pytest.raises(Unfit) as refused:
        type_.parse(text)
    assert says in str(refused.value)
    assert len(text) < 6 or text not in str(refused.value)


def test_a_ratio_is_exact():
    """99.9 % is exactly 999/1000, whichever way it is written."""
    assert Ratio.parse("99.9%").value == Decimal("0.999")
    assert Ratio.parse("0.999") == Ratio.parse("99.9%")
    assert float(Ratio.parse("50 %")) == 0.5


@pytest.mark.parametrize(
    ("text", "size"), [("64MiB", 64 << 20), ("64Mi", 64 << 20), ("1.5GiB", 3 << 29), ("500kB", 500_000), ("1024", 1024)]
)
def test_size(text, size):
    """Sizes are bytes; binary and decimal units differ; Kubernetes' spelling is read."""
    assert Size.parse(text) == size


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("80%", 0.8, "ratio"),
        ("150%", 1.5, "ratio"),
        ("10s", 10, "seconds"),
        ("5m", 300, "seconds"),
        ("64MiB", 64 << 20, "bytes"),
        ("5/min", 5 / 60, "rate"),
        ("12", 12, ""),
        ("-3.5", -3.5, ""),
        ("1e-3", 0.001, ""),
    ],
)
def test_a_threshold_takes_its_unit_from_its_spelling(text, value, unit):
    """A threshold is in base units, and knows which unit was written."""
    bound = Bound.parse(text)
    assert (bound.value, bound.unit, bound.per_second) == (pytest.approx(value), unit, unit == "rate")


def test_status_ranges_include_both_ends():
    """A range holds its two ends and nothing beside them."""
    ranges = StatusRanges.parse("200, 300-399")
    assert [ranges.contains(code) for code in (199, 200, 201, 299, 300, 399, 400)] == [
        False,
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_secret_shows_itself_only_when_asked():
    """Neither str, repr nor a format of a secret gives it away; equality and hash go by its value."""
    secret = Secret.parse("hunter2")
    assert f"{secret} {secret!r} {secret!s}" == "*** Secret('***') ***"
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")
    assert secret != Secret("other")
    assert secret != "hunter2"
    assert len({secret, Secret("hunter2")}) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h.example:8080/a/b", "https://h.example:8080/a/b"),
        ("postgres://shop:hunter2@db:5432/shop?sslmode=require", "postgres://shop:***@db:5432/shop?sslmode=***"),
        ("postgres://u:p@ss:w@h1:1,h2:2/d", "postgres://u:***@h1:1,h2:2/d"),
        ("redis://:hunter2@cache/0", "redis://:***@cache/0"),
        ("https://hunter2@api.example/", "https://***@api.example/"),
        ("https://hunter2:@api.example/", "https://***@api.example/"),
        ("https://h/?token=hunter2&a&b=hunter2#hunter2", "https://h/?token=***&a=***&b=***#***"),
        ("postgres://u:123/hunter2@h/db", "postgres://***@h/db"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_a_url_prints_without_what_may_be_secret(text, shown):
    """User information and query values are masked; the whole is there for whoever connects."""
    url = Url.parse(text)
    assert str(url) == shown
    assert url.reveal() == text
    assert "hunter2" not in repr(url)


def test_a_url_tells_its_parts():
    """Scheme, first host, first port and path."""
    url = Url.parse("Postgres://u:p@[2001:DB8::1]:5433,other/shop?x=1")
    assert (url.scheme, url.host, url.port, url.path) == ("postgres", "2001:db8::1", 5433, "/shop")
    assert Url.parse("http://h/").port is None


@given(st.text(max_size=40), st.text(max_size=20))
def test_no_url_shows_its_password(password, path):
    """Whatever a password holds, the URL is refused or printed without it."""
    canary = f"zqx{password}zqx"
    try:
        shown = str(Url.parse(f"postgres://user:{canary}@host/{path}"))
    except Unfit as unfit:
        shown = str(unfit)
    assert "zqx" not in shown


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("app.localhost.", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback(host, here):
    """What is on this machine by its very name; nothing is resolved."""
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    ("text", "local"),
    [("*:9740", False), ("127.0.0.1:0", True), ("[::1]:9741", True), ("unix:/run/o.sock", True), ("0.0.0.0:1", False)],
)
def test_who_can_reach_a_listener(text, local):
    """Loopback and Unix sockets are local, everything else can be reached from outside."""
    assert ListenAddress.parse(text).local is local
    assert HostPort.parse("127.0.0.1:1").loopback


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://hooks.slack.com/services/T0/B0/canary", "https://hooks.slack.com/***"),
        ("https://u:canary@h:8443/canary?sig=canary#canary", "https://h:8443/***"),
        ("http://[::1]:80", "http://[::1]:80/***"),
        ("https://u:pa/canary@h/x", None),
    ],
)
def test_a_secret_url_shows_where_it_leads_and_no_more(text, shown):
    """Its path is what lets anyone in."""
    if shown is None:
        with pytest.raises(Unfit) as caught:
            SecretUrl.parse(text)
        assert "canary" not in str(caught.value)
        return
    url = SecretUrl.parse(text)
    assert str(url) == shown
    assert "canary" not in repr(url)
    assert url.reveal() == text
    assert url != Url(text)
