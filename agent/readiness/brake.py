"""The brake above every shared reason: however sure each replica is, they never all leave. Pure."""

from collections.abc import Sequence

from agent.readiness.fleet import PeerView
from agent.readiness.rank import before

_KEY = "leave"  # one order for all dependencies together: two of them at once must not take out one half each


def lets_out(identity: str, fresh: Sequence[PeerView], lately: Sequence[PeerView], *, out: bool = False) -> bool:
    """Whether a replica that wants out may leave: fewer than half of those it knows of, itself included, go first.

    Where it knows nobody, or one other, one may leave. In a large fleet the fresh views are a sample that changes from
    round to round, so all that were heard `lately` must agree; and for a replica that is `out` they decide, as long as
    the sample leaves a quarter. Otherwise those in the middle of the order would come and go with every round.
    """
    return _fits(identity, lately, 2) and _fits(identity, fresh, 3 if out else 2)


def _fits(identity: str, views: Sequence[PeerView], quarters: int) -> bool:
    ahead = before(identity, (view.identity for view in views if view.wants_out), _KEY)
    return ahead < max(1, quarters * (len(views) + 1) // 4)
