"""Why a probe is as it is, in words that hide nothing: from its readings and the file's bounds. Pure.

The detail of an attempt is of whoever was asked, and may hold what not every receiver may see: it is never repeated.
"""

from collections.abc import Iterator

from agent.events import Outcome
from agent.health.board import View
from agent.health.judge import Bound
from probes.reason import Reason

CERTIFICATE = "certificate_expiry"  #: the reading, of whichever kind: seconds until it expires


def crossed(view: View) -> Iterator[tuple[Bound, str]]:
    """The bounds beyond which the newest readings are, each with a sentence. Rates and durations are not known here."""
    known = [(each, each.value) for each in view.readings if each.value is not None]
    for bound in view.member.bounds:
        for each, value in known:
            if each.name == bound.reading and not bound.per_second and bound.crossed(value):
                yield bound, bound.sentence(each.item, value)


def by_certificate(view: View) -> bool:
    """Whether the certificate is the only reason that is known."""
    last = view.last
    if last is None or last.reason is not Reason.THRESHOLD or not last.detail.startswith(CERTIFICATE):
        return False
    return all(bound.reading == CERTIFICATE for bound, _ in crossed(view))


def lasts(view: View) -> float | None:
    """Seconds until the certificate expires, as of the last attempt; None where nobody can tell."""
    return next((each.value for each in view.readings if each.name == CERTIFICATE), None)


def why(view: View) -> str:
    """`connect_refused in connect`, `connections_used 91 % is above 80 %`; "" once it passed."""
    last = view.last
    if last is None or last.outcome is Outcome.PASS:
        return ""
    found = ""
    if last.reason is Reason.THRESHOLD:
        found = _beyond(view, last.outcome, last.detail)
    elif last.reason is Reason.UNREADABLE:
        found = next((f"{each.name} cannot be read" for each in view.readings if each.value is None), "")
    return found or (f"{last.reason} in {last.phase}" if last.phase else str(last.reason))


def _beyond(view: View, outcome: Outcome, detail: str) -> str:
    """The certificate comes last, since it has an alert of its own; of a rate only the bound is known."""
    hits = [(bound.reading == CERTIFICATE, text) for bound, text in crossed(view) if bound.outcome is outcome]
    named = [bound for bound in view.member.bounds if detail.startswith(bound.reading)]
    rest = [(False, f"{one.reading} is {'above' if one.above else 'below'} {one.shown(one.limit)}") for one in named]
    return min(hits or rest, key=lambda hit: hit[0])[1] if hits or rest else ""
