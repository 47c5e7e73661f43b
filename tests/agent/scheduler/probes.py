"""Probes that behave as badly as a probe can."""

import asyncio
import contextlib

from probes.base import Measurement, Probe, ProbeContext, ProbeFailed, Reading
from probes.reason import Reason


class Scripted(Probe):
    """Plays one answer after the other, the last one for ever: an exception, a measurement or seconds to sleep."""

    answers = ()
    opened = closed = 0

    def __init__(self, answers=(), name="db", timeout=1.0, steady=False):
        super().__init__(None, ProbeContext(name, timeout=timeout))
        self.answers, self.starts, self.fresh, self.reads = list(answers), [], [], []
        self.steady = steady

    async def open(self):
        self.opened += 1

    async def check(self, attempt):
        self.starts.append(asyncio.get_running_loop().time())
        self.fresh.append(attempt.fresh)
        self.reads.append(attempt.readings)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0] if self.answers else Measurement()
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return Measurement()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def aclose(self):
        self.closed += 1


class Stubborn(Scripted):
    """Ignores its cancellation until it is released."""

    released = False

    async def check(self, attempt):
        self.starts.append(asyncio.get_running_loop().time())
        while not self.released:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        return Measurement()


DOWN = ProbeFailed(Reason.AUTH, "wrong password", phase="auth", measurement=Measurement((Reading("x", 1.0),)))
