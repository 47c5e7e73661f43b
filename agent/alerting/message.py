"""What a person who is called needs to know: what burns, how fast, what is left, what the probe says, what to do."""

from collections.abc import Mapping
from fractions import Fraction

from agent.events import Outcome
from agent.slo.budget import allowed_seconds
from agent.slo.burn import Counts
from agent.slo.counters import Counters, Histogram
from agent.slo.engine import Evaluation
from agent.slo.objective import Objective, Requests
from agent.slo.sli import Limit
from agent.slo.windows import Pair
from config.types import Duration
from exporters.base import Alert, Severity
from exporters.notify.wording import span

_CALLED = {Severity.PAGE: "somebody is called", Severity.TICKET: "somebody should look into it"}
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def annotations(row: Evaluation, pair: Pair, state: str) -> dict[str, str]:
    """The texts of one alert that `pair` fired. `state`: what is believed of its probe; "" where it has none."""
    objective = row.objective
    pace = f"{_rate(row.burn(pair.short_seconds))} times as fast as it may"
    texts = {
        "summary": f"{objective.service} {objective.name}: error budget burns {pace}",
        "description": " ".join(_sentences(row, pair, state)),
        "runbook_url": objective.runbook_url,
        "budget_left": budget_left(row),
    }
    return {key: text for key, text in texts.items() if text}


def resolved_annotations(row: Evaluation, pair: Pair, state: str) -> dict[str, str]:
    """The same once it is over."""
    objective = row.objective
    return annotations(row, pair, state) | {
        "summary": f"{objective.service} {objective.name}: error budget no longer burns too fast"
    }


def ended(texts: Mapping[str, str], told: Alert, now: float) -> dict[str, str]:
    """The texts of an end, in whose description stands how long it lasted since it was `told`, and what was left then.

    `now`: Unix time.
    """
    if not texts.get("description"):
        return dict(texts)
    left = told.annotations.get("budget_left", "")
    at_first = f"; when it was announced, {left} of the error budget was left" if left else ""
    return {**texts, "description": f"It lasted {span(now - told.started_at)}{at_first}. {texts['description']}"}


def budget_left(row: Evaluation) -> str:
    """`97.7% (42.2 of 43.2 minutes)`, or requests; those that the window would have at the traffic so far."""
    objective, period, left = row.objective, row.period, row.remaining
    share = f"{float(left):.1%}"
    if period.whole == 1:  # slots of time
        allowed = allowed_seconds(objective.window_seconds, objective.budget) / 60
        return f"{share} ({_number(left * allowed)} of {_number(allowed)} minutes)"
    allowed = Fraction(period.total * period.whole, period.watched or 1) * objective.budget
    if allowed < 1:
        return share
    what = "requests" if objective.requests else "events"
    return f"{share} (about {_number(left * allowed)} of {_number(allowed)} {what})"


def _sentences(row: Evaluation, pair: Pair, state: str) -> list[str]:
    objective, long, short = row.objective, pair.long_seconds, pair.short_seconds
    left = row.seconds_left(long)
    lasts = left is not None and row.remaining > 0
    rest = f", which lasts {_span(float(left or 0))} at {_possessive(_last(long))} rate" if lasts else ""
    burns = (
        f"Burn rate {_rate(row.burn(short))} over {Duration(short)} and {_rate(row.burn(long))} over {Duration(long)}"
    )
    lines = [
        f"{_what_failed(row, pair)}; the objective is {objective.percent} over {objective.window}.",
        f"{burns}; above {_rate(pair.factor)} {_CALLED[pair.severity]}.",
        f"Error budget left: {budget_left(row)}{rest}.",
        _probe_sentence(row, state),
    ]
    if objective.description:
        lines.append(objective.description)
    return [line for line in lines if line]


def _what_failed(row: Evaluation, pair: Pair) -> str:
    """Bad time as a share, or bad events in numbers."""
    in_short, in_long = row.windows[pair.short_seconds], row.windows[pair.long_seconds]
    while_short, while_long = _last(pair.short_seconds), _last(pair.long_seconds)
    if not row.objective.counts_events:
        reads, probe = row.objective.reads, row.objective.probe
        failed = f"{probe}.{reads.reading} was not within {reads.bound} for" if isinstance(reads, Limit) else ""
        shares = f"{_share(in_short)} of {while_short} and {_share(in_long)} of {while_long}"
        return f"{failed or f'Probe {probe} failed'} {shares}"
    short, long = (f"{counts.bad:,} of {counts.total:,}" for counts in (in_short, in_long))
    what, bad = _events(row.objective)
    return f"{what}: {short} {bad} in {while_short}, and {long} in {while_long}"


def _events(objective: Objective) -> tuple[str, str]:
    """What was counted, and what makes one of them bad."""
    if isinstance(objective.reads, Counters):
        return f"{objective.probe}.{objective.reads.total}", f"were counted by {objective.reads.bad}"
    if isinstance(objective.reads, Histogram):
        return f"{objective.probe}.{objective.reads.reading}", f"were above {objective.reads.bound}"
    requests = objective.requests or Requests()
    of = f" of {requests.route}" if requests.route is not None else ""
    slow = f" or took longer than {Duration(requests.within)}" if requests.within is not None else ""
    return f"{requests.kind.capitalize()} spans{of}", f"failed{slow}"


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


def _number(value: Fraction) -> str:
    """In three digits or whole: 43.2, 432, 12,000."""
    return f"{float(value):,.0f}" if abs(value) >= 100 else f"{float(value):.3g}"


def _last(seconds: int) -> str:
    """A window in words: the last hour, the last 5 minutes."""
    for size, unit in _UNITS:
        if seconds % size == 0:
            count = seconds // size
            return f"the last {unit}" if count == 1 else f"the last {count} {unit}s"
    return f"the last {seconds} seconds"


def _possessive(words: str) -> str:
    return f"{words}'" if words.endswith("s") else f"{words}'s"


def _span(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}s"
    return f"{seconds:.0f} seconds"
