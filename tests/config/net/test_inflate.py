"""Decompression takes what is right, and stops at what is not."""

import collections
import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.net.inflate import SLICE, Inflater, Malformed, TooLarge, encoding_of, inflate

TEXT = random.Random(1).randbytes(50_000) + b"a" * 300_000


def raw(data):
    return zlib.compress(data, wbits=-15)


ENCODERS = [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw)]
encoders = pytest.mark.parametrize(("encoding", "encode"), ENCODERS, ids=["gzip", "zlib", "raw"])


@encoders
@pytest.mark.parametrize("piece", [1, 2, 999, 1 << 20])
def test_any_cut_gives_the_same(encoding, encode, piece):
    """However the network cuts a body, it becomes what it was, in slices no longer than promised."""
    body = encode(TEXT)
    inflater = Inflater(encoding, len(TEXT))
    out = []
    for start in range(0, len(body), piece):
        out += inflater.feed(body[start : start + piece])
    inflater.finish()
    assert b"".join(out) == TEXT
    assert max(map(len, out)) <= SLICE
    assert inflater.produced == len(TEXT)


@encoders
@given(data=st.binary(max_size=2000))
def test_round_trip(encoding, encode, data):
    """Any bytes come back, at exactly the limit."""
    assert inflate(encode(data), encoding, len(data)) == data


@encoders
def test_one_byte_too_many(encoding, encode):
    """The limit is a limit on what comes out."""
    with pytest.raises(TooLarge, match=f"more than {len(TEXT) - 1} bytes"):
        inflate(encode(TEXT), encoding, len(TEXT) - 1)


@encoders
@pytest.mark.parametrize("missing", [1, 9, 40])
def test_cut_short(encoding, encode, missing):
    """A truncated body is refused, even when all of its text came (the check sum did not)."""
    with pytest.raises(Malformed):
        inflate(encode(TEXT)[:-missing], encoding, len(TEXT))


@encoders
@pytest.mark.parametrize("body", [b"", b"\x00", b"not compressed at all"])
def test_garbage(encoding, encode, body):
    """What is not compressed is refused, as is nothing at all."""
    with pytest.raises(Malformed):
        inflate(body, encoding, 1000)


@encoders
def test_junk_after_the_end(encoding, encode):
    """Bytes after the end are refused, in the same piece or in a later one."""
    with pytest.raises(Malformed):
        inflate(encode(b"text") + b"junk!", encoding, 1000)
    inflater = Inflater(encoding, 1000)
    assert b"".join(inflater.feed(encode(b"text"))) == b"text"
    with pytest.raises(Malformed):
        b"".join(inflater.feed(b"junk!"))


def test_gzip_members_join():
    """A gzip body may have several members, which are one text."""
    assert inflate(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip", 100) == b"one two"


def test_thousands_of_empty_members():
    """Empty members cost the sender twenty bytes each: they are counted."""
    with pytest.raises(Malformed, match="members"):
        inflate(gzip.compress(b"") * 5000, "gzip", 100)


@pytest.mark.case("R29")
def test_a_bomb_stops_at_the_limit():
    """Of a bomb that would become 64 MiB, only the limit is ever made."""
    bomb = gzip.compress(bytes(64 << 20))
    inflater = Inflater("gzip", 1 << 20)
    with pytest.raises(TooLarge):
        collections.deque(inflater.feed(bomb), maxlen=0)
    assert inflater.produced == 1 << 20


def test_identity():
    """A body without an encoding only has to fit."""
    assert inflate(b"abc", None, 3) == b"abc"
    with pytest.raises(TooLarge):
        inflate(b"abcd", None, 3)


@pytest.mark.parametrize(
    ("header", "encoding"),
    [("", None), ("identity", None), (" GZIP ", "gzip"), ("x-gzip", "gzip"), ("Deflate", "deflate")],
)
def test_known_encodings(header, encoding):
    """Names are known in any case, with the old alias."""
    assert encoding_of(header) == encoding


@pytest.mark.parametrize("header", ["br", "zstd", "gzip, gzip", "x" * 500])
def test_unknown_encodings(header):
    """An unknown encoding, or several, is an error that names it briefly."""
    with pytest.raises(LookupError) as raised:
        encoding_of(header)
    assert len(str(raised.value)) < 150
