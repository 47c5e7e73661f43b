"""google.rpc.Status: how OTLP/HTTP says in a body what went wrong, both ways."""

import json

from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from config.net.text import clean, clean_bytes

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def encode(message: str, content_type: str) -> tuple[bytes, str]:
    """The body that says `message` to a sender of `content_type`, and the body's own content type.

    OTLP wants it in the encoding of the request; who sent neither protobuf nor JSON is most likely a person, so JSON.
    """
    if content_type == PROTOBUF:
        return Status(message=message).SerializeToString(), PROTOBUF
    return json.dumps({"message": message}).encode(), JSON


def message_of(body: bytes, content_type: str) -> str:
    """What an upstream's error body says, as one short printable line; "" when it says nothing.

    Whatever stands between us and the upstream answers in its own way, so any text will do.
    """
    if content_type == PROTOBUF:
        try:
            return clean(Status.FromString(body).message)
        except DecodeError:
            return clean_bytes(body)
    if content_type == JSON:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return clean_bytes(body)
        if isinstance(found, dict) and isinstance(found.get("message"), str):
            return clean(found["message"])
    return clean_bytes(body)
