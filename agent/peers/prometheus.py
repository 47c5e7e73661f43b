"""The way `prometheus`: what a Prometheus that scrapes every replica has counted.

Nothing has to reach the other replicas, but news is later than on the other ways by a scrape interval, and coarser:
attempts between two scrapes cannot be told apart in time. With scrapes more than 30 s apart nothing can be told at
all; then a shared fault is taken to be everyone's. Scrape every 15 s or more often.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import aiohttp
import msgspec
from yarl import URL

from agent.peers import deltas
from agent.peers.way import LONGEST, SAMPLE, Hearing, Missed, Outcome
from agent.readiness.fleet import PeerView
from config.net.http import client_session, explain, read_bounded
from config.net.inflate import TooLarge
from config.types import Url

WINDOW = "70s"  #: of samples: two scrapes that are 30 s apart are always in it
MOST = 256  #: samples of one series that are looked at, the newest: more often than four times a second nobody scrapes
LIMIT = 512 * 1024  #: bytes of an answer; what its values take in memory is some ten times as much
KEEPALIVE = 1.0  #: seconds a connection rests: for the second query, not for the next look

_INFO, _ATTEMPTS, _WANTS_OUT = "outrider_peer_info", "outrider_probe_attempts_total", "outrider_peer_wants_out"
_REFUSALS = (400, 401, 403, 405, 422)

Point = tuple[float, str]  # Prometheus writes values as text


class _Series(msgspec.Struct):
    metric: dict[str, str]
    value: Point = (0.0, "0")
    values: list[Point] = []


class _Result(msgspec.Struct):
    result: list[_Series] = []


class _Answer(msgspec.Struct):
    data: _Result


_decoder = msgspec.json.Decoder(_Answer)


class Target(NamedTuple):
    """How Prometheus names one replica."""

    job: str
    instance: str


class PrometheusWay:
    """Two small queries a look: who there is, and the last minute of some of them."""

    def __init__(
        self,
        url: Url,
        service: str,
        identity: str,
        shared: Callable[[], Mapping[str, float]],
        *,
        timeout: float = LONGEST,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        """`shared`: the shared probes with their timeouts; `timeout` of one query; both in seconds."""
        self._url = url
        self._service = service
        self._identity = identity
        self._shared = shared
        self._timeout = timeout
        self._clock, self._chance = clock, chance or random.Random()
        self._session: aiohttp.ClientSession | None = None
        self._sample = SAMPLE

    async def look(self, hearing: Hearing) -> None:
        """Ask Prometheus once."""
        asked_at = self._clock()
        try:
            others, its_time = self._members(await self._query(members_query(self._service)))
            hearing.count(len(set(others.values())))
            chosen = self._chance.sample(list(others), min(self._sample, len(others)))
            timeouts = self._shared()
            series = await self._query(attempts_query(chosen, timeouts)) if chosen else []
        except Missed as missed:
            hearing.miss(missed)
            return
        found: dict[Target, list[_Series]] = {}
        for each in series:
            found.setdefault(_target(each), []).append(each)
        for target in chosen:
            # Its clock said `its_time` after we asked, so this never makes anything younger than it is.
            view = _view(others[target], found.get(target, ()), timeouts, asked_at, asked_at - its_time)
            if view is not None:
                hearing.hear(view)
            await asyncio.sleep(0)  # a full answer takes some 20 ms to walk through: let the loop turn

    async def aclose(self) -> None:
        """Close the connection. Safe twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _members(self, series: Sequence[_Series]) -> tuple[dict[Target, str], float]:
        """The others with their identities, and what time it is for Prometheus."""
        others = {}
        for each in series:
            # A label of ours that the scrape configuration sets too is kept under another name.
            service = each.metric.get("exported_service") or each.metric.get("service", "")
            identity = each.metric.get("identity", "")
            if service == self._service and identity not in {"", self._identity}:
                others[_target(each)] = identity
        return others, max((each.value[0] for each in series), default=0.0)

    async def _query(self, query: str) -> list[_Series]:
        if self._session is None:
            self._session = client_session(timeout=self._timeout, connections=1, keepalive=KEEPALIVE)
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._post(self._session, query)
                return _decoder.decode(body).data.result
        except TimeoutError:
            raise self._missed(Outcome.FAILED, f"no answer within {self._timeout:g} s") from None
        except TooLarge as error:
            self._sample = max(1, self._sample // 2)  # many probes, scraped often: ask for fewer replicas
            raise self._missed(Outcome.MALFORMED, f"its answer is too large: {error}") from error
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
            raise self._missed(Outcome.MALFORMED, "its answer is not HTTP") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._missed(Outcome.FAILED, explain(error)) from error
        except (ValueError, LookupError, RecursionError) as error:
            raise self._missed(Outcome.MALFORMED, f"its answer cannot be used: {error}") from error

    async def _post(self, session: aiohttp.ClientSession, query: str) -> bytes:
        url = URL(self._url.reveal()) / "api/v1/query"
        async with session.post(url, data={"query": query}, allow_redirects=False) as answer:
            if answer.status == 200:
                return await read_bounded(answer, LIMIT)
            outcome = Outcome.REFUSED if answer.status in _REFUSALS else Outcome.FAILED
            raise self._missed(outcome, f"it answers {answer.status}")

    def _missed(self, outcome: Outcome, why: str) -> Missed:
        return Missed(outcome, f"Prometheus at {self._url}: {why}")


def members_query(service: str) -> str:
    """Every replica of the service. Its label goes by another name where the scrape configuration sets one too."""
    return " or ".join(f"{_INFO}{{{label}={_quoted(service)}}}" for label in ("service", "exported_service"))


def attempts_query(targets: Iterable[Target], probes: Iterable[str]) -> str:
    """The raw samples of these probes at these replicas, and whether they want out (a series without `probe`)."""
    chosen = list(targets)
    jobs, instances = {target.job for target in chosen}, {target.instance for target in chosen}
    names = f"__name__=~{_one_of([_ATTEMPTS, _WANTS_OUT])}"
    places = f"job=~{_one_of(jobs)},instance=~{_one_of(instances)}"
    return f"{{{names},{places},probe=~{_one_of([*probes, ''])}}}[{WINDOW}]"


def _view(
    identity: str, own: Sequence[_Series], timeouts: Mapping[str, float], heard: float, shift: float
) -> PeerView | None:
    """What Prometheus knows of one replica; None where it has scraped nothing of late. `shift`: to our clock."""
    points = {id(each): [(at + shift, _number(value)) for at, value in each.values[-MOST:]] for each in own}
    scrapes = sorted({at for seen in points.values() for at, _ in seen})
    if not scrapes:
        return None
    counters: dict[str, list[tuple[str, deltas.Points]]] = {}
    for each in own:
        counters.setdefault(_probe(each), []).append((each.metric.get("outcome", ""), points[id(each)]))
    known = {name: timeout for name, timeout in timeouts.items() if name in counters}
    told = {name: deltas.attempts(counters[name], scrapes, timeout) for name, timeout in known.items()}
    wants_out = any(deltas.wanted(points[id(each)]) for each in own if each.metric.get("__name__") == _WANTS_OUT)
    return PeerView(identity, heard, wants_out, {name: seen for name, seen in told.items() if seen})


def _target(series: _Series) -> Target:
    return Target(series.metric.get("job", ""), series.metric.get("instance", ""))


def _probe(series: _Series) -> str:
    return series.metric.get("probe", "") if series.metric.get("__name__") == _ATTEMPTS else ""


def _number(text: str) -> float:
    """A sample's value; what is none counts as nothing."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value < 1e15 else 0.0


def _one_of(texts: Iterable[str]) -> str:
    return _quoted("|".join(sorted(map(re.escape, texts))))


def _quoted(text: str) -> str:
    """A string in PromQL: its escapes are those of JSON, as long as what is not ASCII stays as it is."""
    return msgspec.json.encode(text).decode()
