"""Mail: handed to a real SMTP server, in threads, without a secret and without a forged header."""

import asyncio
import base64
import logging
import socket
import ssl
from email.utils import parsedate_to_datetime

import pytest
import trustme

from config.convert import convert
from config.errors import Problems
from config.net.resolve import Address
from config.net.tls import TlsOptions
from config.types import Duration, Secret
from config.yaml import parse
from exporters.base import Permanent, Retryable
from exporters.notify import smtp
from exporters.notify.email import EmailNotifier, EmailOptions
from exporters.notify.mail_address import Mailbox, MailHost
from tests.exporters.notify.place import alert
from tests.exporters.notify.smtp import CLOSE, HANG, MailServer

FROM, ONCALL, TEAM = "outrider@shop.example", "oncall@shop.example", "team@shop.example"


@pytest.fixture
async def server():
    """One server on a free port, without TLS."""
    async with MailServer() as started:
        yield started


def notifier(server, *to, **options):
    """A notifier for the server."""
    plain = {"host": MailHost("127.0.0.1", server.port), "from_": Mailbox(FROM), "encryption": "none"}
    plain["to"] = tuple(Mailbox.parse(each) for each in to or (ONCALL,))
    return EmailNotifier(EmailOptions(**(plain | options)))


@pytest.fixture(scope="module")
def authority():
    """Who signs."""
    return trustme.CA()


