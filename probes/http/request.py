"""The bytes of a request, and the request that follows from a redirect."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from yarl import URL

from probes.base import ProbeFailed
from probes.http.options import Auth, HttpOptions
from probes.reason import Reason

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request to one place. `headers` are in the order they are sent."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def first(cls, options: HttpOptions, body: bytes) -> Self:
        """The request that the file asks for."""
        url = URL(options.url.reveal()).with_fragment(None)
        headers = _plain_headers(options.compression)
        authorization = _authorization(options.auth, url)
        if authorization:
            headers["Authorization"] = authorization
        own = {name.lower(): name for name in headers}
        for name, value in options.headers.items():
            headers.pop(own.get(name.lower(), ""), None)
            headers[name] = value.reveal()
        return cls(options.method, url.with_user(None), headers, body)

    def traced(self, traceparent: str) -> Self:
        """With this traceparent, unless there is none or the file wrote its own."""
        if not traceparent or any(name.lower() == "traceparent" for name in self.headers):
            return self
        return replace(self, headers={**self.headers, "traceparent": traceparent})

    @property
    def host(self) -> str:
        """Where to connect, without brackets."""
        return (self.url.raw_host or "").rstrip(".")

    @property
    def port(self) -> int:
        """Where to connect."""
        return self.url.port or (443 if self.url.scheme == "https" else 80)

    def encode(self, *, absolute: bool = False) -> bytes:
        """The bytes to send. `absolute`: with the whole URL, as a proxy wants it."""
        target = str(self.url) if absolute else self.url.raw_path_qs
        lines = [f"{self.method} {target} HTTP/1.1"]
        if not any(name.lower() == "host" for name in self.headers):
            lines.append(f"Host: {self.url.host_port_subcomponent}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body or self.method in _WITH_BODY:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + self.body

    def redirected(self, status: int, location: str, compression: str) -> "Request":
        """The next request. What the file wrote (headers, credentials, body) never goes to another origin."""
        try:
            location.encode()  # aiohttp keeps bytes that are no text as lone surrogates, and yarl would drop them
            url = self.url.join(URL(location)).with_fragment(None)
            valid = url.scheme in ("http", "https") and bool(url.raw_host)
        except ValueError:
            valid = False
        if not valid:
            raise ProbeFailed(Reason.STATUS, f"status {status} redirects to no http or https address")
        if self.url.scheme == "https" and url.scheme == "http":
            raise ProbeFailed(Reason.STATUS, f"status {status} redirects from https to http, which is not followed")
        changed = status == 303 or (status in (301, 302) and self.method == "POST")
        following = replace(self, url=url.with_user(None))
        if changed and self.method != "HEAD":
            following = replace(following, method="GET", body=b"")
        if url.origin() == self.url.origin():
            return following
        if following.body:
            raise ProbeFailed(Reason.STATUS, f"status {status} redirects the body to another host: not followed")
        return replace(following, headers=_plain_headers(compression))


def basic(username: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617, in UTF-8)."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def _authorization(auth: Auth | None, url: URL) -> str:
    if auth is not None and auth.bearer is not None:
        return f"Bearer {auth.bearer.reveal()}"
    if auth is not None and auth.basic is not None:
        return basic(auth.basic.username, auth.basic.password.reveal())
    if url.user is not None:
        return basic(url.user, url.password or "")
    return ""


def _plain_headers(compression: str) -> dict[str, str]:
    headers = {"User-Agent": "outrider", "Accept": "*/*"}
    if compression != "none":
        headers["Accept-Encoding"] = compression
    return headers
