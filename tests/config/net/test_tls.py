"""TLS options become a context, or one clear sentence."""

import os
import ssl

import pytest
from cryptography.hazmat.primitives import serialization

from config.net.tls import TlsFileError, TlsOptions, client_context, unverified
from tests.probes.pki import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority.new(tmp_path)


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> str | None:
    """A handshake in memory; the TLS version, or an SSLError."""
    one, two = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(one, two, server_hostname=name)
    far = server.wrap_bio(two, one, server_side=True)
    for _ in range(4):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return near.version()


def test_defaults_are_strict():
    """Without a word in the file: verification, host names, TLS 1.2 at least."""
    context = client_context(TlsOptions())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_private_root(authority):
    """`ca` trusts that root, and no other."""
    server = authority.server("db.test")
    assert handshake(client_context(TlsOptions(ca=str(authority.root))), server, "db.test")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client_context(TlsOptions()), server, "db.test")


def test_min_version(authority):
    """`min_version: "1.3"` refuses a server that speaks only 1.2."""
    server = authority.server("db.test")
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    root = str(authority.root)
    assert handshake(client_context(TlsOptions(ca=root)), server, "db.test") == "TLSv1.2"
    with pytest.raises(ssl.SSLError):
        handshake(client_context(TlsOptions(ca=root, min_version="1.3")), server, "db.test")


def test_a_client_certificate(authority):
    """`cert` and `key` are shown to a server that demands them."""
    cert, key = authority.client()
    server = authority.server("db.test", demand=True)
    options = TlsOptions(ca=str(authority.root), cert=str(cert), key=str(key))
    assert handshake(client_context(options), server, "db.test")


def test_unverified_looks_at_anything(authority):
    """The context for a second look accepts what the first one refused."""
    server = authority.expired("db.test")
    options = TlsOptions(ca=str(authority.root))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client_context(options), server, "other.test")
    assert handshake(unverified(options), server, "other.test")


def test_one_context_until_a_file_changes(authority):
    """The context is shared while its files stay the same, and made anew when one is replaced."""
    options = TlsOptions(ca=str(authority.root))
    first = client_context(options)
    assert client_context(TlsOptions(ca=str(authority.root))) is first
    other = Authority.new(authority.folder / "..")
    other.root.replace(authority.root)
    second = client_context(options)
    assert second is not first
    assert handshake(second, other.server("db.test"), "db.test")


@pytest.mark.parametrize("key", ["ca", "cert"])
def test_a_missing_file(key):
    """A file that is not there is named, with its key."""
    with pytest.raises(TlsFileError, match=rf"^tls\.{key}: /nowhere/x\.pem cannot be read: no such file"):
        client_context(TlsOptions(**{key: "/nowhere/x.pem"}))


@pytest.mark.parametrize("key", ["ca", "cert"])
def test_a_file_of_something_else(tmp_path, key):
    """A file that holds no PEM is named, and nothing of its content."""
    file = tmp_path / "x.pem"
    file.write_text("canary-secret")
    with pytest.raises(TlsFileError, match=rf"^tls\.{key}: .*x\.pem is not a PEM") as raised:
        client_context(TlsOptions(**{key: str(file)}))
    assert "canary" not in str(raised.value)


def test_a_key_of_another_certificate(authority):
    """A key that does not belong to its certificate is refused as such."""
    cert, _ = authority.client("one")
    _, key = authority.client("two")
    with pytest.raises(TlsFileError, match="the key that belongs to it"):
        client_context(TlsOptions(cert=str(cert), key=str(key)))


def test_an_encrypted_key(authority):
    """A key with a password is refused at once; nobody is asked for it on a terminal."""
    cert, key = authority.client()
    plain = serialization.load_pem_private_key(key.read_bytes(), None)
    locked = authority.folder / "locked.key"
    locked.write_bytes(
        plain.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    with pytest.raises(TlsFileError, match="without a password"):
        client_context(TlsOptions(cert=str(cert), key=str(locked)))


@pytest.mark.skipif(os.geteuid() != 0, reason="a directory is a directory for everyone, but only root reads it all")
def test_a_folder_is_not_a_file(tmp_path):
    """A path that is a folder is refused in one sentence."""
    with pytest.raises(TlsFileError, match=r"^tls\.ca: "):
        client_context(TlsOptions(ca=str(tmp_path)))


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (TlsOptions(key="/x"), "key"),
        (TlsOptions(ca="/x", verify=False), "ca"),
        (TlsOptions(cert="/x"), None),
        (TlsOptions(server_name="db.test"), None),
        (TlsOptions(server_name="::1"), None),
        (TlsOptions(server_name=".test"), "server_name"),
        (TlsOptions(server_name="ä b"), "server_name"),
    ],
)
def test_rules_over_several_keys(options, key):
    """Combinations that cannot mean anything are refused at load."""
    assert [found for found, _ in options.problems()] == ([key] if key else [])
