"""Certificates are read without the ssl module's help, and nothing hostile gets further than an error."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from probes.certificate import read_certificate

KEY = ec.generate_private_key(ec.SECP256R1())
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def make(begin=NOW, end=NOW + timedelta(days=90), issuer=((NameOID.COMMON_NAME, "Test CA"),)):
    name = x509.Name([x509.NameAttribute(kind, value) for kind, value in issuer])
    builder = x509.CertificateBuilder().issuer_name(name).subject_name(name).public_key(KEY.public_key())
    builder = builder.serial_number(7).not_valid_before(begin).not_valid_after(end)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (NOW, NOW + timedelta(days=90)),
        (datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)),
        (datetime(1951, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_dates(begin, end):
    """Both ways to write a time are read, on both sides of 1950, 2000 and 2050."""
    found = read_certificate(make(begin, end))
    assert (found.not_before, found.not_after) == (begin.timestamp(), end.timestamp())


@pytest.mark.parametrize(
    ("issuer", "shown"),
    [
        (((NameOID.COUNTRY_NAME, "DE"), (NameOID.COMMON_NAME, "Wurzel Ä")), "Wurzel Ä"),
        (((NameOID.ORGANIZATION_NAME, "Example"),), "Example"),
        (((NameOID.COUNTRY_NAME, "DE"),), ""),
        (((NameOID.COMMON_NAME, "a\nb\x1b" + "x" * 50),), "a b " + "x" * 50),
    ],
)
def test_issuer(issuer, shown):
    """The issuer is its common name, else its organization, printable either way."""
    assert read_certificate(make(issuer=issuer)).issuer == shown


@pytest.mark.parametrize(
    "der", [b"", b"\x30", b"\x30\x82\xff\xff", b"\x30\x80", b"\x30\x03\x02\x01\x01", b"GET / HTTP/1.1"]
)
def test_what_is_not_a_certificate(der):
    """Anything else is an error that says so."""
    with pytest.raises(ValueError, match="not an X.509 certificate"):
        read_certificate(der)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_damaged_certificates(place, junk):
    """A damaged certificate is read or refused, never anything else."""
    der = make()
    with contextlib.suppress(ValueError):
        read_certificate(der[:place] + junk + der[place + len(junk) :])
