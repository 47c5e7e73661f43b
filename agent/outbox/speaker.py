"""Which replica tells a receiver: of many that see the same fault one does, and none of them leads.

There is no lock, and nobody is asked for leave. Each replica tells the others what it knows of every alert (`told`),
reads the same of them in their views, and lets those before it in a hash order go first. Whatever is uncertain is said:
a receiver folds a repeat by its key, but nothing brings back what nobody said. The stagger is Alertmanager's own
(position x 15 s).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

    def withdraw(self, key: str) -> None:
        """What waits about this alert has been said by another replica."""


@dataclass(slots=True)
class _Case:
    """What this replica knows of one alert. `said`: by this one; `known`: the receivers have heard that it fires.

    `started`: the start that they were told, Unix time, where this one knows it. `asked`: the others, where it
    ended here and nobody is known to have been told: one of them may have done it and be gone before it could say so.
    """

    word: Word
    began: float  # of the present episode
    since: float  # of the present word
    notice: Notice | None = None
    said: bool = False
    known: bool = False
    started: float | None = None
    asked: frozenset[str] = frozenset()


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
                posted += self._hear(replace(notice, receivers=spoken), now)
        return posted + list(self._due(now))

    def told(self, now: float) -> Mapping[str, Told]:
        """For the others: what is known of each alert here, and for how many seconds."""
        cases = ((key, case) for key, case in self._cases.items() if not case.asked)
        return {key: self._told(self._word(key, case), case, now) for key, case in cases}

    def _told(self, word: Word, case: _Case, now: float) -> Told:
        heard = word in {Word.ANNOUNCED, Word.ENDING}
        return Told(word, now - (case.began if word in _BURNING else case.since), case.started if heard else None)

    def _word(self, key: str, case: _Case) -> Word:
        """A word that still waits in the outbox has not been heard by anybody: others must not rely on it."""
        if case.word is Word.FIRING:
            heard = case.known and not (case.said and self._outbox().waits(key))
            return Word.ANNOUNCED if heard else Word.FIRING
        return Word.ENDING if case.word is Word.RESOLVED and self._outbox().waits(key) else case.word

    def _hear(self, notice: Notice, now: float) -> Iterator[Notice]:
        key, case = notice.alert.key, self._cases.get(notice.alert.key)
        if notice.alert.firing and case and case.word is Word.FIRING:
            yield from self._joined(key, case, notice, now)
        elif notice.alert.firing:
            self._cases[key] = _Case(Word.FIRING, now, now, notice)
        elif case is None or case.known or self._announced(key, case, now):
            # Unknown here means that it began before this process did: then somebody may have been told.
            began, started = (case.began, case.started) if case else (now, None)
            self._cases[key] = _Case(Word.ENDING, began, now, notice, known=True, started=started)
        elif asked := frozenset(view.identity for view in self._fleet.members(now)):
            self._cases[key] = _Case(Word.ENDING, case.began, now, notice, asked=asked)
        else:
            del self._cases[key]  # it ended before anybody was told

    def _joined(self, key: str, case: _Case, notice: Notice, now: float) -> Iterator[Notice]:
        """Receivers that a change of the file brought while it fires: the first of those that see it tells them."""
        if case.notice is not None:
            receivers = tuple(dict.fromkeys((*case.notice.receivers, *notice.receivers)))
            case.notice = replace(case.notice, receivers=receivers)
        elif not self._earlier(key, _BURNING, now):
            case.said = case.said and self._outbox().waits(key)  # what others announced was not for these
            yield _as_announced(notice, case.started)

    def _due(self, now: float) -> Iterator[Notice]:
        for key, case in list(self._cases.items()):
            if case.said and self._outbox().waits(key):
                self._withdraw(key, case, now)
            if case.word is Word.RESOLVED:
                if now - case.since >= REMEMBERED:
                    del self._cases[key]
            elif case.word is Word.ENDING:
                yield from self._ended(key, case, now)
            elif not case.known:
                yield from self._fires(key, case, now)

    def _withdraw(self, key: str, case: _Case, now: float) -> None:
        """It waits here for its receivers, and another replica reached them: once is enough."""
        if case.word is Word.FIRING and self._announced(key, case, now):
            case.said, case.started = False, self._started(key, now)
        elif case.word is not Word.RESOLVED or self._resolved_at(key, now) < case.began:
            return
        self._outbox().withdraw(key)

    def _fires(self, key: str, case: _Case, now: float) -> Iterator[Notice]:
        if self._announced(key, case, now):
            case.known, case.notice, case.started = True, None, self._started(key, now)
        elif now - case.since >= self._wait(key, _BURNING, now) and case.notice:
            notice, case.notice = case.notice, None
            case.said = case.known = True
            case.started = notice.alert.started_at
            yield notice

    def _ended(self, key: str, case: _Case, now: float) -> Iterator[Notice]:
        if case.asked and not self._may_be_known(key, case, now):
            return
        if case.started is None:
            case.started = self._started(key, now)
        said_at = self._resolved_at(key, now)
        if said_at >= case.began:
            # Said on to those that do not hear the one who told the receivers: each look is at some of many only.
            case.word, case.since, case.notice = Word.RESOLVED, said_at, None
        elif self._burns(key, now):
            case.since = now  # the last one to recover says it
        elif now - case.since >= self._wait(key, {Word.ENDING}, now) and case.notice:
            notice, case.notice = case.notice, None
            case.word, case.since, case.said = Word.RESOLVED, now, True
            yield _as_announced(notice, case.started)

    def _may_be_known(self, key: str, case: _Case, now: float) -> bool:
        """Whether an end must be told though nobody knows of a beginning that was: who may have told it is gone.

        While one of the others has something to say of it, it is theirs to end. Forgotten once all were heard since it
        ended here, and none has.
        """
        views = {view.identity: view for view in self._fleet.members(now)}
        if case.asked - views.keys():
            case.asked, case.since, case.known = frozenset(), now, True
            return True
        if all(views[each].heard > case.since and key not in views[each].alerts for each in case.asked):
            del self._cases[key]
        return False

    def _announced(self, key: str, case: _Case, now: float) -> bool:
        """Whether another replica says that the receivers were told: of a fault that goes on, so no time matters."""
        return any(told.word is Word.ANNOUNCED for _, told in self._heard(key, now))

    def _resolved_at(self, key: str, now: float) -> float:
        """When another replica last told the receivers that it is over, rather too early; minus infinity: never."""
        heard = (view.heard - told.age for view, told in self._heard(key, now) if told.word is Word.RESOLVED)
        return max(heard, default=float("-inf"))

    def _burns(self, key: str, now: float) -> bool:
        """Whether any replica said that it fires, the last time that it was heard at all."""
        return any(told.word in _BURNING for _, told in _of(self._fleet.members(now), key))

    def _started(self, key: str, now: float) -> float | None:
        """The start that the receivers were told, as far as another replica knows it."""
        return next((told.started for _, told in self._heard(key, now) if told.started is not None), None)

    def _heard(self, key: str, now: float) -> Iterator[tuple[PeerView, Told]]:
        return _of(self._fleet.fresh(now), key)

    def _wait(self, key: str, words: frozenset[Word] | set[Word], now: float) -> float:
        """Seconds from the news to our turn.

        The first of all goes at once. Everybody else first waits until the others can have been heard, and then for
        those before it that have the same to say: one that is the only one to see it waits for nobody. Of a large fleet
        each look is at some only: then news comes by way of others, and takes twice as long.
        """
        fresh, members, own = self._fleet.fresh(now), self._fleet.members(now), self._fleet.identity
        if not before(own, (view.identity for view in members), key):
            return 0.0
        rounds = FRESH_REFRESHES * (2 if len(members) > len(fresh) else 1)
        return rounds * (self._fleet.refresh or 0.0) + STAGGER * self._earlier(key, words, now)

    def _earlier(self, key: str, words: frozenset[Word] | set[Word], now: float) -> int:
        """How many stand before this one that have the same to say."""
        same = (view.identity for view, told in self._heard(key, now) if told.word in words)
        return before(self._fleet.identity, same, key)


def _of(views: Iterable[PeerView], key: str) -> Iterator[tuple[PeerView, Told]]:
    return ((view, told) for view in views if (told := view.alerts.get(key)))


def _as_announced(notice: Notice, started: float | None) -> Notice:
    """The episode that the receivers heard of, also where this replica saw it begin at another moment.

    The clock that told its start may be another replica's: nothing ends before it began.
    """
    if started is None:
        return notice
    ended = notice.alert.resolved_at
    over = None if ended is None else max(started, ended)
    return replace(notice, alert=replace(notice.alert, started_at=started, resolved_at=over))
