"""From the options of a command to a plan, or to one message that says what is wrong and what would be right."""

import argparse
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.assemble import Plan, assemble, kinds, survey
from agent.cli import CONFIG, Stop
from agent.reload import Print, fingerprint
from config.discover import discover
from config.errors import ConfigError, Problem, Problems
from config.load import DEFAULT, VARIABLE, Loaded, load, locate
from config.model import File

NOTHING = f"""no configuration was found. Write {DEFAULT}, or name a file with -c or ${VARIABLE}.
The smallest useful one is

    service: checkout
    probes:
      app: {{type: http, url: http://127.0.0.1:8000/healthz}}

Well-known variables (DATABASE_URL, REDIS_URL, ...) work without any file; none is set."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A plan, and the configuration it was made of. `judged` False: there is none, and nothing is judged."""

    plan: Plan
    loaded: Loaded | None
    judged: bool = True
    seen: Print = ()  # its files, as they were before they were read

    def files(self, option: str | None) -> Iterable[Path]:
        """What must be looked at to notice a change: also a file that cannot be used yet."""
        asked = locate(option, os.environ)
        return {*(self.loaded.files if self.loaded else ()), *([asked.absolute()] if asked else ())}

    def masked(self) -> Mapping[str, Any]:
        """The configuration in force for the API, its secrets masked."""
        return self.loaded.masked(kinds(self.plan.file)) if self.loaded else {}


def add_config(parser: argparse.ArgumentParser) -> None:
    """`-c FILE`, as every command has it."""
    where = f"${VARIABLE}, {DEFAULT}, or what the environment tells"
    parser.add_argument("-c", "--config", metavar="FILE", help=f"the configuration (default: {where})")


def open_plan(option: str | None) -> Opened:
    """The configuration, read and assembled. Raises Stop with everything that is wrong with it."""
    try:
        return read_plan(option)
    except ConfigError as error:
        raise Stop(str(error), CONFIG) from None


def read_plan(source: str | bytes | None) -> Opened:
    """The same from an option or from bytes. Raises ConfigError."""
    before = () if isinstance(source, bytes) else look(source)
    loaded = _load(source)
    problems = Problems(loaded.source)
    plan = assemble(loaded.config, problems, loaded.root)
    problems.raise_if_any()
    known = {name for name, *_ in before}
    others = fingerprint(file for file in loaded.files if str(file) not in known)
    return Opened(plan, loaded, seen=tuple(sorted(before + others)))


def look(option: str | None) -> Print:
    """The file that would be read, as it is now."""
    asked = locate(option, os.environ)
    return fingerprint([asked.absolute()] if asked else [])


def unjudged_plan() -> Opened:
    """The plan of an agent without any usable configuration: it answers, and judges nothing."""
    service = os.environ.get("OTEL_SERVICE_NAME", "") or "unknown"
    return Opened(assemble(File(service=service), Problems()), None, judged=False)


def _load(source: str | bytes | None) -> Loaded:
    if isinstance(source, bytes):
        return load(source, os.environ, "last good configuration", survey)
    path = locate(source, os.environ)
    if path is not None:
        return load(path, os.environ, survey=survey)
    found = discover(os.environ)
    if not found.variables:
        raise ConfigError((Problem("", NOTHING),))
    return load(found.text.encode(), os.environ, survey=survey)
