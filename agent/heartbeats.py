"""Heartbeats that come in: who may send one, and what the probes are told. They outlive a reload, not a restart."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping

from agent.tokens import Tokens
from config.types import Secret
from exporters.base import Sample
from probes.beats import Beats, Word


class Heartbeats:
    """What was pushed, by probe. `poke` asks a probe at once, for its state follows from what just came."""

    def __init__(
        self, poke: Callable[[str], None] = lambda _: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._poke, self._clock = poke, clock
        self._beats: dict[str, Beats] = {}
        self._tokens: dict[str, Tokens] = {}
        # An unknown name costs the same comparison as a wrong token, and gets the same answer.
        self._nobody = Tokens(Secret(secrets.token_hex()), clock=clock)

    def configure(self, tokens: Mapping[str, Secret]) -> None:
        """Which probes take heartbeats, and with which token; of the others nothing is kept."""
        for name in self._tokens.keys() - tokens.keys():
            del self._tokens[name], self._beats[name]
        for name, token in tokens.items():
            self.of(name)
            self._tokens.setdefault(name, Tokens(token, clock=self._clock)).rotate(token)

    def of(self, name: str) -> Beats:
        """What was pushed for one probe; it is there before the first heartbeat."""
        if name not in self._beats:
            self._beats[name] = Beats(self._clock())
        return self._beats[name]

    def accepts(self, name: str, authorization: str | None) -> bool:
        """Whether this header may push for this name. There may be no such probe; nobody learns which it was."""
        tokens = self._tokens.get(name, self._nobody)
        return tokens.accepts(authorization) and tokens.needed

    def take(self, name: str, word: Word, *, seconds: float | None = None, said: str = "") -> None:
        """One heartbeat that was accepted."""
        self.of(name).take(word, self._clock(), seconds=seconds, said=said)
        self._poke(name)

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page."""
        counted = [(name, beats.counts) for name, beats in self._beats.items() if name in self._tokens]
        yield "outrider_heartbeats_total", [Sample((name, word), n[word]) for name, n in counted for word in Word]