@pytest.fixture
def secure(authority, tmp_path):
    """A server's context, and the options that trust it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "root.pem")
    return context, TlsOptions(ca=str(tmp_path / "root.pem"))


async def test_a_mail_says_what_fires_and_what_ended(server):
    """Subject, both texts, the sender, the time, and that no person wrote it."""
    mail = notifier(server, f"On Call <{ONCALL}>", TEAM)
    await mail.notify([alert(team="a<b>&c")])
    await mail.notify([alert(resolved_at=1_767_226_500.0)])
    first, second = server.got
    assert first.sender == f"<{FROM}>"
    assert first.to == [ONCALL, TEAM]
    assert first.mail["Subject"] == "[FIRING] shop pg-availability burns"
    assert second.mail["Subject"] == "[RESOLVED] shop pg-availability burns"
    assert first.mail["To"] == f"On Call <{ONCALL}>, {TEAM}"
    assert first.mail["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(first.mail["Date"]).utcoffset().seconds == 0
    assert "since: 2026-01-01T00:00:30.000Z" in first.part("plain")
    assert "team: a<b>&c" in first.part("plain")
    assert "<td>a&lt;b&gt;&amp;c</td>" in first.part("html")
    assert "ended: 2026-01-01T00:15:00.000Z" in second.part("plain")


@pytest.mark.parametrize("key", ["k1", "f" * 64, "any\r\nBcc: x@evil.example"])
async def test_all_mails_of_an_alert_are_one_thread(server, key):
    """The same reference, whole, in its firing and its end; each mail has a name of its own."""
    mail = notifier(server)
    await mail.notify([alert(key=key)])
    await mail.notify([alert(key=key, resolved_at=2e9)])
    first, second = (each.mail for each in server.got)
    assert first["References"] == first["In-Reply-To"] == second["References"]
    assert first["References"].endswith("@outrider>")
    assert key in first["References"] or "\n" in key
    assert first["Bcc"] is None
    assert first["Message-ID"] != second["Message-ID"]
    assert second["Message-ID"].endswith("@shop.example>")


async def test_no_text_can_make_a_header(server):
    """Line ends in what an alert says become spaces, in the subject and in the texts."""
    odd = alert(slo="x\r\n.\r\nRCPT TO:<evil@example.org>")
    odd.annotations["summary"] = "burns\r\nBcc: evil@example.org\n\n<script>alert(1)</script>"
    await notifier(server).notify([odd])
    (got,) = server.got
    assert got.to == [ONCALL]
    assert got.mail["Bcc"] is None
    assert got.mail["Subject"] == "[FIRING] burns Bcc: evil@example.org <script>alert(1)</script>"
    assert "<script>" not in got.part("html")


async def test_any_language_arrives(server):
    """Umlauts, signs and long lines, over a server that may take ASCII only."""
    text = "Zahlung für 注文 🔥 " + "sehr lang " * 150
    said = alert(team="Zürich")
    said.annotations.update(summary=text, runbook_url="https://runbooks.example/a?b=1&c=2")
    await notifier(server, f"Jürgen Groß <{ONCALL}>").notify([said])
    (got,) = server.got
    assert got.raw.isascii()
    assert max(map(len, got.raw.split(b"\r\n"))) <= 998
    assert got.mail["Subject"].startswith("[FIRING] Zahlung für 注文 🔥 sehr lang")
    assert got.mail["To"].addresses[0].display_name == "Jürgen Groß"
    assert "team: Zürich" in got.part("plain")
    assert '<a href="https://runbooks.example/a?b=1&amp;c=2">' in got.part("html")


async def test_every_address_stays_one(server):
    """Whatever names stand beside them: beyond ASCII, with commas and quotes, long."""
    names = ["Jürgen Groß", "", 'Team "Nacht", Süd', "Groß, " * 30, "a, b", "x" * 200]
    to = [Mailbox(f"oncall{number}@{'mail.' * 9}example", name) for number, name in enumerate(names)]
    await notifier(server, from_=to[0], to=tuple(to)).notify([alert()])
    (got,) = server.got
    found = [(each.display_name, each.addr_spec) for each in got.mail["To"].addresses]
    assert [address for _, address in found] == [box.address for box in to]
    # Python's own parser puts a space between two encoded words, which RFC 2047 (6.2) forbids.
    assert ["".join(name.split()) for name, _ in found] == ["".join(name.split()) for name in names]
    assert got.mail["From"].addresses[0].display_name == "Jürgen Groß"
    assert all(len(line) <= 78 for line in got.raw.split(b"\r\n\r\n")[0].split(b"\r\n") if b"=?" in line)


async def test_a_dot_alone_ends_no_mail(server):
    """A line of one dot, and one that begins with a dot, arrive as they were."""
    said = alert()
    said.annotations.update(summary="..dots", description=".")
    await notifier(server).notify([said])
    (got,) = server.got
    assert b"\r\n.\r\n" in got.raw
    assert "\r\n.\r\n" in got.part("plain")
    assert "severity: page" in got.part("plain")


async def test_several_alerts_are_one_mail(server):
    """What there is to say at once comes at once, a flood of them not in full."""
    mail = notifier(server)
    await mail.notify([alert(key="k1"), alert(key="k2"), alert(key="k3", resolved_at=2e9)])
    await mail.notify([alert(key=f"k{number}") for number in range(60)])
    first, second = server.got
    assert first.mail["Subject"] == "[FIRING: 2, RESOLVED: 1] shop"
    assert first.mail["References"].split() == ["<k1@outrider>", "<k2@outrider>", "<k3@outrider>"]
    assert "and 10 more alerts" in second.part("plain")
    await mail.notify([])
    assert len(server.got) == 2


@pytest.mark.parametrize("ways", ["PLAIN LOGIN", "LOGIN", "XOAUTH2 PLAIN"])
async def test_the_login_is_made_under_encryption(secure, ways):
    """STARTTLS first, then who we are, whichever of the two ways the server knows."""
    context, tls = secure
    async with MailServer(context, ways=ways) as server:
        options = {"encryption": "starttls", "tls": tls, "user": "bot@shop", "password": Secret("pä ss")}
        await notifier(server, **options).notify([alert()])
    (got,) = server.got
    assert (got.secure, got.login) == (True, ("bot@shop", "pä ss"))
    assert [line.split()[0] for line in server.said][:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


async def test_encryption_from_the_first_byte(secure):
    """As port 465 wants it, without the offer of HTTP that some servers hang up on."""
    context, tls = secure
    context.set_alpn_protocols(["http/1.1"])
    chosen = []
    context.sni_callback = lambda sock, *_: chosen.append(sock)
    async with MailServer(context, implicit=True) as server:
        await notifier(server, encryption="implicit", tls=tls).notify([alert()])
    assert server.got[0].secure
    assert all(each.selected_alpn_protocol() is None for each in chosen)


async def test_a_server_without_starttls_gets_nothing():
    """Neither the login nor the mail goes in the clear; it is tried again, since somebody may have hidden the offer."""
    async with MailServer() as server:
        mail = notifier(server, encryption="starttls", user="u", password=Secret("hunter2"))
        with pytest.raises(Retryable, match="tls: .* offers no STARTTLS; if it never does, write `encryption: impl"):
            await mail.notify([alert()])
    assert [line.split()[0] for line in server.said] == ["EHLO"]


async def test_what_was_said_before_the_encryption_does_not_count(secure):
    """A reply that somebody on the way put behind STARTTLS ends it."""
    context, tls = secure
    async with MailServer(context) as server:
        server.answer("STARTTLS", b"220 go on\r\n250 all is well\r\n")
        with pytest.raises(Retryable, match="said more before the encryption than it may"):
            await notifier(server, encryption="starttls", tls=tls).notify([alert()])


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_certificate_that_is_not_trusted_is_told(secure, implicit):
    """The commonest reason with a private root; nothing was said to that server."""
    context, _ = secure
    async with MailServer(context, implicit) as server:
        mail = notifier(server, encryption="implicit" if implicit else "starttls")
        with pytest.raises(Retryable, match=r"tls: 127\.0\.0\.1:[0-9]+ has a certificate that is not trusted: "):
            await mail.notify([alert()])
    assert not any(line.startswith(("AUTH", "MAIL")) for line in server.said)


@pytest.mark.parametrize("stage", ["connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "end"])
@pytest.mark.parametrize(("code", "error"), [(451, Retryable), (421, Retryable), (554, Permanent)])
async def test_the_first_digit_decides(server, stage, code, error):
    """4xx comes again, 5xx does not, wherever it is said; and what it said is told on one line."""
    server.answer(stage, f"{code}-no\x1b[31m\r\n{code} way")
    with pytest.raises(error, match=f"it answered {code} no \\[31m way") as caught:
        await notifier(server, user="u", password=Secret("p")).notify([alert()])
    assert caught.value.reason == ("server" if error is Retryable else "refused")
    assert server.got == []


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
async def test_a_refused_login_names_no_secret(server, way):
    """Not even where the server repeats it, as it is or as it was sent, and also where the end of it is cut off."""
    server.ways = way
    plain = base64.b64encode(b"\0bob\0hunter2").decode()
    said = f"5.7.8 hunter2 (aHVudGVyMg==, {plain}) is wrong "
    server.answer("AUTH", f"535 {said:x<195}hunter2")
    with pytest.raises(Permanent, match=f"auth: AUTH {way}: it answered 535 5.7.8 ") as caught:
        await notifier(server, user="bob", password=Secret("hunter2")).notify([alert()])
    assert not any(form in str(caught.value) for form in ("hunt", "aHVudGVyMg", plain[:12]))


@pytest.mark.parametrize(("ways", "offered"), [("XOAUTH2", "only XOAUTH2"), ("", "none")])
async def test_a_login_that_is_not_known_is_told(server, ways, offered):
    """With what the server offers instead."""
    server.ways = ways
    with pytest.raises(Permanent, match=rf"offers no login that is known here \(PLAIN, LOGIN\): {offered}"):
        await notifier(server, user="u", password=Secret("p")).notify([alert()])


@pytest.mark.parametrize("stage", ["connect", "EHLO", "MAIL", "DATA", "end"])
async def test_a_server_that_hangs_is_left(server, stage):
    """All of the dialogue has one deadline."""
    server.answer(stage, HANG)
    with pytest.raises(Retryable, match=r"timeout: 127\.0\.0\.1:[0-9]+ was not done within 0\.2 s"):
        await notifier(server, timeout=Duration(0.2)).notify([alert()])


async def test_a_stop_does_not_wait_for_a_server_that_hangs(server):
    """Cancelling ends it at once: no thread is left that the process would wait for."""
    server.answer("MAIL", HANG)
    task = asyncio.create_task(notifier(server).notify([alert()]))
    while not any(line.startswith("MAIL") for line in server.said):
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("stage", ["connect", "EHLO", "RCPT", "end"])
async def test_a_server_that_breaks_off_is_tried_again(server, stage):
    """Also in the middle of the mail."""
    mail = notifier(server)
    server.answer(stage, CLOSE)
    with pytest.raises(Retryable, match="network: it closed the connection without an answer"):
        await mail.notify([alert()])
    await mail.notify([alert()])
    assert len(server.got) == 1


async def test_attempts_of_one_mail_bear_one_name(server):
    """A server that took it, and could not say so, folds the second."""
    mail = notifier(server)
    server.answer("end", "250 queued", "451 later")
    await mail.notify([alert()])
    with pytest.raises(Retryable):
        await mail.notify([alert(key="k2")])
    (begun,) = mail._undone.values()
    await mail.notify([alert(key="k2")])
    assert server.got[1].mail["Message-ID"] == f"<{begun.name}>"
    assert mail._undone == {}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "what it answered is not SMTP"),
        (b"250-more\r\n" * 300, "it answered more than 200 lines at once"),
        (b"250 " + b"x" * 200_000, "it said more than 65536 bytes at once"),
    ],
    ids=["other", "lines", "bytes"],
)
async def test_what_is_no_reply_is_bounded(server, told, said):
    """Another protocol, a reply without an end, a line without an end."""
    server.answer("EHLO", said)
    with pytest.raises(Retryable, match=f"network: {told}"):
        await notifier(server).notify([alert()])


async def test_a_server_that_leaves_says_why(server):
    """421 ends the dialogue (RFC 5321, 3.8): its words are told, not that nobody answered the next address."""
    server.answer("RCPT", "421 too many connections", CLOSE)
    with pytest.raises(Retryable, match=r"server: RCPT TO:<oncall.*: it answered 421 too many connections"):
        await notifier(server, ONCALL, TEAM).notify([alert()])


async def test_a_server_that_is_down_is_told(unused_tcp_port):
    """By its place."""
    async with MailServer(port=unused_tcp_port) as gone:
        pass
    with pytest.raises(Retryable, match=rf"network: 127\.0\.0\.1:{gone.port} cannot be reached: connection refused"):
        await notifier(gone).notify([alert()])


async def test_a_name_that_does_not_exist_is_told():
    """A typing error in a host reads as one."""
    mail = EmailNotifier(EmailOptions(host=MailHost("mail.invalid"), from_=Mailbox(FROM), to=(Mailbox(TEAM),)))
    with pytest.raises(Retryable, match=r"network: mail\.invalid:587 cannot be reached: "):
        await mail.notify([alert()])


async def test_every_address_of_a_name_is_tried(server, monkeypatch):
    """One that refuses does not stand for the others; when all do, the last one's reason is told."""

    async def two(host, port):
        return [Address(each, port, socket.AF_INET) for each in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(smtp, "resolve", two)
    await notifier(server).notify([alert()])
    assert len(server.got) == 1
    async with MailServer() as gone:
        pass
    with pytest.raises(Retryable, match="cannot be reached: connection refused"):
        await notifier(gone).notify([alert()])


async def test_encryption_towards_a_server_without_it_is_told(server):
    """Port 587 with `implicit` is a common mistake."""
    with pytest.raises(Retryable, match="tls: .* cannot be reached: TLS: wrong version number"):
        await notifier(server, encryption="implicit").notify([alert()])


async def test_one_refused_address_does_not_cost_the_others_their_mail(server, caplog):
    """It is told once, and again after it was taken in between."""
    mail = notifier(server, ONCALL, TEAM)
    for replies in (("550 gone", "250 ok"), ("550 gone", "250 ok"), ("250 ok", "250 ok"), ("550 gone", "250 ok")):
        server.answer("RCPT", *replies)
        await mail.notify([alert()])
    assert [got.to for got in server.got] == [[TEAM], [TEAM], [ONCALL, TEAM], [TEAM]]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lines) == 2
    assert lines[0].startswith(f"mail to {ONCALL} is refused, others get it: refused: RCPT TO:")


