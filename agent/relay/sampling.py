"""Pure: consistent probability sampling, as OpenTelemetry specifies it: every replica keeps the same traces.

A trace has 56 random bits: the last seven bytes of its id, or `rv` in its tracestate. It is kept when they, as a
number, are at least a threshold. The threshold goes into the tracestate of what is kept (`ot=th:e666`), so that who
counts the spans knows how many each one stands for. We are an equalizing downstream sampler: a span that was sampled
more rarely before keeps its own threshold.

Thresholds have all their digits, as those of the SDKs' samplers: sampled at 10% there, all of it is kept at 10% here.
"""

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

_BYTES = 7  # of randomness
_DIGITS = 14  # of a full threshold
_ALL = 1 << 56
_LONGEST_OT = 256  # characters that the `ot` entry may have
_MOST_ENTRIES = 32  # of a tracestate
_LONGEST_KNOWN = 512  # bytes of a tracestate that is remembered

_THRESHOLD = re.compile(rb"th:([0-9a-fA-F]{1,14})")
_RANDOM = re.compile(rb"rv:([0-9a-fA-F]{14})")


class _Read(NamedTuple):
    """A tracestate: the threshold so far and the explicit randomness, where it has them; all else of it."""

    threshold: int | None
    random: bytes  # b"" when there is none
    rest: tuple[bytes, ...]  # of the `ot` entry
    others: tuple[bytes, ...]  # the other entries


class Sampler:
    """Keeps a share of all traces, above 0 and up to 1."""

    def __init__(self, share: Decimal | Fraction | float) -> None:
        # The float is on purpose: every SDK computes it so, and the last digits decide who is equal to whom.
        self.threshold = min(_ALL - round(float(share) * float(_ALL)), _ALL - 1)
        self.least = self.threshold.to_bytes(_BYTES, "big")
        self.fresh = b"ot=th:" + _digits(self.threshold)  #: the tracestate of what had none

    def kept(self, trace_id: bytes, trace_state: str = "") -> bool:
        """Whether spans of that trace are forwarded."""
        return self.judge(trace_id, trace_state.encode()) is not None

    def judge(self, trace_id: bytes, trace_state: bytes) -> bytes | None:
        """The tracestate with which a span is forwarded; None when it is not."""
        if not trace_state:
            return self.fresh if trace_id[-_BYTES:] >= self.least else None
        read = _known(trace_state) if len(trace_state) <= _LONGEST_KNOWN else _read(trace_state)
        random = read.random or trace_id[-_BYTES:]
        if random < self.least:
            return None
        if read.threshold is None or read.threshold < self.threshold:
            return _written(read, _digits(self.threshold))
        if read.threshold.to_bytes(_BYTES, "big") <= random:
            return trace_state  # sampled more rarely before
        return _written(read, b"")  # it should not be here: what it stands for is not known


@lru_cache(1024)  # all spans of a trace have the same
def _known(trace_state: bytes) -> _Read:
    return _read(trace_state)


def _read(trace_state: bytes) -> _Read:
    entries = [entry for part in trace_state.split(b",") if (entry := part.strip(b" \t"))]
    ours = next((entry[3:] for entry in entries if entry.startswith(b"ot=")), b"")
    threshold, random, rest = None, b"", []
    for member in ours.split(b";") if 0 < len(ours) <= _LONGEST_OT else ():
        if member.startswith(b"th:"):
            found = _THRESHOLD.fullmatch(member)
            threshold = int(found[1].ljust(_DIGITS, b"0"), 16) if found else None
        elif member.startswith(b"rv:"):
            found = _RANDOM.fullmatch(member)
            random = bytes.fromhex(found[1].decode()) if found else b""
        elif member:
            rest.append(member)
    others = tuple(entry for entry in entries if not entry.startswith(b"ot="))
    return _Read(threshold, random, tuple(rest), others)


def _written(read: _Read, threshold: bytes) -> bytes:
    members = [b"th:" + threshold] if threshold else []
    members += [b"rv:" + read.random.hex().encode()] if read.random else []
    members += read.rest
    while members and sum(map(len, members)) + len(members) - 1 > _LONGEST_OT:
        members.pop()
    ours = [b"ot=" + b";".join(members)] if members else []
    return b",".join((ours + list(read.others))[:_MOST_ENTRIES])


def _digits(threshold: int) -> bytes:
    return f"{threshold:014x}".rstrip("0").encode() or b"0"
