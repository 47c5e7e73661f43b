"""`alerts.mode: auto`: this agent is quiet while Prometheus calls, which its watchdog in Alertmanager proves. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

WATCHDOG = "OutriderWatchdog"  #: the alert that always fires: `agent.generate` writes its rule
MISSES = 2  #: answers in a row without the watchdog after which this agent calls
PATIENCE = 60.0  #: seconds without any answer after which it does
_ENVIRONMENT = ("env", "environment")


@dataclass(slots=True)
class Standby:
    """Times are monotonic seconds. Until the first look has ended nothing is said: a look is never long."""

    since: float  #: when it began to look
    patience: float = PATIENCE
    looked: bool = False  #: at least once
    _listed: float | None = None  # when it was last seen
    _misses: int = 0  # in a row

    def heard(self, listed: bool | None, now: float) -> None:
        """One look has ended: whether Alertmanager lists the watchdog; None when nobody answered."""
        self.looked = True
        if listed:
            self._listed, self._misses = now, 0
        elif listed is not None:
            self._misses += 1

    def quiet(self, now: float) -> bool:
        """Whether somebody else calls. Whatever is uncertain is no."""
        if not self.looked:
            return now - self.since < self.patience
        return self._listed is not None and self._misses < MISSES and now - self._listed < self.patience


def same_environment(ours: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
    """Whether a watchdog speaks for us: its label `env`, or `environment`, is ours, where both have one."""
    our, their = _environment(ours), _environment(theirs)
    return not our or not their or our == their


def _environment(labels: Mapping[str, str]) -> str:
    return next((labels[name] for name in _ENVIRONMENT if labels.get(name)), "")
