"""What a new plan changes of the one in force, and the instances it needs."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.assemble import Part
from config.errors import ConfigError, Problem
from config.net.text import clean


def made(path: str, parts: Mapping[str, Part]) -> dict[str, Any]:
    """An instance of each, nothing opened. Raises ConfigError."""
    instances, problems = {}, []
    for name, part in parts.items():
        try:
            instances[name] = part.cls(part.options)
        except Exception as error:  # noqa: BLE001 - a plug-in's own code: whatever it raises concerns this name alone
            said = clean(f"{type(error).__name__}: {error}")
            problems.append(Problem(f"{path}.{name}", f"cannot be made: {said}; mend its class or leave it out"))
    if problems:
        raise ConfigError(tuple(problems))
    return instances


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """(names to stop, names to start): what changed is in both."""
    gone = [name for name, part in before.items() if after.get(name) != part]
    new = [name for name, part in after.items() if before.get(name) != part]
    return gone, new


def sentences(noun: str, gone: Iterable[str], new: Iterable[str]) -> list[str]:
    """What a person reads of that."""
    gone, new = list(gone), list(new)
    restarted = [f"{noun} {name} restarted" for name in new if name in gone]
    started = [f"{noun} {name} started" for name in new if name not in gone]
    return restarted + started + [f"{noun} {name} stopped" for name in gone if name not in new]
