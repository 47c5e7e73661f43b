"""What explains what: along `depends_on`, from a probe that fails to the deepest one that fails too. Pure."""

from collections.abc import Iterator, Mapping

from agent.health.board import View
from agent.health.state import State

#: So long after what a probe depends on failed, its own failures may come from there; at least two slow intervals.
EXPLAINS_SECONDS = 60.0


def ancestors(name: str, views: Mapping[str, View]) -> Iterator[View]:
    """Everything this probe depends on, nearest first, each once."""
    wave, seen = [name], {name}
    while wave:
        parents = [parent for each in wave if each in views for parent in views[each].member.depends_on]
        wave = [parent for parent in dict.fromkeys(parents) if parent in views and parent not in seen]
        seen.update(wave)
        yield from (views[parent] for parent in wave)


def root(name: str, views: Mapping[str, View]) -> str:
    """The deepest probe that is down on the way down from this one; itself when nothing below it is."""
    failing = [view.member.name for view in ancestors(name, views) if view.state is State.DOWN and not view.maintenance]
    return failing[-1] if failing else name


def explanation(name: str, views: Mapping[str, View]) -> str:
    """The probe that explains why this one is down, also while both recover; "" when it must answer for itself."""
    cause = root(name, views)
    if cause != name:
        return cause
    view = views.get(name)
    if view is None or view.state is not State.DOWN:
        return ""
    return next((parent.member.name for parent in ancestors(name, views) if may_explain(parent, view)), "")


def may_explain(parent: View, child: View) -> bool:
    """Whether what the child depends on fails, was not asked since the child began to, or failed not long before.

    "Not long": when both recover, the child may be the later one by as much as its interval; and in a brown-out the
    parent passes now and then. Then the child must fail again later before its failure counts as its own.
    """
    if parent.stale or parent.blind:
        return False
    if parent.failures or parent.last is None:
        return True
    if child.first_failure is not None and parent.last.started < child.first_failure:
        return True
    if parent.last_failure is None or child.last_failure is None:
        return False
    after = max(EXPLAINS_SECONDS, 2 * max(parent.member.slow_interval, parent.stretch))
    return child.last_failure <= parent.last_failure + after
