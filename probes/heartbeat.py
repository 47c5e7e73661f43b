"""The kind `heartbeat`: a job that says itself that it ran (cron, backups, migrations)."""

import time
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from config.options import Options
from config.types import Duration, Secret
from probes.base import Attempt, Measurement, Probe, ProbeFailed, Reading, ReadingSpec
from probes.reason import Reason

_LEAST_GRACE = Duration(60)
_LONGEST = 366 * 86400  # seconds


class HeartbeatOptions(Options, frozen=True):
    """How often a job says that it ran, and with which token."""

    every: Annotated[Duration, Meta(ge=1, le=_LONGEST, description="how often it must come, such as 24h")]
    token: Annotated[Secret, Meta(description="what the sender must present, as ${file:/run/secrets/backup}")]
    grace: Annotated[Duration | None, Meta(description="how late it may be; else a tenth of `every`, at least 60s")] = (
        None
    )

    def problems(self) -> Iterable[tuple[str, str]]:
        """A token that is empty or no header can hold lets nobody in, or everybody."""
        token = self.token.reveal()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            yield "token", "is empty or no word of plain letters; write a long random one"
        if self.grace is not None and self.grace > _LONGEST:
            yield "grace", f"is longer than {Duration(_LONGEST)}; write how late the job may be"

    @property
    def patience(self) -> float:
        """Seconds from one heartbeat until it is overdue."""
        grace = max(_LEAST_GRACE, self.every / 10) if self.grace is None else self.grace
        return self.every + grace


class HeartbeatProbe(Probe[HeartbeatOptions]):
    """Passes while the last `POST /heartbeats/NAME` is younger than `every` and `grace`.

    What is overdue is down at once, and so is a job that says that it failed, until it next says that it ended well.
    Before the first heartbeat nothing is known until it is overdue, counted from when the probe began.
    """

    options_type = HeartbeatOptions
    readings: ClassVar[Mapping[str, ReadingSpec]] = {
        "age": ReadingSpec("Time since the job last said that it ended well.", "seconds"),
        "job_duration": ReadingSpec(
            "How long the job took that time, where it said so or told of its start.", "seconds"
        ),
    }

    @classmethod
    def default_when_down(cls, options: HeartbeatOptions) -> str:
        """A job that did not run keeps no replica from serving."""
        return "degraded"

    @classmethod
    def target(cls, options: HeartbeatOptions) -> str:
        """What is waited for."""
        return f"a heartbeat every {options.every}"

    @classmethod
    def heartbeat_token(cls, options: HeartbeatOptions) -> Secret | None:
        """What the sender must present."""
        return options.token

    async def check(self, attempt: Attempt) -> Measurement:
        """Look at what came."""
        beats, now = self.context.beats, time.monotonic()
        waited = now - (beats.since if beats.last is None else beats.last)
        found = Measurement(tuple(self._read(now)))
        if beats.failed:
            said = f": {beats.said}" if beats.said else ""
            raise ProbeFailed(Reason.REPORTED, f"it said that it failed{said}", measurement=found)
        if waited > self.options.patience:
            late = Duration(round(waited - self.options.every))
            none = "none came" if beats.last is None else "the last one is too old"
            raise ProbeFailed(Reason.OVERDUE, f"the heartbeat is {late} late: {none}", measurement=found)
        if beats.last is None:
            raise ProbeFailed(Reason.WAITING, "no heartbeat came so far, and none is overdue")
        return found

    def _read(self, now: float) -> Iterable[Reading]:
        beats = self.context.beats
        if beats.last is not None:
            yield self.reading("age", now - beats.last)
        if beats.seconds is not None:
            yield self.reading("job_duration", beats.seconds)
