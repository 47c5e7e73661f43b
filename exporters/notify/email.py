"""Alerts by mail: one mail for what there is to say, in the thread of its alert."""

import logging
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from config.net.text import clean
from config.net.tls import TlsOptions
from config.options import Options
from config.types import Duration, HostPort, Secret
from config.types.address import is_loopback
from exporters.base import Alert, Notifier, Permanent, Retryable
from exporters.notify.mail_address import Mailbox, MailHost
from exporters.notify.mail_text import mail
from exporters.notify.smtp import Refusals, Server, submit

MAX_TIMEOUT = 50.0  #: seconds; the outbox cancels an attempt after 60
MOST_RECIPIENTS = 50  #: beyond that it is a mailing list's work; a server need take no more than 100 (RFC 5321)
#: RFC 8314: 587 begins in the clear and is upgraded, 465 is encrypted from the first byte.
PORTS = {"starttls": 587, "implicit": 465, "none": 587}

_UNDONE = 1000  # mails whose next attempt knows who has it already

_log = logging.getLogger(__name__)

_Events = tuple[tuple[str, float, float | None], ...]


class EmailOptions(Options, frozen=True):
    """The server that takes the mail, who sends it and who gets it."""

    host: Annotated[
        MailHost, msgspec.Meta(description="a mail server such as smtp.example.org or smtp.example.org:587")
    ]
    from_: Annotated[Mailbox, msgspec.Meta(description="a mail address such as outrider@example.org")] = msgspec.field(
        name="from"
    )
    to: Annotated[tuple[Mailbox, ...], msgspec.Meta(description="a list of mail addresses")]
    encryption: Annotated[
        Literal["starttls", "implicit", "none"], msgspec.Meta(description="never done without, unless it is none")
    ] = "starttls"
    tls: TlsOptions = TlsOptions()
    user: str = ""
    password: Secret | None = None
    timeout: Annotated[Duration, msgspec.Meta(description="for one attempt as a whole")] = Duration(30)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys."""
        if not 0 < len(self.to) <= MOST_RECIPIENTS:
            yield "to", f"does not name 1 to {MOST_RECIPIENTS} addresses; write for example [oncall@example.org]"
        if self.user and self.password is None:
            yield "password", "is missing beside `user`; write it, best as ${file:/run/secrets/smtp}"
        if self.password is not None and not self.user:
            yield "user", "is missing beside `password`; write who logs in"
        if self.encryption == "none" and self.password is not None and not is_loopback(self.host.host):
            yield "encryption", "would send the password in the clear; write starttls or implicit"
        if self.encryption == "none" and self.tls != TlsOptions():
            yield "tls", "does nothing with `encryption: none`; leave one of them out"
        if not 0 < self.timeout <= MAX_TIMEOUT:
            yield "timeout", f"is not between 0s and {MAX_TIMEOUT:g}s; write for example 30s"


@dataclass(slots=True)
class _Mail:
    """One that is not with everybody yet. A server that took it and could not say so knows it by its name."""

    name: str
    took: set[str] = field(default_factory=set)


class EmailNotifier(Notifier[EmailOptions]):
    """Hands one mail over per call. A later attempt goes only to those that have not got it."""

    options_type = EmailOptions

    def __init__(self, options: EmailOptions) -> None:
        super().__init__(options)
        place = HostPort(options.host.host, options.host.port or PORTS[options.encryption])
        self._server = Server(
            place, options.encryption, options.tls, options.user, options.password, float(options.timeout)
        )
        self._undone: dict[_Events, _Mail] = {}
        self._refused: set[str] = set()

    async def notify(self, alerts: Sequence[Alert]) -> None:
        """Raises Retryable while somebody may still get it, Permanent when nobody will."""
        if not alerts:
            return
        events = tuple((alert.key, alert.started_at, alert.resolved_at) for alert in alerts)
        begun = self._begin(events)
        try:
            refused = await self._send(alerts, begun)
        except Permanent:
            self._undone.pop(events, None)
            raise
        later = {address: error for address, error in refused.items() if isinstance(error, Retryable)}
        if later:
            address, error = next(iter(later.items()))
            raise Retryable(error.reason, f"{len(later)} of {len(self.options.to)} did not get it, {address}: {error}")
        self._undone.pop(events, None)

    async def _send(self, alerts: Sequence[Alert], begun: _Mail) -> Refusals:
        options = self.options
        left = [each for each in dict.fromkeys(box.address for box in options.to) if each not in begun.took]
        message = mail(alerts, options.from_, options.to, name=begun.name, now=time.time())
        refused = await submit(self._server, options.from_.address, left, message)
        begun.took.update(address for address in left if address not in refused)
        self._tell(left, refused)
        return refused

    def _begin(self, events: _Events) -> _Mail:
        """What an earlier attempt at the same left, or a new one."""
        begun = self._undone.setdefault(events, _Mail(f"{secrets.token_hex(16)}@{self.options.from_.domain}"))
        if len(self._undone) > _UNDONE:
            del self._undone[next(iter(self._undone))]
        return begun

    def _tell(self, asked: Sequence[str], refused: Refusals) -> None:
        """Log edges only, of those that are refused for good while others are not."""
        for address in asked:
            error = refused.get(address)
            if isinstance(error, Permanent) and address not in self._refused:
                self._refused.add(address)
                _log.warning("mail to %s is refused, others get it: %s", address, clean(str(error)))
            elif error is None:
                self._refused.discard(address)
