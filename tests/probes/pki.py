"""Certificates of a test: a private authority, good certificates and every kind of bad one."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
EXPIRED = datetime(2021, 1, 1, tzinfo=UTC)


@dataclass
class Authority:
    """One root, and the folder that its files are written to."""

    folder: Path
    ca: trustme.CA

    @classmethod
    def new(cls, folder: Path) -> "Authority":
        authority = cls(folder, trustme.CA())
        authority.ca.cert_pem.write_to_path(str(authority.root))
        return authority

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    def server(self, *names: str, demand: bool = False, **times: datetime) -> ssl.SSLContext:
        """A server's context with a certificate for these names. `demand`: the client must show one of ours."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names, **times).configure_cert(context)
        if demand:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context

    def expired(self, *names: str) -> ssl.SSLContext:
        return self.server(*names, not_before=LONG_AGO, not_after=EXPIRED)

    def not_yet(self, *names: str) -> ssl.SSLContext:
        soon = datetime.now(UTC) + timedelta(days=30)
        return self.server(*names, not_before=soon, not_after=soon + timedelta(days=30))

    def client(self, name: str = "client") -> tuple[Path, Path]:
        """Files of a client certificate and its key."""
        pair = self.ca.issue_cert(f"{name}@example.org")
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        pair.cert_chain_pems[0].write_to_path(str(cert))
        pair.private_key_pem.write_to_path(str(key))
        return cert, key
