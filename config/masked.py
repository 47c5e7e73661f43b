"""The file as it may be shown: references as they were written, secrets and what may hold one as `***`."""

import re
from typing import Any, get_args, get_origin

from config import shapes
from config.convert import plain
from config.kinds import Kinds
from config.model import File
from config.types import Secret, Url
from config.types.secret import MASK
from config.yaml import Mapping, Node, Scalar, Sequence

_BARE = re.compile(r"\$\{(?:file:[^{}]+|[A-Za-z_][A-Za-z0-9_]*)\}")  # without a default, which may be a secret
_MAY_HOLD_SECRETS = frozenset({"headers", "metadata"})


def masked(root: Mapping, kinds: Kinds | None = None) -> dict[str, Any]:
    """Plain values for JSON or YAML. Keys of a kind that `kinds` does not know are all masked."""
    shown = _Masking(kinds or Kinds()).node(root, File)
    return dict(shown)


class _Masking:
    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds

    def node(self, node: Node, type_: Any) -> Any:
        """One node of a type; type None is unknown."""
        if isinstance(node, Scalar):
            return _scalar(node, type_)
        if isinstance(node, Sequence):
            return [self.node(item, self._item_type(type_)) for item in node.items]
        struct = next((choice for choice in _choices(type_) if shapes.is_struct(choice)), None)
        if struct:
            return self._struct(node, struct)
        return {key: self.node(item, self._value_type(key, type_)) for key, item in node.items.items()}

    def _struct(self, node: Mapping, struct: Any) -> dict[str, Any]:
        known, rest = shapes.fields(struct)
        if rest:
            kind = node.items.get("type")
            options = self._kinds.options(struct, kind.text if isinstance(kind, Scalar) else "")
            known = {**known, **(shapes.fields(options)[0] if options else {})}
        return {
            key: self.node(item, None if key in _MAY_HOLD_SECRETS or key not in known else known[key].type)
            for key, item in node.items.items()
        }

    @staticmethod
    def _item_type(type_: Any) -> Any:
        lists = (choice for choice in _choices(type_) if get_origin(choice) in shapes.LISTS)
        found = next(lists, None)
        if found is not None:
            return get_args(found)[0]
        return type_ if any(hasattr(choice, "SEPARATOR") for choice in _choices(type_)) else None

    @staticmethod
    def _value_type(key: str, type_: Any) -> Any:
        if key in _MAY_HOLD_SECRETS:
            return None
        if type_ in {Any, object}:
            return type_
        found = next((choice for choice in _choices(type_) if get_origin(choice) in shapes.DICTS), None)
        return get_args(found)[1] if found is not None else None


def _choices(type_: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone, without annotations."""
    type_ = shapes.bare(type_)
    members = get_args(type_) if get_origin(type_) in shapes.UNIONS else (type_,)
    return tuple(shapes.bare(member) for member in members)


def _scalar(node: Scalar, type_: Any) -> Any:
    classes = [choice for choice in _choices(type_) if isinstance(choice, type)]
    if type_ is not None and not any(issubclass(choice, Secret) for choice in classes):
        return plain(node)
    if _BARE.fullmatch(node.text):
        return node.text
    url = next((choice for choice in classes if issubclass(choice, Url)), None)
    if url is not None:
        try:
            return str(url.parse(node.text))
        except ValueError:
            return MASK
    return MASK