async def test_a_later_attempt_goes_only_to_those_without(server):
    """One of two was put off: the other has it, and does not get it twice."""
    mail = notifier(server, ONCALL, TEAM)
    server.answer("RCPT", "450 greylisted", "250 ok")
    with pytest.raises(Retryable, match=f"server: 1 of 2 did not get it, {ONCALL}: "):
        await mail.notify([alert()])
    await mail.notify([alert()])
    await mail.notify([alert()])
    assert [got.to for got in server.got] == [[TEAM], [ONCALL], [ONCALL, TEAM]]


async def test_all_refused_is_later_while_one_may_still_get_it(server):
    """Permanent only when nobody ever will."""
    mail = notifier(server, ONCALL, TEAM)
    server.answer("RCPT", "550 gone", "450 greylisted", "550 gone", "550 gone")
    with pytest.raises(Retryable):
        await mail.notify([alert()])
    with pytest.raises(Permanent):
        await mail.notify([alert()])
    assert mail._undone == {}


async def test_a_goodbye_that_does_not_come_is_no_matter(server):
    """The mail is the server's by then."""
    server.answer("QUIT", CLOSE)
    await notifier(server).notify([alert()])
    assert len(server.got) == 1


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"to": ()}, "to"),
        ({"to": (Mailbox(TEAM),) * 51}, "to"),
        ({"user": "u"}, "password"),
        ({"password": Secret("hunter2")}, "user"),
        ({"encryption": "none", "user": "u", "password": Secret("hunter2")}, "encryption"),
        ({"encryption": "none", "tls": TlsOptions(verify=False)}, "tls"),
        ({"timeout": Duration(0)}, "timeout"),
        ({"timeout": Duration(51)}, "timeout"),
    ],
)
def test_options_that_cannot_work_are_refused(options, key):
    """Each names its key and a way out, and no secret."""
    plain = {"host": MailHost("mail.example"), "from_": Mailbox(FROM), "to": (Mailbox(TEAM),)}
    problems = list(EmailOptions(**(plain | options)).problems())
    assert [found for found, _ in problems] == [key]
    assert "hunter2" not in str(problems)


