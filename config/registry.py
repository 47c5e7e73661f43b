"""From a name in the file to the class behind it, imported only when some part of the file uses it."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from config.net.text import clean


class RegistryError(LookupError):
    """No usable class stands behind a name. Its text is for the person who wrote the name."""


@dataclass(frozen=True, slots=True)
class Registry:
    """The classes that one `type:` key may name.

    `noun` is what a person calls them, `builtin` name -> `module:Class` of those that ship with Outrider (a new one
    adds one line there, and nothing else anywhere), `group` the entry points of plug-ins, `fault` what is wrong with a
    found object, or "".
    """

    noun: str
    builtin: Mapping[str, str]
    group: str
    fault: Callable[[object], str]
    _loaded: dict[str, type[Any]] = field(default_factory=dict)

    def find(self, name: str) -> type[Any]:
        """The class for `type: NAME`: built in, else a plug-in's entry point, else `module:Class`.

        Raises RegistryError.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def names(self) -> tuple[str, ...]:
        """Every name that `find` knows, built-in ones first; none of them is imported for this."""
        return (*self.builtin, *sorted(_plugins(self.group).keys() - self.builtin.keys()))

    def available(self) -> dict[str, type[Any]]:
        """Name -> class of all that can be loaded: a broken plug-in is left out, it does not hide the others."""
        found = {}
        for name in self.names():
            try:
                found[name] = self.find(name)
            except RegistryError:
                continue
        return found

    def _load(self, name: str) -> type[Any]:
        path = self.builtin.get(name) or _plugins(self.group).get(name) or name
        module, colon, attribute = path.partition(":")
        if not colon:
            known = self.names()
            close = difflib.get_close_matches(name, known, n=len(known))
            listed = ", ".join([*close, *(other for other in known if other not in close)])
            raise RegistryError(
                f"the {self.noun} {clean(name, 60)!r} is not known; known are {listed}, or `module:Class`"
            )
        try:
            found: Any = getattr(import_module(module), attribute)
        except Exception as error:
            # A plug-in runs its own code when it is imported: whatever that raises concerns this name alone.
            said = clean(f"{type(error).__name__}: {error}")
            raise RegistryError(f"the {self.noun} {clean(name, 60)!r} cannot be loaded: {said}") from error
        if fault := self.fault(found):
            raise RegistryError(f"the {self.noun} {clean(name, 60)!r} ({path}) {fault}")
        return found  # type: ignore[no-any-return] # `fault` has looked at it


@cache
def _plugins(group: str) -> Mapping[str, str]:
    """Looked up once, and only when a name is not built in, since it reads every installed package."""
    return {entry.name: entry.value for entry in entry_points(group=group)}
