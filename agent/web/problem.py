"""Answers: the headers every one carries, JSON, and problem documents (RFC 9457) that never show our insides."""

import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

#: On every answer: what it says is true now only; no reader guesses its type; no version of ours in `Server`.
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store, no-cache",
    "Pragma": "no-cache",
    "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
    "X-Content-Type-Options": "nosniff",
    "Server": "outrider",
}

PROBLEM_JSON = "application/problem+json"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def answer(body: bytes, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer with the common headers."""
    return web.Response(body=body, status=status, headers={**HEADERS, **(headers or {}), "Content-Type": content_type})


def json_answer(
    document: Any, status: int = 200, content_type: str = "application/json", headers: Mapping[str, str] | None = None
) -> web.Response:
    """A document as JSON. Types that JSON does not know are printed with `str`, which masks secrets."""
    return answer(msgspec.json.encode(document, enc_hook=str), content_type, status, headers)


def problem(
    request: web.BaseRequest,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: tuple[str, ...] = (),
) -> web.Response:
    """A problem document. `detail` is one sentence, what would be right included; it must not repeat the request."""
    request_id = identity(request)
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    if trace := _TRACEPARENT.fullmatch(request.headers.get("traceparent", "")):
        document["trace_id"] = trace[1]
    if errors:
        document["errors"] = errors
    return json_answer(document, status, PROBLEM_JSON, {**(headers or {}), "X-Request-ID": request_id})


def identity(request: web.BaseRequest) -> str:
    """The id the client gave its request, if it is one that can be repeated safely; a new one otherwise."""
    given: str = request.headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
