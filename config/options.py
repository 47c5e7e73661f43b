"""The base of everything a person may write for one part."""

from collections.abc import Iterable

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of one part: frozen, unknown keys refused, comparable (a reload restarts only what changed).

    Field types are plain Python ones (str, int, float, bool, Literal, tuple, dict, nested Options) and those of
    config.types; a field's default makes it optional; its meaning and unit stand in a `msgspec.Meta(description=...)`
    or a comment above it.
    """

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys: pairs (key, what is wrong; what would be right). Runs after all types fit."""
        return ()
