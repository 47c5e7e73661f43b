"""What a person may write for an HTTP probe."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, field
from yarl import URL

from config.net import headers
from config.net.accept import preferences
from config.net.tls import TlsOptions
from config.options import Options
from config.types import Secret, Size, StatusRanges, Url
from probes.expect import HeaderRules, Plain, header_problems, json_problems, pattern_problems

MAX_BODY = Size(16 * 1024 * 1024)  #: searching a larger body would hold up the agent's own loop

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OWN = {"connection", "content-length", "transfer-encoding"}  # framing: a wrong one breaks the exchange


class Basic(Options, frozen=True):
    """A name and a password, sent as RFC 7617 says."""

    username: str
    password: Secret


class Auth(Options, frozen=True):
    """Who the probe says it is: one of the two."""

    basic: Basic | None = None
    bearer: Annotated[Secret | None, Meta(description="a token; from a file it is ${file:/path}")] = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys."""
        if (self.basic is None) == (self.bearer is None):
            yield "", "needs either basic or bearer; write one of them"
        if self.bearer is not None and not _VALUE.fullmatch(self.bearer.reveal()):
            yield "bearer", "holds a character that no header may hold; write one line of plain text"
        if self.basic is not None and ":" in self.basic.username:
            yield "basic.username", "holds a colon, which ends a user's name; write it without"


class Expect(Options, frozen=True):
    """What the answer must be. Patterns are regular expressions, found anywhere; of a list, every one must hold."""

    status: Annotated[StatusRanges, Meta(description="good statuses")] = StatusRanges.parse("200-299")
    not_status: Annotated[StatusRanges | None, Meta(description="bad ones, even if `status` has them")] = None
    headers: Annotated[HeaderRules, Meta(description="header -> what a value must match")] = field(default_factory=dict)
    not_headers: Annotated[HeaderRules, Meta(description="header -> what none may match")] = field(default_factory=dict)
    body: Annotated[str | tuple[str, ...], Meta(description="patterns the body must match")] = ()
    not_body: Annotated[str | tuple[str, ...], Meta(description="patterns it must not match")] = ()
    json: Annotated[dict[str, Plain], Meta(description="JMESPath -> value or '< 100'")] = field(default_factory=dict)
    tls: Annotated[bool | None, Meta(description="true: only over TLS; false: only without")] = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Patterns and paths must compile."""
        yield from header_problems("headers", self.headers)
        yield from header_problems("not_headers", self.not_headers)
        yield from pattern_problems("body", self.body)
        yield from pattern_problems("not_body", self.not_body)
        yield from json_problems("json", self.json)


class HttpOptions(Options, frozen=True):
    """One request, and what its answer must be. Every attempt makes a new connection."""

    url: Annotated[Url, Meta(description="http:// or https://, with a path")]
    method: Annotated[str, Meta(description="request method")] = "GET"
    headers: Annotated[dict[str, Secret], Meta(description="header -> value")] = field(default_factory=dict)
    body: Annotated[Secret | None, Meta(description="request body")] = None
    body_file: Annotated[str, Meta(description="file with the request body, read at each attempt")] = ""
    follow_redirects: Annotated[int, Meta(ge=0, le=20, description="hops to follow at most")] = 0
    max_body: Annotated[Size, Meta(description="larger bodies fail, on the wire or decompressed")] = Size(1024 * 1024)
    auth: Auth | None = None
    tls: Annotated[TlsOptions, Meta(description="for https")] = TlsOptions()
    proxy: Annotated[Url | None, Meta(description="http:// proxy; the environment's is never used")] = None
    compression: Annotated[Literal["none", "gzip", "deflate"], Meta(description="encoding to ask for")] = "none"
    expect: Annotated[Expect, Meta(description="what the answer must be")] = Expect()

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys."""
        if self.url.scheme not in ("http", "https"):
            yield "url", "is neither http:// nor https://; write one such as https://host:8080/healthz"
        elif "," in _authority(self.url).rpartition("@")[2]:
            yield "url", "names several hosts; make one probe for each"
        elif not _readable(self.url):
            yield "url", "has a host that no name server can know; write one such as https://host:8080/healthz"
        if self.proxy is not None and (self.proxy.scheme != "http" or not _readable(self.proxy)):
            yield "proxy", "is not an http:// proxy; write one such as http://proxy:3128"
        if not _TOKEN.fullmatch(self.method):
            yield "method", "is not a request method; write GET, HEAD or POST"
        if self.method == "CONNECT":
            yield "method", "asks for a tunnel; write GET, and `proxy` if there is one"
        if self.body is not None and self.body_file:
            yield "body_file", "is given beside body; write one of them"
        if self.max_body > MAX_BODY:
            yield "max_body", f"is more than {MAX_BODY}; write less, a larger body is not for a probe"
        yield from self._header_problems()

    def _header_problems(self) -> Iterable[tuple[str, str]]:
        yield from headers.header_problems(self.headers, _OWN)
        names = {name.lower(): value.reveal() for name, value in self.headers.items()}
        if (self.auth is not None) + ("authorization" in names) + ("@" in _authority(self.url)) > 1:
            yield "auth", "is one of two ways given (auth, headers, user in the URL); write one of them"
        wish = names.get("accept-encoding")
        if wish is not None and self.compression != "none" and not acceptable(wish, self.compression):
            yield "compression", "is not acceptable to the Accept-Encoding of headers; leave that header out"


def acceptable(accept_encoding: str, encoding: str) -> bool:
    """Whether an Accept-Encoding header allows `encoding` (RFC 9110 section 12.5.3)."""
    weights = {name: weight for name, _, weight in preferences(accept_encoding)}
    return weights.get(encoding, weights.get("*", 0.0)) > 0


def _readable(url: Url) -> bool:
    try:
        return bool(URL(url.reveal()).host)
    except ValueError:  # a label that is too long in its ASCII form
        return False


def _authority(url: Url) -> str:
    return url.reveal().partition("://")[2].partition("/")[0].partition("?")[0]
