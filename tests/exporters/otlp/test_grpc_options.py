"""What may be written about a gRPC upstream."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.convert import convert
from config.errors import Problems
from config.net.tls import TlsOptions
from config.types import Duration, Secret, Url
from config.yaml import parse
from exporters.otlp.grpc import OtlpGrpcOptions


def problems(**options):
    return dict(OtlpGrpcOptions(**{"endpoint": Url("grpcs://gateway:4317"), **options}).problems())


@pytest.mark.parametrize(
    "endpoint", ["grpc://gateway:4317", "grpc://gateway", "https://gateway:4317/", "http://[::1]:1"]
)
def test_endpoints_that_are_understood(endpoint):
    """With and without TLS, in OTLP's own spelling too."""
    options = OtlpGrpcOptions(endpoint=Url(endpoint))
    assert not dict(options.problems())
    assert options.secure == endpoint.startswith("https")


def test_options_that_cannot_work_are_refused():
    """Each with what would be right, and never with the value of a header."""
    assert problems() == {}
    for wrong in ("tcp://gateway:4317", "grpc://gateway:4317/v1/traces", "grpc://gateway?x=1", "grpc://me:pw@gateway"):
        assert "endpoint" in problems(endpoint=Url(wrong))
    assert "10s" in problems(timeout=Duration(0))["timeout"]
    assert "`ca`" in problems(tls=TlsOptions(verify=False))["tls.verify"]
    assert "1.3" in problems(tls=TlsOptions(min_version="1.3"))["tls.min_version"]
    assert "grpcs://" in problems(endpoint=Url("grpc://gateway"), tls=TlsOptions(server_name="x"))["tls"]
    found = problems(
        headers={"x y": Secret("a"), "grpc-x": Secret("1"), "te": Secret("1"), "token": Secret("a\nSECRET")}
    )
    assert set(found) == {"headers", "headers.x y", "headers.grpc-x", "headers.te", "headers.token"}
    assert "SECRET" not in str(found)
    assert "ASCII" in problems(headers={"x-tenant": Secret("blå")})["headers.x-tenant"]


@pytest.mark.parametrize(
    ("endpoint", "compression", "compressed"),
    [
        ("grpc://gateway:4317", None, True),
        ("grpc://127.0.0.1:4317", None, False),
        ("grpc://[::1]:4317", None, False),
        ("grpc://localhost:4317", "gzip", True),
        ("grpc://gateway:4317", "none", False),
    ],
)
def test_compression_by_default_only_over_a_network(endpoint, compression, compressed):
    """On the same machine gzip costs more than it saves."""
    assert OtlpGrpcOptions(endpoint=Url(endpoint), compression=compression).compressed is compressed


def test_options_are_read_from_the_file():
    """What a person writes is what the sender gets, and its secrets do not show."""
    text = "{endpoint: 'grpcs://gateway:4317', headers: {authorization: hush}, timeout: 5s, compression: gzip}"
    found = Problems()
    options = convert(parse(text, "test", found), OtlpGrpcOptions, found)
    assert (options.timeout, options.compression) == (5.0, "gzip")
    assert "hush" not in repr(options)


def test_grpc_is_loaded_by_the_first_request_only():
    """A file that names a gRPC upstream can be checked without loading it; senders that are not used cost nothing."""
    script = (
        "import sys; from exporters.otlp.grpc import *;"
        "OtlpGrpcSender(OtlpGrpcOptions(endpoint=Url('grpc://gateway')));"
        "print('grpc' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    assert subprocess.check_output([sys.executable, "-c", script], cwd=root, text=True).strip() == "False"
