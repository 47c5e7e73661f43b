"""`log`: what Outrider writes to standard error."""

from typing import Literal

from config.options import Options


class Log(Options, frozen=True, kw_only=True):
    """Edges and problems, one line each; never one for each attempt."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"
