"""Whether an answer is the one that was expected."""

from dataclasses import dataclass
from typing import Protocol

import msgspec

from config.net.text import clean_bytes
from probes.expect import SHOWN, HeaderCheck, JsonRule, TextRules
from probes.http.options import Expect
from probes.reason import Reason


class Headers(Protocol):
    """A map of headers in which a name may come several times."""

    def getall(self, key: str, default: list[str]) -> list[str]:
        """All values of one header, in whatever case its name is."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The `expect` section, compiled."""

    expect: Expect
    headers: tuple[HeaderCheck, ...]
    body: TextRules
    json: tuple[JsonRule, ...]

    @classmethod
    def compile(cls, expect: Expect) -> "Rules":
        """Raises ValueError where Expect.problems would name one."""
        return cls(
            expect,
            (
                *HeaderCheck.compile(expect.not_headers, wanted=False),
                *HeaderCheck.compile(expect.headers, wanted=True),
            ),
            TextRules.parse(expect.body, expect.not_body),
            tuple(JsonRule.parse(path, wanted) for path, wanted in expect.json.items()),
        )

    @property
    def read_body(self) -> bool:
        """Whether any rule looks into the body; otherwise it is only counted."""
        return bool(self.body or self.json)

    def throttled(self, status: int) -> bool:
        """Whether it says "not so often", and no rule says otherwise: a warning, the target is not down."""
        denied = self.expect.not_status is not None and self.expect.not_status.contains(status)
        return status == 429 and not denied and not self.expect.status.contains(status)

    def problem(self, status: int, headers: Headers, body: bytes, *, tls: bool) -> tuple[Reason, str] | None:
        """The first thing that is wrong; None when nothing is."""
        expect = self.expect
        if expect.not_status is not None and expect.not_status.contains(status):
            return Reason.STATUS, f"status {status}, which must not be"
        if not expect.status.contains(status):
            return Reason.STATUS, f"status {status}, expected {expect.status}"
        if expect.tls is not None and expect.tls is not tls:
            return Reason.ASSERTION, f"the answer came {'over' if tls else 'without'} TLS"
        text = self._header_problem(headers) or self._body_problem(body)
        return (Reason.ASSERTION, text) if text else None

    def _header_problem(self, headers: Headers) -> str | None:
        for check in self.headers:
            problem = check.problem([_text(value) for value in headers.getall(check.name, [])])
            if problem:
                return problem
        return None

    def _body_problem(self, body: bytes) -> str | None:
        problem = self.body.problem("the body", body.decode("utf-8", "replace")) if self.body else None
        if problem or not self.json:
            return problem
        try:
            document = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.DecodeError, RecursionError):
            return f"the body is not JSON: {clean_bytes(body, SHOWN)!r}"
        return next(filter(None, (rule.problem(document) for rule in self.json)), None)


def _text(value: str) -> str:
    """A header's value as a person reads it: aiohttp keeps bytes that are not UTF-8 as lone surrogates."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
