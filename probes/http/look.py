"""One look at the target: ask, follow redirects, read the body, judge. What was found survives whatever ends it."""

import time
from collections.abc import Iterator

from aiohttp.http import RawResponseMessage
from yarl import URL

from config.net.retry import retry_after
from config.net.tls import TlsFileError
from probes.base import ProbeFailed
from probes.certificate import Certificate
from probes.http.body import Body, body_encoding
from probes.http.exchange import Exchange
from probes.http.options import HttpOptions
from probes.http.request import REDIRECTS, Request, basic
from probes.http.rules import Rules
from probes.reason import Reason
from probes.stopwatch import Stopwatch


class Look:
    """The state of one attempt."""

    def __init__(
        self,
        options: HttpOptions,
        rules: Rules,
        watch: Stopwatch,
        deadline: float,
        family: int = 0,
        *,
        keep: bool = False,
    ) -> None:
        self.body = b""  # where it is kept
        self.watch = watch
        self.facts: dict[str, str] = {}
        self.concerns: tuple[Reason, ...] = ()
        self.detail = ""
        self._options = options
        self._keep = keep
        self._rules = rules
        self._deadline = deadline
        self._family = family
        self._status: int | None = None
        self._content_length: int | None = None
        self._uncompressed: int | None = None
        self._redirects = 0
        self._certificate: Certificate | None = None

    async def run(self, request: Request) -> None:
        """Return when the answer is as expected, or nearly (`concerns`). Raises ProbeFailed or OSError."""
        while True:
            exchange = Exchange(self._options.max_body, self.watch, self._deadline, self._family)
            try:
                message = await self._ask(exchange, request)
                location = message.headers.get("Location")
                if message.code not in REDIRECTS or location is None or not self._options.follow_redirects:
                    await self._judge(exchange, message, secure=request.url.scheme == "https")
                    return
            finally:
                exchange.close()
            if self._redirects == self._options.follow_redirects:
                raise ProbeFailed(Reason.STATUS, f"redirected more than {self._redirects} times")
            request = request.redirected(message.code, location, self._options.compression)
            self._redirects += 1

    def values(self) -> Iterator[tuple[str, float]]:
        """Readings by name, as far as they are known."""
        if self._status is not None:
            yield "status", self._status
            yield "redirects", self._redirects
        if self._content_length is not None:
            yield "content_length", self._content_length
        if self._uncompressed is not None:
            yield "uncompressed_length", self._uncompressed
        if self._certificate is not None:
            yield "certificate_expiry", self._certificate.not_after - time.time()

    async def _ask(self, exchange: Exchange, request: Request) -> RawResponseMessage:
        proxy = URL(self._options.proxy.reveal()) if self._options.proxy is not None else None
        secure = request.url.scheme == "https"
        try:
            if proxy is None:
                await exchange.connect(request.host, request.port)
            else:
                await exchange.connect(proxy.raw_host or "", proxy.port or 80)
            if proxy is not None and secure:
                user = basic(proxy.user, proxy.password or "") if proxy.user else ""
                await exchange.tunnel(request.host, request.port, user)
            if secure:
                await exchange.secure(self._options.tls, self._server_name(request), peek=proxy is None)
        except TlsFileError as error:
            raise ProbeFailed(Reason.CONFIG, str(error)) from error
        finally:
            self._certificate = exchange.certificate
        whole = proxy is not None and not secure
        message = await exchange.ask(request.encode(absolute=whole), bodiless=request.method == "HEAD")
        self._status = message.code
        self.facts = {
            "http_version": f"{message.version.major}.{message.version.minor}",
            "tls_version": exchange.tls_version,
            "certificate_issuer": exchange.certificate.issuer if exchange.certificate else "",
        }
        return message

    def _server_name(self, request: Request) -> str:
        """The name written in the file belongs to the host written there, not to where that redirects."""
        own = request.host == self._options.url.host.rstrip(".") and self._options.tls.server_name
        return own or request.host

    async def _judge(self, exchange: Exchange, message: RawResponseMessage, *, secure: bool) -> None:
        body = await self._read(exchange, message)
        self.body = body if self._keep else b""
        if self._rules.throttled(message.code):
            wait = retry_after(message.headers.get("Retry-After"), time.time())
            self.concerns = (Reason.THROTTLED,)
            self.detail = "status 429" + (f", wait {wait:.0f} s" if wait is not None else "")
            return
        problem = self._rules.problem(message.code, message.headers, body, tls=secure)
        if problem is not None:
            raise ProbeFailed(*problem)

    async def _read(self, exchange: Exchange, message: RawResponseMessage) -> bytes:
        """The decompressed body, empty when no rule looks at it: then it is only counted."""
        declared = message.headers.get("Content-Length", "")
        self._content_length = int(declared) if declared.isascii() and declared.isdigit() else None
        self._uncompressed = 0
        encoding = body_encoding(message.headers.get("Content-Encoding", ""), self._options.compression)
        body = Body(encoding, self._options.max_body, keep=self._keep or self._rules.read_body)
        try:
            while piece := await exchange.read():
                body.take(piece)
            body.finish()
        finally:
            self._uncompressed = body.size
            if self._content_length is None:
                self._content_length = body.wire
        return bytes(body.content)
