"""One attempt of the HTTP probe on a server that plays a script."""

from types import SimpleNamespace

from config.types import Url
from probes.base import ProbeContext, ProbeFailed
from probes.http import HttpOptions, HttpProbe
from probes.reason import Reason
from tests.probes.wire import Attempt, serve


async def look(script, path="/", *, host="127.0.0.1", tls=None, seconds=20.0, options=None, **more):
    """One attempt on a server that plays `script`: what it found, or why it failed, and what the server saw."""
    async with serve(script, tls) as stub:
        options = {**(options or {}), **more}
        url = options.pop("url", None) or stub.url(path, host=host, scheme="https" if tls else "http")
        probe = HttpProbe(HttpOptions(url=Url.parse(url), **options), ProbeContext("web"))
        try:
            measurement, failure = await probe.check(Attempt(timeout=seconds)), None
        except ProbeFailed as failed:
            measurement, failure = failed.measurement, failed
    values = {reading.name: reading.value for reading in measurement.readings}
    return SimpleNamespace(
        passed=failure is None,
        reason=failure.reason if failure else Reason.OK,
        detail=failure.detail if failure else measurement.detail,
        phase=failure.phase if failure else "",
        measurement=measurement,
        values=values,
        requests=stub.requests,
        connections=stub.connections,
    )
