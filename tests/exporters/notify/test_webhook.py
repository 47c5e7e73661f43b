"""Webhooks: signed as Standard Webhooks 1.0, once per event, and honest about what an answer means."""

import asyncio
import base64
import hmac
import json
import ssl
import time

import pytest
import trustme

from config.net.tls import TlsOptions
from config.types import Duration, Secret, Url
from exporters.base import Permanent, Retryable
from exporters.notify.webhook import WebhookNotifier, WebhookOptions, _key, event_id, signature
from tests.exporters.notify.place import Place, alert

OWN = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SECOND = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()
BODY = (
    b'{"type":"slo.alert.firing","timestamp":"2026-01-01T00:00:30Z","data":{"alertname":"OutriderSLOBurn",'
    b'"service":"shop","slo":"pg-availability"}}'
)


@pytest.fixture
async def notifier(place):
    """Makes notifiers for the place, closed at the end."""
    made = []

    def make(**options):
        made.append(WebhookNotifier(WebhookOptions(**({"url": Url(f"{place.url}/hook?token=t0p")} | options))))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


@pytest.mark.case("standard-webhooks")
@pytest.mark.parametrize(
    ("secret", "id_", "at", "body", "expected"),
    [
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (OWN, "msg_0001", 1767225630, BODY, "v1,1kmM2JgaKXS+ibObO5HauK/ydhgmDi7Ldy4fPozoBdk="),
        (SECOND, "msg_0001", 1767225630, BODY, "v1,j98bkjrBru/Sm6YOG+XeZDzdN2s+SqvxMFJlQINOpvI="),
    ],
    ids=["official", "own", "rotated"],
)
def test_signatures_equal_the_published_ones(secret, id_, at, body, expected):
    """The official vector and the house's own, to the last character."""
    assert signature(_key(Secret(secret)), id_, at, body) == expected


