"""What Alertmanager knows beside the alerts it is sent: silences, and whether one alert is there. Its API v2."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec import Struct

from config.net.http import Client, explain, read_bounded
from config.net.text import clean
from config.net.tls import TlsFileError
from config.types import Url
from exporters.notify.alertmanager import AlertmanagerOptions

LARGEST = 2 * 1024 * 1024  #: bytes of an answer

T = TypeVar("T")


class Unanswered(Exception):  # noqa: N818 - what became of a request
    """No member did as it was asked; says why."""


class MatcherForm(Struct, frozen=True):
    """One condition on one label."""

    name: str
    value: str
    isRegex: bool = False  # noqa: N815 - Alertmanager's word
    isEqual: bool = True  # noqa: N815


class _Status(Struct, frozen=True):
    state: str = "active"


class SilenceForm(Struct, frozen=True, kw_only=True):
    """One silence; `id` and `status` are Alertmanager's to give."""

    matchers: tuple[MatcherForm, ...]
    startsAt: datetime  # noqa: N815
    endsAt: datetime  # noqa: N815
    createdBy: str = ""  # noqa: N815
    comment: str = ""
    id: str | None = None
    status: _Status = _Status()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status.state == "expired"


class _Made(Struct, frozen=True):
    silenceID: str  # noqa: N815


class _Alert(Struct, frozen=True):
    labels: dict[str, str]


class AlertmanagerApi:
    """Asks the members of one cluster in turn. Silences are passed on between members, so one that answers is enough.

    Every method raises Unanswered.
    """

    def __init__(self, options: AlertmanagerOptions) -> None:
        self._urls = options.urls
        self._headers = {name: value.reveal() for name, value in options.headers.items()}
        self._client = Client(tls=options.tls, timeout=float(options.timeout), connections=max(1, len(self._urls)))

    async def silences(self) -> Sequence[SilenceForm]:
        """Those that are not over."""
        found = await self._first("GET", "/silences", tuple[SilenceForm, ...])
        return [each for each in found if not each.over]

    async def silence(self, wanted: SilenceForm) -> str:
        """Make one; returns its id."""
        sent = msgspec.to_builtins(wanted)
        del sent["id"], sent["status"]
        return (await self._first("POST", "/silences", _Made, sent)).silenceID

    async def expire(self, id_: str) -> None:
        """End one."""
        await self._first("DELETE", f"/silence/{quote(id_, safe='')}", type(None))

    async def firing(self, name: str) -> Sequence[Mapping[str, str]]:
        """The labels of each alert of this name, by all members that answer: alerts are not passed on between them.

        A silenced one fires too: that somebody does not want to hear of it says nothing of who sent it.
        """
        query = quote(f'alertname="{name}"')
        found: list[_Alert] = []
        failures = []
        for url in self._urls:
            try:
                found += await self._ask("GET", url, f"/alerts?filter={query}", tuple[_Alert, ...])
            except Unanswered as error:
                failures.append(error)
            if found:
                break
        if len(failures) == len(self._urls):
            raise failures[0]
        return [each.labels for each in found]

    async def aclose(self) -> None:
        """Close the connections. Safe twice."""
        await self._client.aclose()

    async def _first(self, method: str, path: str, shape: type[T], sent: Any = None) -> T:
        """The answer of the first member that does as it is asked."""
        failures = []
        for url in self._urls:
            try:
                return await self._ask(method, url, path, shape, sent)
            except Unanswered as error:
                failures.append(error)
        raise failures[0]

    async def _ask(self, method: str, url: Url, path: str, shape: type[T], sent: Any = None) -> T:
        body = None if sent is None else msgspec.json.encode(sent)
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        address = f"{url.reveal().rstrip('/')}/api/v2{path}"
        try:
            async with self._client.request(method, address, headers, body) as answer:
                raw = await read_bounded(answer, LARGEST)
                if answer.status != 200:
                    raise Unanswered(f"{url} answered {answer.status}")
        except TimeoutError:
            raise Unanswered(f"{url} did not answer in time") from None
        except (aiohttp.ClientError, OSError, TlsFileError) as error:
            raise Unanswered(f"{url}: {explain(error)}") from None
        except (ValueError, LookupError) as error:
            raise Unanswered(f"{url} answered what cannot be read: {clean(str(error))}") from None
        if shape is type(None):
            return None
        try:
            return msgspec.json.decode(raw, type=shape)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise Unanswered(f"{url} answered something else than Alertmanager would; is the URL right?") from None
