"""TLS on the OTLP listener: certificates that are renewed on disk, clients without one, and those that speak no TLS."""

import asyncio
import logging
import ssl

import pytest
import uvloop

from agent.sockets import CannotListen
from config.sections.traces import ReceiveTls
from tests.agent.receiver.client import head
from tests.agent.receiver.conftest import receiving
from tests.agent.spans import request, until
from tests.probes.pki import Authority

BODY = request(1)
ONE = head(len(BODY), "Connection: close") + BODY


class Files:
    """A certificate on disk that can be renewed, and clients that trust its authority."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = Authority.new(folder)
        self.cert, self.key = folder / "server.pem", folder / "server.key"
        self.renew()

    def renew(self, *names):
        """Another certificate under the same path; returns its serial number as a client sees it."""
        pair = self.authority.ca.issue_cert("127.0.0.1", *names)
        for file, blob in ((self.key, pair.private_key_pem), (self.cert, pair.cert_chain_pems[0])):
            new = file.with_suffix(".new")
            blob.write_to_path(str(new))
            new.replace(file)

    def options(self, **more):
        return ReceiveTls(cert=str(self.cert), key=str(self.key), **more)

    def client(self, certificate=None, authority=None):
        """A client's context; `certificate` is a pair of files."""
        context = ssl.create_default_context(cafile=str((authority or self.authority).root))
        if certificate:
            context.load_cert_chain(*certificate)
        return context


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


async def send(client, context, whole=ONE):
    """The answer, and the names in the server's certificate."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port, ssl=context)
    try:
        names = writer.get_extra_info("peercert")["subjectAltName"]
        writer.write(whole)
        return await reader.read(), names
    finally:
        writer.close()


async def answered(client, context):
    """What a client hears that should hear nothing: TLS 1.3 lets it speak before it is refused."""
    try:
        return (await send(client, context))[0]
    except (ssl.SSLError, ConnectionError):
        return b""


async def test_spans_come_over_tls(files):
    """A client that trusts the authority sends as ever."""
    async with receiving(tls=files.options()) as client:
        answer, _ = await send(client, files.client())
        assert answer.startswith(b"HTTP/1.1 200")
        assert client.bodies == [BODY]


async def test_a_renewed_certificate_is_used_without_a_restart(files, caplog):
    """The next connection gets what is on disk; a file that cannot be used changes nothing, and is told once."""
    async with receiving(tls=files.options()) as client:
        _, names = await send(client, files.client())
        assert ("DNS", "renewed.example") not in names
        files.renew("renewed.example")
        _, names = await send(client, files.client())
        assert ("DNS", "renewed.example") in names
        files.cert.write_text("no certificate")
        for _ in range(3):
            answer, names = await send(client, files.client())
            assert answer.startswith(b"HTTP/1.1 200")
            assert ("DNS", "renewed.example") in names
        [line] = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert "server.pem" in line.getMessage()
        assert "stays in force" in line.getMessage()


@pytest.mark.case("B26")
async def test_plain_http_to_a_tls_port_is_refused_cleanly(files, caplog):
    """The connection is closed, the refusal is counted and told in words, and the next client is served."""
    caplog.set_level(logging.INFO, "agent.connections")
    async with receiving(tls=files.options()) as client:
        assert b"200" not in await client.raw(ONE)
        await client.raw(b"\x00" * 300)
        await until(lambda: client.refused("tls") == 2)
        assert (await send(client, files.client()))[0].startswith(b"HTTP/1.1 200")
    lines = [record for record in caplog.records if record.name.startswith("agent")]
    assert len(lines) == 1
    assert "plain HTTP was sent where TLS is spoken" in lines[0].getMessage()
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.case("B26")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_clients_must_have_a_certificate_where_it_is_asked_for(files, tmp_path, caplog, version):
    """One of the right roots is served; none, or one of others, is refused, counted, and no traceback."""
    (tmp_path / "other").mkdir()
    stranger = Authority.new(tmp_path / "other")
    async with receiving(tls=files.options(client_ca=str(files.authority.root))) as client:
        answer, _ = await send(client, files.client(files.authority.client()))
        assert answer.startswith(b"HTTP/1.1 200")
        for certificate in (None, stranger.client()):
            context = files.client(certificate)
            context.maximum_version = version
            assert not await answered(client, context)
        await until(lambda: client.refused("tls") == 2)
        assert client.received == 1
    assert not any(record.exc_info for record in caplog.records)


async def test_roots_of_clients_are_renewed_too(files, tmp_path):
    """A client of the new roots is served as soon as they are on disk."""
    (tmp_path / "other").mkdir()
    other = Authority.new(tmp_path / "other")
    roots = tmp_path / "roots.pem"
    roots.write_bytes(files.authority.root.read_bytes())
    async with receiving(tls=files.options(client_ca=str(roots))) as client:
        assert not await answered(client, files.client(other.client()))
        roots.write_bytes(other.root.read_bytes())
        answer, _ = await send(client, files.client(other.client()))
        assert answer.startswith(b"HTTP/1.1 200")


async def test_handshakes_that_hang_are_bounded(files, monkeypatch):
    """Clients that never finish theirs are refused beyond a number, and give their places back."""
    monkeypatch.setattr("agent.receiver.http.CONNECTIONS", 4)
    monkeypatch.setattr("agent.connections.HANDSHAKE_SECONDS", 0.3)
    async with receiving(tls=files.options()) as client:
        hanging = [await asyncio.open_connection("127.0.0.1", client.port) for _ in range(10)]
        await until(lambda: client.refused("tls") >= 6)
        for reader, writer in hanging:
            await reader.read()
            writer.close()
        assert (await send(client, files.client()))[0].startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda files: files.cert.unlink(), "cannot be read"),
        (lambda files: files.cert.write_text("x"), "is not a PEM certificate"),
        (lambda files: files.key.write_bytes(files.authority.client()[1].read_bytes()), "is not a PEM certificate"),
    ],
)
async def test_files_that_cannot_be_used_are_one_sentence(files, spoil, words):
    """The listener does not open, and says which file it is."""
    spoil(files)
    with pytest.raises(CannotListen, match=words) as error:
        async with receiving(tls=files.options()):
            pytest.fail("it opened")
    assert "tls.cert" in str(error.value)


def test_all_of_it_on_the_loop_of_the_agent(files):
    """uvloop, which the agent runs on, shakes hands by the same object."""

    async def play():
        async with receiving(tls=files.options(client_ca=str(files.authority.root))) as client:
            answer, _ = await send(client, files.client(files.authority.client()))
            assert answer.startswith(b"HTTP/1.1 200")
            await client.raw(ONE)
            await until(lambda: client.refused("tls") == 1)
            files.renew("renewed.example")
            _, names = await send(client, files.client(files.authority.client()))
            assert ("DNS", "renewed.example") in names

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play())
