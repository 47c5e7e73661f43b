"""Which replica tells a receiver: of many that see the same fault one does, and none of them leads.

There is no lock, and nobody is asked for leave. Each replica tells the others what it knows of every alert (`told`),
reads the same of them in their views, and lets those before it in a hash order go first. Whatever is uncertain is said:
a receiver folds a repeat by its key, but nothing brings back what nobody said. The stagger is Alertmanager's own
(position x 15 s).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from agent.alerting.engine import Notice
from agent.readiness.fleet import FRESH_REFRESHES, Fleet, PeerView, Told, Word
from agent.readiness.rank import before

STAGGER = 15.0  #: seconds that each place in the order waits longer
REMEMBERED = 300.0  #: seconds for which others are told that an alert was said to be over
_BURNING = frozenset({Word.FIRING, Word.ANNOUNCED})


class Receivers(Protocol):
    """What the speaker asks of the outbox."""

    def spoken(self, receiver: str) -> bool:
        """Whether one replica is to tell this receiver for all of them."""

    def waits(self, key: str) -> bool:
        """Whether something about this alert has not reached every such receiver."""


@dataclass(slots=True)
class _Case:
    """What this replica knows of one alert. `said`: by this one; `known`: the receivers have heard that it fires."""

    word: Word
    began: float  # of the present episode
    since: float  # of the present word
    notice: Notice | None = None
    said: bool = False
    known: bool = False


class Speaker:
    """Stands between the alerts and the outbox. `step` is the only thing that moves it; times are monotonic seconds."""

    def __init__(self, fleet: Fleet, outbox: Callable[[], Receivers]) -> None:
        """`outbox` gives the one in force: after a reload it is another."""
        self._fleet, self._outbox = fleet, outbox
        self._cases: dict[str, _Case] = {}

    def adopt(self, keys: Sequence[str], now: float) -> None:
        """These fire, and were said before this process began."""
        for key in keys:
            self._cases[key] = _Case(Word.FIRING, now, now, said=True, known=True)

    def step(self, notices: Sequence[Notice], now: float) -> list[Notice]:
        """Take what the alerts have to say; returns what is to be posted now."""
        posted = []
        for notice in notices:
            if self._fleet.refresh is None:
                posted.append(notice)
                continue
            spoken = tuple(name for name in notice.receivers if self._outbox().spoken(name))
            direct = tuple(name for name in notice.receivers if name not in spoken)
            if direct or not spoken:
                posted.append(replace(notice, receivers=direct))
            if spoken:
                self._hear(replace(notice, receivers=spoken), now)
        return posted + list(self._due(now))

    def told(self, now: float) -> Mapping[str, Told]:
        """For the others: what is known of each alert here, and for how many seconds."""
        words = ((key, case, self._word(key, case)) for key, case in self._cases.items())
        return {key: Told(word, now - (case.began if word in _BURNING else case.since)) for key, case, word in words}

    def _word(self, key: str, case: _Case) -> Word:
        """A word that still waits in the outbox has not been heard by anybody: others must not rely on it."""
        if case.word is Word.FIRING:
            heard = case.known and not (case.said and self._outbox().waits(key))
            return Word.ANNOUNCED if heard else Word.FIRING
        return Word.ENDING if case.word is Word.RESOLVED and self._outbox().waits(key) else case.word

    def _hear(self, notice: Notice, now: float) -> None:
        key, case = notice.alert.key, self._cases.get(notice.alert.key)
        if notice.alert.firing:
            self._cases[key] = _Case(Word.FIRING, now, now, notice)
        elif case is None or case.known or self._announced(key, case, now):
            # Unknown here means that it began before this process did: then somebody may have been told.
            began = case.began if case else now
            self._cases[key] = _Case(Word.ENDING, began, now, notice, known=True)
        else:
            del self._cases[key]  # it ended before anybody was told

    def _due(self, now: float) -> Iterator[Notice]:
        for key, case in list(self._cases.items()):
            if case.word is Word.RESOLVED:
                if now - case.since >= REMEMBERED:
                    del self._cases[key]
            elif case.word is Word.ENDING:
                yield from self._ended(key, case, now)
            elif not case.known:
                yield from self._fires(key, case, now)

    def _fires(self, key: str, case: _Case, now: float) -> Iterator[Notice]:
        if self._announced(key, case, now):
            case.known, case.notice = True, None
        elif now - case.since >= self._wait(key, _BURNING, now) and case.notice:
            notice, case.notice = case.notice, None
            case.said = case.known = True
            yield notice

    def _ended(self, key: str, case: _Case, now: float) -> Iterator[Notice]:
        heard = list(self._heard(key, now))
        if any(told.word in _BURNING for _, told in heard):
            case.since = now  # the last one to recover says it
        elif any(told.word is Word.RESOLVED and view.heard - told.age >= case.began for view, told in heard):
            del self._cases[key]
        elif now - case.since >= self._wait(key, {Word.ENDING}, now) and case.notice:
            notice, case.notice = case.notice, None
            case.word, case.since = Word.RESOLVED, now
            yield notice

    def _announced(self, key: str, case: _Case, now: float) -> bool:
        """Whether another replica says that the receivers were told: of a fault that goes on, so no time matters."""
        return any(told.word is Word.ANNOUNCED for _, told in self._heard(key, now))

    def _heard(self, key: str, now: float) -> Iterator[tuple[PeerView, Told]]:
        for view in self._fleet.fresh(now):
            if told := view.alerts.get(key):
                yield view, told

    def _wait(self, key: str, words: frozenset[Word] | set[Word], now: float) -> float:
        """Seconds from the news to our turn.

        The first of all goes at once. Everybody else first waits until the others can have been heard, and then for
        those before it that have the same to say: one that is the only one to see it waits for nobody.
        """
        fresh, own = self._fleet.fresh(now), self._fleet.identity
        if not before(own, (view.identity for view in fresh), key):
            return 0.0
        same = (view.identity for view in fresh if key in view.alerts and view.alerts[key].word in words)
        return FRESH_REFRESHES * (self._fleet.refresh or 0.0) + STAGGER * before(own, same, key)
