"""What may call somebody, as it is at one moment: a budget that burns, or something plain: a probe is down."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporters.base import Severity

SLO_BURN = "OutriderSLOBurn"
PROBE_DOWN = "OutriderProbeDown"

Texts = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of one severity; together with `alert` and `subject` that is who its alert is.

    `holds` None: nobody can tell, and everything stays as it is. `texts` and `over` make the annotations of an alert
    that fires and of one that ended; nobody calls them while nobody is told.
    """

    alert: str  # the alertname
    severity: Severity
    holds: bool | None
    texts: Texts
    over: Texts
    service: str = ""
    label: str = ""  # what the subject is: slo, probe, destination; "" where it is the agent itself
    subject: str = ""
    probe: str = ""  # whose being down it tells of: what explains that explains this
    after: frozenset[str] = frozenset()  # the alerts of the same probe (or objective) whose notice is notice enough
    pair: str = ""  # of windows, that makes it hold
    for_seconds: float = 0.0  # Prometheus' `for`, and `keep_firing_for`
    keep_seconds: float = 0.0
    stale_after: float = math.inf  # seconds without any knowledge after which nobody should trust it either way
