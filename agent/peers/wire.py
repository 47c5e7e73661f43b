"""What one replica tells the others: the document of `/peerz`, and of the value in Redis. Pure.

It carries ages of attempts, never clock times, because the clocks of two machines differ. The one exception is not
reckoned with: the start of an alert, as the receivers heard it.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

import msgspec

from agent.readiness.fleet import Attempted, PeerView, Told, Word

VERSION = 1
LIMIT = 64 * 1024  #: bytes of a document; 200 probes need some 40 KiB
PROBES = 200  #: at most so many in a document
ALERTS = 200  #: at most so many; the others are told by every replica for itself
ATTEMPTS = 8  #: of each probe, the newest
OLDEST = 86400.0  #: seconds; an attempt older than a day tells nothing
LATEST = 2.0**33  #: Unix time; what began after the year 2242 did not

_Age = Annotated[float, msgspec.Meta(ge=0, le=OLDEST)]
_Key = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Start = Annotated[float, msgspec.Meta(ge=0, le=LATEST)]
_Attempts = Annotated[tuple[tuple[_Age, bool], ...], msgspec.Meta(max_length=ATTEMPTS)]


class _Document(msgspec.Struct, frozen=True):
    """Unknown keys are passed over: a newer replica may say more."""

    identity: Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{1,64}\Z")]
    version: Annotated[int, msgspec.Meta(ge=1)]
    wants_out: bool = False
    probes: Annotated[dict[str, _Attempts], msgspec.Meta(max_length=PROBES)] = {}
    alerts: Annotated[dict[_Key, tuple[str, _Age]], msgspec.Meta(max_length=ALERTS)] = {}
    started: Annotated[dict[_Key, _Start], msgspec.Meta(max_length=ALERTS)] = {}


_WORDS = frozenset(Word)
_decoder = msgspec.json.Decoder(_Document)


def document(
    identity: str,
    wants_out: bool,
    attempts: Mapping[str, Sequence[Attempted]],
    now: float,
    alerts: Mapping[str, Told] | None = None,
) -> dict[str, Any]:
    """What this replica says at `now`, the monotonic clock that `attempts` are timed with; ready for JSON."""
    told = {name: _aged(seen, now) for name, seen in islice(attempts.items(), PROBES)}
    known = dict(islice((alerts or {}).items(), ALERTS))
    return {
        "version": VERSION,
        "identity": identity,
        "wants_out": wants_out,
        "probes": told,
        "alerts": {key: (each.word.value, min(each.age, OLDEST)) for key, each in known.items()},
        # Beside `alerts` and not in it: replicas of an earlier version pass over a key, and refuse a third part.
        "started": {key: each.started for key, each in known.items() if each.started is not None},
    }


def read(body: bytes, asked_at: float) -> PeerView:
    """The view in a document that was asked for at `asked_at` (monotonic seconds of this process).

    The answer was written after that, so an attempt is taken to be rather older than it was. Raises ValueError.
    """
    if len(body) > LIMIT:
        raise ValueError(f"the document has more than {LIMIT} bytes")
    try:
        found = _decoder.decode(body)
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None
    attempts = {name: _timed(seen, asked_at) for name, seen in found.probes.items()}
    alerts = {
        key: Told(Word(word), age, found.started.get(key))
        for key, (word, age) in found.alerts.items()
        if word in _WORDS
    }
    return PeerView(found.identity, asked_at, found.wants_out, attempts, alerts)


def _aged(attempts: Sequence[Attempted], now: float) -> list[tuple[float, bool]]:
    """Whole milliseconds, rounded up: rather older than younger."""
    aged = [(max(0.0, math.ceil((now - started) * 1000) / 1000), passed) for started, passed in attempts]
    return [(age, passed) for age, passed in aged if age <= OLDEST][-ATTEMPTS:]


def _timed(attempts: Sequence[tuple[float, bool]], asked_at: float) -> tuple[Attempted, ...]:
    return tuple(sorted(Attempted(asked_at - age, passed) for age, passed in attempts))