async def test_a_receiver_can_verify_what_it_gets(place, notifier):
    """The signature covers id, time and the very bytes; during a rotation both secrets sign, the new one first."""
    before = int(time.time())
    await notifier(secret=Secret(OWN), old_secret=Secret(SECOND)).notify([alert()])
    ((path, headers, body),) = await place.requests(1)
    assert path == "/hook?token=t0p"
    assert headers["Content-Type"] == "application/json"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    keys = [bytes(range(32)), bytes(range(32, 64))]
    expected = ["v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    assert headers["webhook-signature"].split(" ") == expected
    assert before <= int(headers["webhook-timestamp"]) <= time.time()


async def test_the_body_says_what_happened(place, notifier):
    """Firing and resolved, with the times of the event, not of the attempt."""
    await notifier(headers={"X-Team": Secret("payments")}).notify([alert(), alert(resolved_at=1_767_226_500.25)])
    (_, first, firing), (_, second, resolved) = await place.requests(2)
    assert json.loads(firing) == {
        "type": "slo.alert.firing",
        "timestamp": "2026-01-01T00:00:30.000Z",
        "data": {
            "alertname": "OutriderSLOBurn",
            "service": "shop",
            "slo": "pg-availability",
            "severity": "page",
            "key": "k1",
            "started_at": "2026-01-01T00:00:30.000Z",
            "resolved_at": None,
            "labels": dict(alert().labels),
            "annotations": {"summary": "shop pg-availability burns"},
        },
    }
    ended = json.loads(resolved)
    assert (ended["type"], ended["timestamp"]) == ("slo.alert.resolved", "2026-01-01T00:15:00.250Z")
    assert ended["data"]["resolved_at"] == "2026-01-01T00:15:00.250Z"
    assert first["X-Team"] == "payments"
    assert "webhook-signature" not in first
    assert first["webhook-id"] != second["webhook-id"]


async def test_attempts_of_one_event_are_the_same_event(place, notifier):
    """After a failure the same id and the same bytes come again, so that a receiver can fold them."""
    place.answer(500)
    hook = notifier(secret=Secret(OWN))
    with pytest.raises(Retryable):
        await hook.notify([alert()])
    await hook.notify([alert()])
    (_, first, body), (_, second, again) = await place.requests(2)
    assert (first["webhook-id"], body) == (second["webhook-id"], again)
    assert "." not in first["webhook-id"]


def test_another_episode_is_another_event():
    """The id tells alerts, episodes and their ends apart."""
    events = [alert(), alert(key="k2"), alert(started_at=1.0), alert(resolved_at=2e9)]
    assert len({event_id(each) for each in events}) == 4


async def test_the_format_of_alertmanager(place, notifier):
    """Receivers made for Alertmanager's webhooks understand it."""
    hook = notifier(format="alertmanager")
    await hook.notify([alert(), alert(resolved_at=1_767_226_500.0)])
    firing, resolved = (json.loads(body) for _, _, body in await place.requests(2))
    assert (firing["version"], firing["status"], firing["groupKey"]) == ("4", "firing", "k1")
    assert firing["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"
    assert firing["commonLabels"]["alertname"] == "OutriderSLOBurn"
    assert (resolved["status"], resolved["alerts"][0]["endsAt"]) == ("resolved", "2026-01-01T00:15:00.000Z")


@pytest.mark.parametrize(
    ("status", "headers", "error", "reason", "after"),
    [
        (500, {}, Retryable, "server", None),
        (503, {"Retry-After": "7"}, Retryable, "server", 7),
        (429, {"Retry-After": "9999"}, Retryable, "throttled", 300),
        (408, {}, Retryable, "timeout", None),
        (425, {}, Retryable, "server", None),
        (400, {}, Permanent, "refused", None),
        (401, {}, Permanent, "auth", None),
        (404, {}, Permanent, "gone", None),
        (410, {}, Permanent, "gone", None),
        (302, {"Location": "/elsewhere"}, Permanent, "redirect", None),
    ],
)
async def test_statuses_decide(place, notifier, status, headers, error, reason, after):
    """What may be tried again, what never will be taken, and how long the receiver asks to be left alone."""
    place.answer(status, "no\x1b[31m\nway", **headers)
    with pytest.raises(error) as caught:
        await notifier().notify([alert()])
    assert caught.value.reason == reason
    assert getattr(caught.value, "after", None) == after
    assert f"it answered {status}: no [31m way" in str(caught.value)
    assert len(place.got) == 1


async def test_a_receiver_that_hangs_is_left(place, notifier):
    """The whole exchange has a deadline."""
    place.hang()
    with pytest.raises(Retryable, match=r"timeout: no answer within 0\.2 s"):
        await notifier(timeout=Duration(0.2)).notify([alert()])


async def test_a_receiver_that_is_down_is_told_without_its_secrets(notifier, unused_tcp_port):
    """The error names host and port, never the path or the token in it."""
    hook = notifier(url=Url(f"http://user:hunter2@127.0.0.1:{unused_tcp_port}/T000/s3cret?token=t0p"))
    with pytest.raises(Retryable) as caught:
        await hook.notify([alert()])
    assert caught.value.reason == "network"
    assert f"127.0.0.1:{unused_tcp_port}" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("hunter2", "s3cret", "t0p"))


async def test_a_refusal_that_is_a_flood_is_cut(place, notifier):
    """A receiver that answers with a novel does not fill the log."""
    place.answer(400, b"x" * 5_000_000)
    with pytest.raises(Permanent) as caught:
        await notifier().notify([alert()])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no /v1/s3cret-s3cret-s3cret here", "refused: it answered 400: no /v1/*** here"),
        ("notifications of s3cret%2Fs3cret%2F are off", "refused: it answered 400: *** of *** are off"),
        ("bad token t0ken-t0ken-t0ken", "refused: it answered 400: bad token ***"),
        (" " * 1009 + "s3cret-s3cret-s3cret", "refused: it answered 400"),
    ],
)
async def test_a_refusal_that_repeats_the_address_is_shown_without_it(place, notifier, said, shown):
    """Error pages like to name what was asked for; the path or the query may be what lets one in."""
    place.answer(400, said)
    headers = {"Authorization": Secret("Bearer t0ken-t0ken-t0ken")}
    hook = notifier(
        url=Url(f"{place.url}/v1/notifications/s3cret-s3cret-s3cret?key=s3cret%2Fs3cret%2F"), headers=headers
    )
    with pytest.raises(Permanent) as caught:
        await hook.notify([alert()])
    assert str(caught.value) == shown


async def test_a_refusal_in_an_encoding_is_not_shown(place, notifier):
    """Compressed bytes are no text."""
    place.answer(400, b"\x1f\x8b\x08rubbish", **{"Content-Encoding": "gzip"})
    with pytest.raises(Permanent, match=r"refused: it answered 400$"):
        await notifier().notify([alert()])


async def test_tls_is_verified(tmp_path, notifier):
    """A private root must be named; then it is trusted, and nobody else is."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    root = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(root)
    async with Place(context) as place:
        with pytest.raises(Retryable, match=r"127\.0\.0\.1:[0-9]+ has a certificate that is not trusted"):
            await notifier(url=Url(place.url)).notify([alert()])
        await notifier(url=Url(place.url), tls=TlsOptions(ca=str(root))).notify([alert()])
        assert len(place.got) == 1


async def test_tls_to_a_server_without_it_is_told_as_such(place, notifier):
    """https:// where http:// is spoken is the commonest mistake."""
    with pytest.raises(Retryable, match="cannot be reached: TLS: wrong version number"):
        await notifier(url=Url(place.url.replace("http://", "https://"))).notify([alert()])


async def test_a_missing_certificate_file_is_told_by_its_key():
    """A file that is gone is the receiver's trouble, not the end of a task; it may come back."""
    hook = WebhookNotifier(WebhookOptions(url=Url("https://127.0.0.1:1/"), tls=TlsOptions(ca="/nowhere/root.pem")))
    with pytest.raises(Retryable, match=r"tls: tls\.ca: /nowhere/root\.pem cannot be read"):
        await hook.notify([alert()])
    await hook.aclose()
    await hook.aclose()


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"url": Url("ftp://host/")}, "url"),
        ({"timeout": Duration(0)}, "timeout"),
        ({"timeout": Duration(31)}, "timeout"),
        ({"old_secret": Secret(OWN)}, "old_secret"),
        ({"secret": Secret("hunter2")}, "secret"),
        ({"secret": Secret("whsec_%%%")}, "secret"),
        ({"secret": Secret("whsec_c2hvcnQ=")}, "secret"),
        ({"headers": {"a b": Secret("x")}}, "headers"),
        ({"headers": {"Content-Type": Secret("x")}}, "headers.Content-Type"),
        ({"headers": {"X-A": Secret("x\r\nX-B: y")}}, "headers.X-A"),
        ({"url": Url("http://u:p@h/"), "headers": {"Authorization": Secret("x")}}, "headers.authorization"),
    ],
)
def test_options_that_cannot_work_are_refused(options, key):
    """Each names its key and a way out, and no secret."""
    problems = list(WebhookOptions(**({"url": Url("https://hook.example/")} | options)).problems())
    assert [found for found, _ in problems] == [key]
    assert "hunter2" not in str(problems)


def test_sound_options_have_no_problems():
    """What the documentation shows is accepted."""
    assert not list(WebhookOptions(url=Url("https://hook.example/x"), secret=Secret(OWN)).problems())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hook.invalid/s3cret", r"network: hook\.invalid:80 cannot be reached: "),
        ("http://a..b/s3cret", r"network: a\.\.b:80 cannot be reached: "),
    ],
)
async def test_a_host_that_does_not_exist_is_told_by_its_name(notifier, url, said):
    """A typing error in a host name reads as one, without the path."""
    with pytest.raises(Retryable, match=said) as caught:
        await notifier(url=Url(url)).notify([alert()])
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "network: it closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "network: what it answered is not HTTP"),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 99\r\n\r\n", "refused: it answered 400$"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
    ],
    ids=["closes", "is no HTTP", "cuts its refusal", "closes after its yes"],
)
async def test_a_server_that_breaks_off_is_no_surprise(notifier, answer, said):
    """Whatever comes before the end of the connection, the answer is one of the two errors or success."""

    async def serve(reader, writer):
        await reader.readuntil(b"}}")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        hook = notifier(url=Url(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/s3cret"))
        if said is None:
            await hook.notify([alert()])
            return
        with pytest.raises((Retryable, Permanent), match=said) as caught:
            await hook.notify([alert()])
    assert "s3cret" not in str(caught.value)
