"""Where the running agent listens, left in a folder for the commands that a kubelet starts: they read no YAML.

Only the running agent knows it exactly: its file may be bad, with an older one in force, or want variables that a hook
does not have. Both sides find the folder without the file: `--state-dir`, $OUTRIDER_STATE_DIR, or /var/lib/outrider.
The files are opened without pathlib, which takes longer to load than the rest of such a command.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.types import ListenAddress

VARIABLE = "OUTRIDER_STATE_DIR"
FOLDER = "/var/lib/outrider"
NAME = "listening"  #: one line for each listener: its setting, and a URL for this machine
LONGEST = 4096  #: bytes of it that are read


def folder() -> str:
    """Where it is looked for, unless an option says otherwise."""
    return os.environ.get(VARIABLE) or FOLDER


def url(address: "ListenAddress") -> str:
    """How this machine reaches a listener: `http://127.0.0.1:9740` or `unix:/PATH`."""
    if address.path:
        return f"unix:{address.path}"
    host = "127.0.0.1" if address.host in {"*", "0.0.0.0", "::"} else address.host  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{address.port}"


def leave(place: str, listeners: Mapping[str, "ListenAddress"]) -> None:
    """Write them down, whole or not at all; what an earlier agent left is gone. Raises OSError."""
    text = "".join(f"{setting} {url(address)}\n" for setting, address in listeners.items())
    with open(f"{place}/.{NAME}.{os.getpid()}", "w", encoding="utf-8") as written:  # noqa: PTH123
        written.write(text)
    os.replace(written.name, f"{place}/{NAME}")  # noqa: PTH105


def find(setting: str) -> str | None:
    """The URL of one listener of the agent that was started last; None when none has left word."""
    try:
        with open(f"{folder()}/{NAME}", encoding="utf-8") as left:  # noqa: PTH123
            lines = left.read(LONGEST).splitlines()
    except (OSError, ValueError):
        return None
    return dict(line.split(" ", 1) for line in lines if " " in line).get(setting)
