"""From an exception of the network to one reason and one sentence, the same for every kind of probe."""

import asyncio
import errno
import os
import socket
import ssl

from config.net.text import clean
from probes.reason import Reason

_GAI = {
    socket.EAI_NONAME: (Reason.DNS_NXDOMAIN, "the name does not exist"),
    socket.EAI_NODATA: (Reason.DNS_NXDOMAIN, "the name has no address"),
    socket.EAI_AGAIN: (Reason.DNS_SERVFAIL, "no name server gave an answer"),
    socket.EAI_FAIL: (Reason.DNS_SERVFAIL, "the name server failed"),
}

_UNREACHABLE = {
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
    errno.EPERM,  # a packet filter on this machine refuses to send
}

# What the agent itself has run out of says nothing about the target.
_OWN_LIMIT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}

# X509_V_ERR_* of OpenSSL's x509_vfy.h; every other code means that the chain does not end at a trusted root.
_VERIFY = {
    9: Reason.TLS_NOT_YET_VALID,
    10: Reason.TLS_EXPIRED,
    62: Reason.TLS_NAME_MISMATCH,  # host name
    63: Reason.TLS_NAME_MISMATCH,  # e-mail
    64: Reason.TLS_NAME_MISMATCH,  # address
}


def classify(error: BaseException, phase: str = "") -> tuple[Reason, str]:
    """The reason for `error`, and what to tell a person.

    `phase` is where it happened: resolve, connect, tls, or anything later; it decides what a timeout means. What is
    not about the network is `internal`: the probe broke.
    """
    if isinstance(error, BaseExceptionGroup):
        return classify(error.exceptions[0], phase)
    if isinstance(error, asyncio.CancelledError):
        return Reason.CANCELLED, "the attempt was cancelled"
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    if isinstance(error, socket.gaierror):
        return _GAI.get(error.errno or 0, (Reason.DNS_OTHER, clean(error.strerror or str(error))))
    if isinstance(error, TimeoutError):
        return _timeout(phase)
    if isinstance(error, EOFError):
        return Reason.CONNECTION_RESET, "the connection was closed before the answer was complete"
    if isinstance(error, OSError):
        return _os(error, phase)
    return Reason.INTERNAL, clean(f"{type(error).__name__}: {error}")


def _timeout(phase: str) -> tuple[Reason, str]:
    if phase == "resolve":
        return Reason.DNS_TIMEOUT, "no answer from the resolver in time"
    if phase == "connect":
        return Reason.CONNECT_TIMEOUT, "no connection in time"
    if phase == "tls":
        return Reason.CONNECT_TIMEOUT, "connected, but the TLS handshake did not end in time"
    return Reason.READ_TIMEOUT, f"no whole answer in time ({phase})" if phase else "no answer in time"


def _tls(error: ssl.SSLError) -> tuple[Reason, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        said = clean(getattr(error, "verify_message", "") or str(error))
        return _VERIFY.get(getattr(error, "verify_code", 0), Reason.TLS_UNTRUSTED), f"certificate refused: {said}"
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return Reason.CONNECTION_RESET, "the connection was closed during TLS"
    said = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
    if "wrong version number" in said or "http request" in said or "record layer failure" in said:
        return Reason.TLS_HANDSHAKE, f"the answer is not TLS ({clean(said)})"
    return Reason.TLS_HANDSHAKE, f"TLS handshake failed: {clean(said)}"


def _os(error: OSError, phase: str) -> tuple[Reason, str]:
    number = error.errno
    said = os.strerror(number) if number is not None else clean(str(error))
    if isinstance(error, ConnectionRefusedError):
        return Reason.CONNECT_REFUSED, "connection refused"
    if isinstance(error, ConnectionError):  # reset, aborted, broken pipe, and what asyncio raises without a number
        return Reason.CONNECTION_RESET, said.lower() or "the connection was closed"
    if isinstance(error, FileNotFoundError):
        return Reason.NOT_FOUND, "no such file or socket"
    if number in _UNREACHABLE:
        return Reason.CONNECT_UNREACHABLE, said.lower()
    if isinstance(error, PermissionError):
        return Reason.AUTH, "permission denied"
    if number in _OWN_LIMIT:
        return Reason.INTERNAL, f"this agent has run out of a resource: {said.lower()}"
    return (Reason.CONNECT_UNREACHABLE if phase == "connect" else Reason.PROTOCOL), said.lower()
