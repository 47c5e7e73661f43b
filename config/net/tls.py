"""TLS towards a server, and towards clients: what a person may say about it, and the contexts made of that."""

import os
import re
import ssl
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from config.options import Options

_NAME = re.compile(r"(?!\.)[0-9A-Za-z_.:-]{1,253}")  # what OpenSSL takes as a name or an address


class TlsFileError(ValueError):
    """A file of the `tls` section cannot be used. Names the file and the key, never its content."""


class TlsOptions(Options, frozen=True):
    """How to speak TLS to a server. Files are PEM, and are read again when they change."""

    ca: Annotated[str, msgspec.Meta(description="file of the roots to trust instead of the system's")] = ""
    cert: Annotated[str, msgspec.Meta(description="file of the client certificate, with its chain")] = ""
    key: Annotated[str, msgspec.Meta(description="file of the client's key, unless `cert` holds it too")] = ""
    server_name: Annotated[str, msgspec.Meta(description="name to ask for and to verify, instead of the host")] = ""
    min_version: Annotated[Literal["1.2", "1.3"], msgspec.Meta(description="oldest TLS version to accept")] = "1.2"
    verify: Annotated[bool, msgspec.Meta(description="false trusts any certificate: for tests only")] = True

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys."""
        if self.key and not self.cert:
            yield "key", "a key without a certificate; add `cert`, or leave `key` out"
        if self.server_name and not _NAME.fullmatch(self.server_name):
            yield "server_name", "is no host name; write one such as db.example.org"
        if self.ca and not self.verify:
            yield "ca", "`verify: false` trusts any certificate, so `ca` would do nothing; leave one of them out"


def client_context(options: TlsOptions, alpn: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
    """A context for client connections; the same one again until a file it was made from changes.

    `alpn`: the protocols that are offered; some servers of others than HTTP hang up on a wrong one. Raises
    TlsFileError. Making one reads the system's roots (about 10 ms and 1 MiB), hence the sharing.
    """
    files = (("ca", options.ca), ("cert", options.cert), ("key", options.key))
    return _context(options, tuple(_version(key, path) for key, path in files if path), alpn)


def unverified(options: TlsOptions) -> ssl.SSLContext:
    """The same without verification: to look at the certificate of a server that failed it, never to send to it."""
    return client_context(TlsOptions(cert=options.cert, key=options.key, min_version=options.min_version, verify=False))


def server_context(cert: str, key: str = "", client_ca: str = "") -> ssl.SSLContext:
    """A context for a listener's connections, of PEM files as in the file's `tls`; made anew. Raises TlsFileError.

    With `client_ca` every client must have a certificate of these roots. See `server_files`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    wanted = "a PEM certificate, and the key that belongs to it"
    _read("cert", cert, lambda: context.load_cert_chain(cert, key or None, password=_no_password), wanted)
    if client_ca:
        _read("client_ca", client_ca, lambda: context.load_verify_locations(client_ca), "a PEM file of certificates")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def server_files(cert: str, key: str = "", client_ca: str = "") -> tuple[tuple[int, int, int], ...]:
    """What changes when one of these files is replaced or rewritten. Raises TlsFileError."""
    files = (("cert", cert), ("key", key), ("client_ca", client_ca))
    return tuple(_version(name, path) for name, path in files if path)


def _version(key: str, path: str) -> tuple[int, int, int]:
    """What changes when a file is replaced or rewritten."""
    try:
        found = Path(path).stat()
    except OSError as error:
        raise TlsFileError(f"tls.{key}: {path} cannot be read: {os.strerror(error.errno or 0).lower()}") from error
    return found.st_ino, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=64)
def _context(options: TlsOptions, versions: tuple[tuple[int, int, int], ...], alpn: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if options.min_version == "1.3" else ssl.TLSVersion.TLSv1_2
    if alpn:
        context.set_alpn_protocols(alpn)
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif options.ca:
        _read("ca", options.ca, lambda: context.load_verify_locations(options.ca), "a PEM file of certificates")
    else:
        context.load_default_certs()
    if options.cert:
        wanted = "a PEM certificate, and the key that belongs to it"
        _read("cert", options.cert, lambda: _load_pair(context, options), wanted)
    return context


def _load_pair(context: ssl.SSLContext, options: TlsOptions) -> None:
    # Without a password OpenSSL would ask for one on the terminal, and wait there for ever.
    context.load_cert_chain(options.cert, options.key or None, password=_no_password)


def _no_password() -> str:
    raise ValueError("the key is encrypted; give one without a password")


def _read(key: str, path: str, load: Callable[[], object], wanted: str) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise TlsFileError(f"tls.{key}: {path} is not {wanted} ({(error.reason or 'unreadable').lower()})") from error
    except (OSError, ValueError) as error:
        said = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        raise TlsFileError(f"tls.{key}: {path} cannot be used: {said}") from error
