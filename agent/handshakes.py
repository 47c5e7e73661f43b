"""TLS of one listener: the certificate in force follows its files, and handshakes that fail are told and counted.

asyncio says nothing to a server of a handshake that failed. What it calls is the object that shakes hands, and of which
class that is, the context decides.
"""

import ssl
import weakref
from collections.abc import Callable

from config.net.tls import TlsFileError, server_context, server_files

#: What OpenSSL calls the usual reasons, in words.
_REASONS = {
    "HTTP_REQUEST": "plain HTTP was sent where TLS is spoken",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the client has no certificate",
    "CERTIFICATE_VERIFY_FAILED": "the client's certificate is not of the roots in `client_ca`",
    "WRONG_VERSION_NUMBER": "what was sent is not TLS",
}


class Handshakes:
    """Makes the context of one listener.

    `failed` hears of every handshake that failed, in words; `trouble` of files that cannot be used any more, while the
    certificate before stays in force. At most `most` handshakes are under way. Raises TlsFileError.
    """

    def __init__(
        self,
        files: tuple[str, str, str],
        *,
        failed: Callable[[str], None],
        trouble: Callable[[str], None],
        most: int,
    ) -> None:
        """`files`: certificate, key and roots of clients; "" where there is none."""
        self._files = files
        self._failed = failed
        self._trouble = trouble
        self._most = most
        self._open: weakref.WeakSet[ssl.SSLObject] = weakref.WeakSet()
        self._versions = server_files(*files)
        self._current = self.context = server_context(*files)
        self.context.sni_callback = self._hello  # type: ignore[assignment,unused-ignore]
        self.context.sslobject_class = self._shaker()

    def _hello(self, client: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """A client says hello, whether it names a server or not: it gets the certificate that is on disk now."""
        try:
            versions = server_files(*self._files)
            if versions != self._versions:
                self._current = server_context(*self._files)
                self._versions = versions
        except TlsFileError as error:
            self._trouble(f"{error}; the certificate before stays in force")
        if self._current is not self.context:
            client.context = self._current

    def _shaker(self) -> type[ssl.SSLObject]:
        owner = self

        class Shaker(ssl.SSLObject):
            def do_handshake(self) -> None:
                owner.begin(self)
                try:
                    super().do_handshake()
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    raise
                except ssl.SSLError as error:
                    owner.end(self, error)
                    raise
                owner.end(self)

        return Shaker

    def begin(self, client: ssl.SSLObject) -> None:
        """One more step of a handshake. Raises SSLError when there are too many; those that hang end soon."""
        if client not in self._open and len(self._open) >= self._most:
            self._failed("too many at once")
            raise ssl.SSLError("too many handshakes")
        self._open.add(client)

    def end(self, client: ssl.SSLObject, error: ssl.SSLError | None = None) -> None:
        """It is done, or has failed."""
        self._open.discard(client)
        if error is not None:
            reason = error.reason or "it broke off"
            self._failed(_REASONS.get(reason, reason.replace("_", " ").lower()))
