"""TLS of the gRPC listener: the certificate in force follows its files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.net.grpc_core import grpc
from config.net.tls import TlsFileError, server_context, server_files
from config.sections.traces import ReceiveTls


def credentials(tls: ReceiveTls, trouble: Callable[[str], None]) -> Any:
    """For `add_secure_port`. Raises TlsFileError.

    `trouble` hears, in a thread of gRPC's, of files that cannot be used any more; what was read before stays in force.
    """
    files = (tls.cert, tls.key, tls.client_ca)
    seen = server_files(*files)

    def fetch() -> Any:
        """Asked before each handshake; None: as before."""
        nonlocal seen
        try:
            now = server_files(*files)
            if now == seen:
                return None
            found = _read(tls)
        except TlsFileError as error:
            trouble(f"{error}; the certificate before stays in force")
            return None
        seen = now
        return found

    return grpc.dynamic_ssl_server_credentials(_read(tls), fetch, require_client_authentication=bool(tls.client_ca))


def _read(tls: ReceiveTls) -> Any:
    server_context(tls.cert, tls.key, tls.client_ca)  # says in words what is wrong with them; gRPC does not
    chain = Path(tls.cert).read_bytes()
    key = Path(tls.key).read_bytes() if tls.key else chain
    roots = Path(tls.client_ca).read_bytes() if tls.client_ca else None
    return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=roots)
