"""What a person who is called needs to know: what burns, how fast, what is left, what the probe says, what to do."""

from fractions import Fraction

from agent.events import Outcome
from agent.slo.burn import Counts
from agent.slo.engine import Evaluation
from agent.slo.windows import PAGE_QUICK
from config.types import Duration


def annotations(row: Evaluation, state: str) -> dict[str, str]:
    """The texts of one alert. `state` is what the agent believes of its probe; "" where it has none."""
    objective = row.objective
    pace = f"{_rate(row.short_burn)} times as fast as it may"
    texts = {
        "summary": f"{objective.service} {objective.name}: error budget burns {pace}",
        "description": " ".join(_sentences(row, state)),
        "runbook_url": objective.runbook_url,
    }
    return {key: text for key, text in texts.items() if text}


def resolved_annotations(row: Evaluation, state: str) -> dict[str, str]:
    """The same once it is over."""
    objective = row.objective
    return annotations(row, state) | {
        "summary": f"{objective.service} {objective.name}: error budget no longer burns too fast"
    }


def _sentences(row: Evaluation, state: str) -> list[str]:
    objective = row.objective
    left = row.seconds_left
    lasts = "" if left is None or row.remaining <= 0 else f", which lasts {_span(float(left))} at the last hour's rate"
    burns = f"Burn rate {_rate(row.short_burn)} over 5m and {_rate(row.long_burn)} over 1h"
    lines = [
        f"{_what_failed(row)}; the objective is {objective.percent} over {objective.window}.",
        f"{burns}; above {_rate(PAGE_QUICK.factor(objective.window_seconds))} somebody is called.",
        f"Error budget left: {float(row.remaining):.1%}{lasts}.",
        _probe_sentence(row, state),
    ]
    if objective.description:
        lines.append(objective.description)
    return [line for line in lines if line]


def _what_failed(row: Evaluation) -> str:
    """A probe's failed time, or the failed requests in numbers."""
    requests = row.objective.requests
    if requests is None:
        short, long = _share(row.short), _share(row.long)
        return f"Probe {row.objective.probe} failed {short} of the last 5 minutes and {long} of the last hour"
    of = f" of {requests.route}" if requests.route is not None else ""
    slow = f" or took longer than {Duration(requests.within)}" if requests.within is not None else ""
    short, long = (f"{counts.bad:,} of {counts.total:,}" for counts in (row.short, row.long))
    what = f"{requests.kind.capitalize()} spans{of}: {short} failed{slow}"
    return f"{what} in the last 5 minutes, and {long} in the last hour"


def _probe_sentence(row: Evaluation, state: str) -> str:
    """The detail of the attempt stays out: it may name what not every receiver may see."""
    if row.last is None:
        return ""
    believed = f"{row.objective.probe} is {state}" if state else row.objective.probe
    if row.last.outcome is Outcome.PASS:
        return f"{believed}; its last attempt passed."
    where = f" in {row.last.phase}" if row.last.phase else ""
    return f"{believed}; its last attempt: {row.last.outcome}, {row.last.reason}{where}."


def _share(counts: Counts) -> str:
    return f"{float(counts.ratio):.1%}"


def _rate(value: Fraction) -> str:
    return f"{float(value):,.0f}" if value >= 100 else f"{float(value):.3g}"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
