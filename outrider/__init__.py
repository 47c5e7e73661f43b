"""The face of Outrider for plug-ins: what a probe or a notifier of your own imports, and nothing else.

Names are loaded when they are first used: `outrider healthcheck` starts without any of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from config.options import Options
    from config.types import Bound, Duration, HostPort, Rate, Ratio, Secret, Size, StatusRanges, Url
    from exporters.base import Alert, Notifier, Permanent, Retryable, Severity
    from probes.base import Attempt, Buckets, Kind, Measurement, Probe, ProbeContext, ProbeFailed, Reading, ReadingSpec
    from probes.reason import Reason

__version__ = "0.1.0"

__all__ = [
    "Alert",
    "Attempt",
    "Bound",
    "Buckets",
    "Duration",
    "HostPort",
    "Kind",
    "Measurement",
    "Notifier",
    "Options",
    "Permanent",
    "Probe",
    "ProbeContext",
    "ProbeFailed",
    "Rate",
    "Ratio",
    "Reading",
    "ReadingSpec",
    "Reason",
    "Retryable",
    "Secret",
    "Severity",
    "Size",
    "StatusRanges",
    "Url",
]

_ROOMS = ("probes.base", "probes.reason", "config.options", "config.types", "exporters.base")


def __getattr__(name: str) -> Any:
    """The first use of a name loads the room it lives in."""
    if name in __all__:
        for room in _ROOMS:
            found = getattr(importlib.import_module(room), name, None)
            if found is not None:
                return found
    raise AttributeError(f"module 'outrider' has no attribute {name!r}")
