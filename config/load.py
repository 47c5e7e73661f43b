"""From a file, or bytes, to a checked configuration: all of its faults, or all of its values."""

from collections.abc import Callable
from collections.abc import Mapping as Environment
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import model, yaml
from config.errors import ConfigError, Problem, Problems
from config.files import read_regular
from config.interpolate import Interpolation
from config.kinds import Kinds
from config.masked import masked

VARIABLE = "OUTRIDER_CONFIG"
DEFAULT = Path("/etc/outrider/outrider.yaml")

Survey = Callable[[yaml.Node, Problems], None]

_SMALLEST = "the smallest file is `service: checkout`"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that is whole and right."""

    config: model.File
    root: yaml.Mapping  #: as written: references are not resolved in it
    raw: bytes  #: what `config.lastgood` keeps
    source: str  #: the file's path, or "environment"
    files: frozenset[Path]  #: a change of any means reading again: the file, and every file it refers to

    def masked(self, kinds: Kinds | None = None) -> dict[str, Any]:
        """The file as anyone with access to the API may see it."""
        return masked(self.root, kinds)


def locate(option: str | None, environment: Environment[str, str], default: Path = DEFAULT) -> Path | None:
    """Which file to load: the option `-c`, else $OUTRIDER_CONFIG, else the default place where there is a file.

    None means discovery. A file that was asked for is returned whether it exists or not.
    """
    asked = option or environment.get(VARIABLE)
    if asked:
        return Path(asked)
    try:
        return default if default.exists() else None
    except PermissionError:
        return default  # loading it says what is wrong; discovery would hide it


def load(
    source: Path | bytes,
    environment: Environment[str, str],
    name: str = "environment",
    survey: Survey = lambda *_: None,
) -> Loaded:
    """Read, resolve and check. Raises ConfigError with everything that is wrong.

    `name` is what errors call bytes. `survey` looks, in a file that is refused anyway, for what is wrong with the keys
    of its kinds, which are known upstairs: a person should hear of everything in one go.
    """
    path = Path(source).absolute() if isinstance(source, Path) else None
    problems = Problems(str(source) if path else name)
    raw = source if isinstance(source, bytes) else _read(source, problems.source)
    root = yaml.parse(raw, problems.source, problems)
    if not isinstance(root, yaml.Mapping):
        if not problems:
            fault = "is empty" if root is None else "is not made of keys and values"
            problems.add("", f"{fault}; {_SMALLEST}", root.position if root else None)
        raise ConfigError(tuple(problems))
    interpolation = Interpolation(environment, problems)
    resolved = interpolation.resolve(root)
    config = model.read(resolved, problems)
    if problems:
        survey(resolved, problems)
    if problems or config is None:
        raise ConfigError(tuple(problems))
    files = interpolation.files | ({path} if path else set())
    return Loaded(config, root, raw, problems.source, frozenset(files))


def _read(path: Path, source: str) -> bytes:
    try:
        return read_regular(path, yaml.MOST_BYTES)
    except OSError as error:
        text = f"cannot be read: {error.strerror}; name a file that exists and that this user may read"
    except ValueError as error:
        text = f"cannot be read: {error}"
    raise ConfigError((Problem("", text, source=source),))
