"""`${VAR}`, `${VAR:-default}`, `${file:/path}` and `$${` in the scalars of a file that is already parsed.

A value never becomes syntax and is never expanded again. What came from outside is marked with its reference
(`Scalar.origin`), so that no error repeats it.
"""

import re
from collections.abc import Mapping as Environment
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from config.errors import Position, Problems, quoted
from config.files import read_regular
from config.yaml import Kind, Mapping, Node, Scalar, Sequence

MOST_BYTES = 64 << 10  #: of a referenced file; a secret or a certificate is far smaller

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
_INSIDE = re.compile(r"file:(?P<file>.+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


class _Unresolved(Exception):  # noqa: N818 - control flow of this file
    pass


@dataclass(slots=True)
class Interpolation:
    """Resolves references. `files` collects the files that were asked for, also those that could not be read."""

    environment: Environment[str, str]
    problems: Problems
    files: set[Path] = field(default_factory=set)

    def resolve(self, node: Node, path: str = "") -> Node:
        """The same node with its references replaced; what cannot be is noted, and marked unresolved."""
        match node:
            case Scalar():
                return self._scalar(node, path)
            case Sequence(items, position):
                return Sequence(tuple(self.resolve(item, f"{path}[{n}]") for n, item in enumerate(items)), position)
            case Mapping(items, position, keys):
                resolved = {key: self.resolve(item, f"{path}.{key}" if path else key) for key, item in items.items()}
                return Mapping(resolved, position, keys)

    def _scalar(self, node: Scalar, path: str) -> Scalar:
        if "${" not in node.text:
            return node
        origins: list[str] = []
        kind: Kind = node.kind

        def replaced(match: re.Match[str]) -> str:
            nonlocal kind
            if match[0] == "$${":
                return "${"
            try:
                text, origin = self._value(match, path, node.position)
            except _Unresolved:
                kind = "unresolved"
                return match[0]
            origins.append(origin)
            kind = "open" if kind != "unresolved" else kind
            return text

        text = _REFERENCE.sub(replaced, node.text)
        return Scalar(text, kind, node.position, " ".join(origins))

    def _value(self, match: re.Match[str], path: str, position: Position) -> tuple[str, str]:
        """What one reference stands for, and how errors call it."""
        inside = _INSIDE.fullmatch(match[1])
        if not match[2]:
            self._refuse(path, "has a `${` that is never closed; write ${NAME}, or $${ for a literal", position)
        if not inside:
            right = "write ${NAME}, ${NAME:-default} or ${file:/path}, or $${ for a literal"
            self._refuse(path, f"has a reference that cannot be read; {right}", position)
        if inside["file"]:
            return self._file(inside["file"], path, position), f"${{file:{inside['file']}}}"
        name, default = inside["name"], inside["default"]
        value = self.environment.get(name)
        if value is None and default is None:
            right = f"set it, or write ${{{name}:-default}}"
            self._refuse(path, f"the environment variable {name} is not set; {right}", position)
        text = value or default or ""
        if not _is_text(text):
            self._refuse(path, f"the environment variable {name} is not UTF-8 text; set it to text", position)
        return text, f"${{{name}}}"

    def _file(self, name: str, path: str, position: Position) -> str:
        if not name.startswith("/"):
            right = f"write its absolute path: ${{file:/run/secrets/{Path(name).name}}}"
            self._refuse(path, f"the file {quoted(name)} is not an absolute path; {right}", position)
        self.files.add(Path(name))
        try:
            text = _contents(name)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            self._refuse(path, f"the file {quoted(name)} cannot be used: {why}", position)
        return text.removesuffix("\n").removesuffix("\r")

    def _refuse(self, path: str, text: str, position: Position) -> NoReturn:
        self.problems.add(path, text, position)
        raise _Unresolved


def _is_text(text: str) -> bool:
    """Whether it came from proper UTF-8: other bytes of the environment arrive as lone surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _contents(name: str) -> str:
    """The text of a referenced file. Raises OSError, or ValueError saying what is wrong."""
    try:
        text = read_regular(name, MOST_BYTES).decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text; save it as UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds a NUL character; save it as text")
    return text
