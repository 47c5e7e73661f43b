"""Exceptions of the network become one reason and one sentence."""

import asyncio
import errno
import os
import socket
import ssl

import pytest

from probes.classify import classify
from probes.reason import TIMEOUTS, Reason


def os_error(number):
    return OSError(number, os.strerror(number))


def refused_certificate(code, message="it is so"):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def tls_error(reason):
    error = ssl.SSLError(1, f"[SSL: {reason}] text")
    error.reason = reason
    return error


@pytest.mark.case("D14")
@pytest.mark.parametrize(
    ("error", "phase", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "resolve", Reason.DNS_NXDOMAIN),
        (socket.gaierror(socket.EAI_NODATA, "x"), "resolve", Reason.DNS_NXDOMAIN),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "resolve", Reason.DNS_SERVFAIL),
        (socket.gaierror(socket.EAI_FAIL, "x"), "resolve", Reason.DNS_SERVFAIL),
        (socket.gaierror(socket.EAI_MEMORY, "x"), "resolve", Reason.DNS_OTHER),
        (TimeoutError(), "resolve", Reason.DNS_TIMEOUT),
        (TimeoutError(), "connect", Reason.CONNECT_TIMEOUT),
        (TimeoutError(), "tls", Reason.CONNECT_TIMEOUT),
        (TimeoutError(), "query", Reason.READ_TIMEOUT),
        (TimeoutError(), "", Reason.READ_TIMEOUT),
        (os_error(errno.ETIMEDOUT), "connect", Reason.CONNECT_TIMEOUT),
        (os_error(errno.ECONNREFUSED), "connect", Reason.CONNECT_REFUSED),
        (os_error(errno.ECONNRESET), "transfer", Reason.CONNECTION_RESET),
        (os_error(errno.EPIPE), "query", Reason.CONNECTION_RESET),
        (ConnectionResetError("connection lost"), "tls", Reason.CONNECTION_RESET),
        (ConnectionAbortedError(), "tls", Reason.CONNECTION_RESET),
        (asyncio.IncompleteReadError(b"", 5), "transfer", Reason.CONNECTION_RESET),
        (os_error(errno.EHOSTUNREACH), "connect", Reason.CONNECT_UNREACHABLE),
        (os_error(errno.ENETUNREACH), "connect", Reason.CONNECT_UNREACHABLE),
        (os_error(errno.EADDRNOTAVAIL), "connect", Reason.CONNECT_UNREACHABLE),
        (os_error(errno.EPERM), "connect", Reason.CONNECT_UNREACHABLE),
        (OSError("Multiple exceptions: no number"), "connect", Reason.CONNECT_UNREACHABLE),
        (os_error(errno.ENOENT), "connect", Reason.NOT_FOUND),
        (os_error(errno.EACCES), "connect", Reason.AUTH),
        (os_error(errno.EMFILE), "connect", Reason.INTERNAL),
        (os_error(errno.EIO), "query", Reason.PROTOCOL),
        (refused_certificate(10), "tls", Reason.TLS_EXPIRED),
        (refused_certificate(9), "tls", Reason.TLS_NOT_YET_VALID),
        (refused_certificate(62), "tls", Reason.TLS_NAME_MISMATCH),
        (refused_certificate(64), "tls", Reason.TLS_NAME_MISMATCH),
        (refused_certificate(18), "tls", Reason.TLS_UNTRUSTED),
        (refused_certificate(20), "tls", Reason.TLS_UNTRUSTED),
        (ssl.SSLEOFError(8, "EOF occurred"), "tls", Reason.CONNECTION_RESET),
        (ssl.SSLZeroReturnError(6, "closed"), "tls", Reason.CONNECTION_RESET),
        (tls_error("WRONG_VERSION_NUMBER"), "tls", Reason.TLS_HANDSHAKE),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "processing", Reason.TLS_HANDSHAKE),
        (asyncio.CancelledError(), "connect", Reason.CANCELLED),
        (ExceptionGroup("all", [os_error(errno.ECONNREFUSED), ValueError()]), "connect", Reason.CONNECT_REFUSED),
        (ValueError("odd"), "query", Reason.INTERNAL),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_reasons(error, phase, reason):
    """Every exception has its reason, and a short sentence on one line."""
    found, detail = classify(error, phase)
    assert found is reason
    assert detail
    assert detail.isprintable()


def test_sentences():
    """The sentences say what a person needs to know, and keep the peer's words short."""
    assert classify(os_error(errno.ECONNREFUSED), "connect")[1] == "connection refused"
    assert classify(TimeoutError(), "query")[1] == "no whole answer in time (query)"
    assert classify(refused_certificate(10, "certificate has expired"))[1] == (
        "certificate refused: certificate has expired"
    )
    assert classify(tls_error("WRONG_VERSION_NUMBER"))[1] == "the answer is not TLS (wrong version number)"
    assert len(classify(ValueError("x\n" * 5000))[1]) <= 200


def test_only_timeouts_are_excused():
    """What a stalled agent may have caused itself is a timeout of some phase, and nothing else."""
    assert {classify(TimeoutError(), phase)[0] for phase in ("resolve", "connect", "tls", "query", "")} == TIMEOUTS
