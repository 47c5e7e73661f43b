"""What explains what: along `depends_on`, from a probe that fails to the deepest one that fails too. Pure."""

from collections.abc import Iterator, Mapping

from agent.health.board import View
from agent.health.state import State


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
