"""The brake above every shared reason: however sure each replica is, they never all leave. Pure."""

from collections.abc import Sequence

from agent.readiness.fleet import PeerView
from agent.readiness.rank import before

_KEY = "leave"  # one order for all dependencies together: two of them at once must not take out one half each


def lets_out(identity: str, views: Sequence[PeerView]) -> bool:
    """Whether a replica that wants out may leave: fewer than half of those it knows of, itself included, go first.

    Where it knows nobody, or one other, one may leave.
    """
    ahead = before(identity, (view.identity for view in views if view.wants_out), _KEY)
    return ahead < max(1, (len(views) + 1) // 2)
