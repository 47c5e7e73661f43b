"""google.rpc.RetryInfo: how an OTLP server says when to come back, in each of the places where clients look for it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from config.net.retry import MAX_RETRY_AFTER

#: Trailing metadata of gRPC. The first is the standard's, and carries a whole Status; the second is where the OTel SDK
#: for Python looks, which does not know the first.
DETAILS: Final = "grpc-status-details-bin"
LEGACY: Final = "google.rpc.retryinfo-bin"

_TYPE = "type.googleapis.com/google.rpc.RetryInfo"


def made(seconds: float) -> RetryInfo:
    """The advice to come back after so many seconds."""
    whole, nanos = divmod(round(seconds * 1e9), 1_000_000_000)
    return RetryInfo(retry_delay=Duration(seconds=whole, nanos=nanos))


def as_json(seconds: float) -> dict[str, str]:
    """The same as an element of a Status's `details` in JSON."""
    return {"@type": _TYPE, "retryDelay": f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"}


def in_details(status: Status) -> float | None:
    """Seconds that a Status asks for, between 0 and MAX_RETRY_AFTER; None when it says nothing of it."""
    found = RetryInfo()
    for detail in status.details:
        if detail.Is(RetryInfo.DESCRIPTOR):
            try:
                detail.Unpack(found)
            except DecodeError:
                return None
            return _seconds(found)
    return None


def in_json(status: Mapping[str, Any]) -> float | None:
    """The same of a Status that came as JSON, whatever its members are."""
    details = status.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("/google.rpc.RetryInfo"):
            delay = detail.get("retryDelay", "0s")
            return _written(delay) if isinstance(delay, str) else None
    return None


def in_metadata(pairs: Iterable[tuple[str, str | bytes]]) -> float | None:
    """The same of trailing metadata: the longer one where both carriers have it."""
    found = []
    for key, value in pairs:
        try:
            if key == DETAILS and isinstance(value, bytes):
                found.append(in_details(Status.FromString(value)))
            elif key == LEGACY and isinstance(value, bytes):
                found.append(_seconds(RetryInfo.FromString(value)))
        except DecodeError:
            continue
    return longest(*found)


def longest(*advice: float | None) -> float | None:
    """The longest of several; None when none of them says anything."""
    return max((each for each in advice if each is not None), default=None)


def _seconds(found: RetryInfo) -> float:
    return _clamped(found.retry_delay.seconds + found.retry_delay.nanos / 1e9)


def _written(text: str) -> float | None:
    """`3s`, `0.5s`: what the JSON form of a Duration looks like."""
    digits = text.removesuffix("s")
    if digits == text or len(digits) > 32 or not digits.replace(".", "", 1).isdecimal() or not digits.isascii():
        return None
    return _clamped(float(digits))


def _clamped(seconds: float) -> float:
    return min(MAX_RETRY_AFTER, max(0.0, seconds))