@pytest.mark.parametrize(
    ("encryption", "host", "place"),
    [
        ("starttls", "mail.example", "mail.example:587"),
        ("implicit", "mail.example", "mail.example:465"),
        ("none", "127.0.0.1:25", "127.0.0.1:25"),
        ("starttls", "[::1]", "[::1]:587"),
    ],
)
def test_the_port_follows_the_encryption(encryption, host, place):
    """Unless it is written; and what was written prints as it was."""
    text = f'{{host: "{host}", from: Shop <{FROM}>, to: [{TEAM}], encryption: {encryption}}}'
    problems = Problems()
    options = convert(parse(text, "here", problems), EmailOptions, problems)
    problems.raise_if_any()
    assert str(EmailNotifier(options)._server.place) == place
    assert str(options.host) == host
    assert str(options.from_) == f"Shop <{FROM}>"


@pytest.mark.parametrize(
    "text", ["", "a", "a@b@c", "a@b c", "a@-b", "x\r\n@b", "a <b>", "ü@b.example", "a@" + "b" * 300]
)
def test_what_is_no_address_is_refused(text):
    """Nothing that could be a command to the server, and nothing that needs more than ASCII on the way."""
    with pytest.raises(ValueError, match="write "):
        Mailbox.parse(text)


@pytest.mark.parametrize("text", ["", "mail:", "mail:x", "::1", "ma il", "[::1]:0"])
def test_what_is_no_host_is_refused(text):
    """With what would be right."""
    with pytest.raises(ValueError, match="write "):
        MailHost.parse(text)
