"""The OTLP/gRPC listener: where it listens, who gets in, and TLS."""

import asyncio
import stat

import pytest

from agent.receiver.limits import Limits
from agent.sockets import CannotListen, PortInUse
from config.net.grpc_core import grpc
from config.sections.traces import Receive, ReceiveTls
from config.types import ListenAddress, Secret
from exporters.otlp.grpc import METHODS
from tests.agent.receiver.calls import MIB, dialled, receiving
from tests.agent.spans import request
from tests.probes.pki import Authority

Codes = grpc.StatusCode


@pytest.fixture
async def receiver():
    """A receiver of spans with a limit of 1 MiB."""
    async with receiving() as listening:
        yield listening


async def test_a_token_is_asked_for():
    """UNAUTHENTICATED without it, in words; a new one is good at once, and the old one for a while."""
    async with receiving(token=Secret("first")) as receiver:
        for given in (None, "Bearer wrong", "Basic first", "first"):
            metadata = (("authorization", given),) if given else ()
            error = await receiver.refusal(request(1), metadata=metadata)
            assert error.code() is Codes.UNAUTHENTICATED
            assert "authorization" in error.details()
        assert receiver.refused("unauthenticated") == 4
        await receiver.export(request(1), metadata=(("authorization", "Bearer first"),))
        receiver.receiver.change(Limits(MIB, MIB), Receive(token=Secret("second")))
        for token in ("first", "second"):
            await receiver.export(request(1), metadata=(("authorization", f"Bearer {token}"),))
    assert len(receiver.relay.submitted) == 3


async def test_a_unix_socket(tmp_path):
    """Telemetry may come over a Unix socket, which only this user may open, and which does not stay behind."""
    path = tmp_path / "otlp.sock"
    async with receiving(address=ListenAddress.parse(f"unix:{path}")) as receiver:
        assert await receiver.export(request(1)) == b""
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


async def test_a_taken_port_is_one_sentence(receiver):
    """Two never share a port, and the error names it and the setting."""
    with pytest.raises(PortInUse, match=rf"traces\.receive\.grpc.*{receiver.address.port}"):
        async with receiving(address=receiver.address):
            pytest.fail("two listeners on one port")


async def test_nobody_listens_afterwards():
    """The port is free again at once."""
    async with receiving() as receiver:
        address = receiver.address
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)
    async with receiving(address=address) as receiver:
        assert await receiver.export(request(1)) == b""


def issue(authority, folder, name="localhost"):
    """Write a certificate and its key for a listener; returns the `tls` section."""
    issued = authority.ca.issue_cert(name)
    cert, key = folder / "tls.crt", folder / "tls.key"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    return ReceiveTls(cert=str(cert), key=str(key))


def trusting(authority, pair=None):
    """Credentials of a client."""
    cert, key = (part.read_bytes() for part in pair) if pair else (None, None)
    return grpc.ssl_channel_credentials(authority.root.read_bytes(), key, cert)


async def taken_over_tls(receiver, credentials):
    """Whether a client with these credentials gets through, on a connection of its own."""
    async with dialled(f"localhost:{receiver.address.port}", credentials) as channel:
        try:
            return await channel.unary_unary(METHODS["traces"])(request(1)) == b""
        except grpc.aio.AioRpcError as error:
            return error.code() is not Codes.UNAVAILABLE


async def test_tls_and_its_rotation(tmp_path):
    """Only TLS is answered; files that change count from the next connection on, files that are wrong do not."""
    (tmp_path / "new").mkdir()
    old, new = Authority.new(tmp_path), Authority.new(tmp_path / "new")
    async with receiving(tls=issue(old, tmp_path), credentials=trusting(old)) as receiver:
        assert await taken_over_tls(receiver, trusting(old))
        assert not await taken_over_tls(receiver, None)
        assert not await taken_over_tls(receiver, trusting(new))
        (tmp_path / "tls.crt").write_text("half a certifi")
        assert await taken_over_tls(receiver, trusting(old))
        issue(new, tmp_path)
        assert await taken_over_tls(receiver, trusting(new))
        assert not await taken_over_tls(receiver, trusting(old))


async def test_clients_show_their_certificates(tmp_path):
    """With `client_ca` nobody gets in without one of its certificates; its file may change too."""
    (tmp_path / "new").mkdir()
    authority, other = Authority.new(tmp_path), Authority.new(tmp_path / "new")
    roots = tmp_path / "clients.pem"
    roots.write_bytes(authority.root.read_bytes())
    files = issue(authority, tmp_path)
    tls = ReceiveTls(cert=files.cert, key=files.key, client_ca=str(roots))
    async with receiving(tls=tls, credentials=trusting(authority)) as receiver:
        assert await taken_over_tls(receiver, trusting(authority, authority.client()))
        assert not await taken_over_tls(receiver, trusting(authority))
        assert not await taken_over_tls(receiver, trusting(authority, other.client()))
        roots.write_bytes(other.root.read_bytes())
        assert await taken_over_tls(receiver, trusting(authority, other.client()))


async def test_a_wrong_certificate_is_one_sentence(tmp_path):
    """A listener that cannot speak TLS does not open, and says which file is at fault."""
    (tmp_path / "tls.crt").write_text("nothing")
    with pytest.raises(CannotListen, match=r"traces\.receive\.grpc: .*tls\.crt"):
        async with receiving(tls=ReceiveTls(cert=str(tmp_path / "tls.crt"))):
            pytest.fail("it listens")
