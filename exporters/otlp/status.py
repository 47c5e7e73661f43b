"""What answers say, both ways: google.rpc.Status when something went wrong, partial_success when not quite."""

import json
from typing import NamedTuple

from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from config.net.text import clean, clean_bytes
from exporters.base import Delivery
from exporters.otlp import retryinfo

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

MAX_ANSWER = 4 * 1024 * 1024  #: bytes of an answer; OTLP 1.11 wants a limit and recommends this one
_LONGEST = 64 * 1024  # bytes of an error body that are worth parsing: more is a page of somebody's, and would cost time


class Said(NamedTuple):
    """What an error body says: one short printable line, and seconds to wait; "" and None when it does not."""

    message: str = ""
    after: float | None = None


def encode(message: str, content_type: str, after: float | None = None) -> tuple[bytes, str]:
    """The body that says `message` to a sender of `content_type`, and the body's own content type.

    `after`: seconds until it should come back, told as RetryInfo beside the Retry-After header. OTLP wants the body in
    the encoding of the request; who sent neither protobuf nor JSON is most likely a person, so JSON.
    """
    if content_type == PROTOBUF:
        return status(0, message, after).SerializeToString(), PROTOBUF
    said: dict[str, object] = {"message": message}
    if after is not None:
        said["details"] = [retryinfo.as_json(after)]
    return json.dumps(said).encode(), JSON


def status(code: int, message: str, after: float | None = None) -> Status:
    """The message itself. `code` is gRPC's number; OTLP/HTTP may leave it 0."""
    made = Status(code=code, message=message)
    if after is not None:
        made.details.add().Pack(retryinfo.made(after))
    return made


def said(body: bytes, content_type: str) -> Said:
    """What an upstream's error body says.

    Whatever stands between us and the upstream answers in its own way, so any text will do for a message.
    """
    if len(body) > _LONGEST:
        return Said(clean_bytes(body))
    if content_type == PROTOBUF:
        try:
            found = Status.FromString(body)
        except DecodeError:
            return Said(clean_bytes(body))
        return Said(clean(found.message), retryinfo.in_details(found))
    if content_type == JSON:
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            return Said(clean_bytes(body))
        if isinstance(parsed, dict):
            message = parsed.get("message")
            text = clean(message) if isinstance(message, str) else clean_bytes(body)
            return Said(text, retryinfo.in_json(parsed))
    return Said(clean_bytes(body))


def answer(rejected: int = 0, message: str = "") -> bytes:
    """The body of a success: empty, unless something of the request was not taken, or there is a warning.

    The responses of the three signals are the same on the wire, so the one for traces will do for all.
    """
    if not rejected and not message:
        return b""
    made = ExportTraceServiceResponse()
    made.partial_success.rejected_spans = rejected
    made.partial_success.error_message = message
    return made.SerializeToString()


def accepted(body: bytes) -> Delivery:
    """What the body of a success says. One that is no response says nothing more than that it was one."""
    if not body:
        return Delivery()
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:
        return Delivery()
    return Delivery(max(0, partial.rejected_spans), clean(partial.error_message))
