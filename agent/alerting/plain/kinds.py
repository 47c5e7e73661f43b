"""The table: which alerts need no objective, and the numbers of each unless the file has others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from agent.alerting.condition import PROBE_DOWN, SLO_BURN
from agent.alerting.plain import holds, texts
from agent.alerting.plain.holds import Seen
from agent.alerting.plain.losses import QUIET_SECONDS, Loss
from agent.health.board import View

PROBE_DEGRADED, PROBE_FLAPPING = "OutriderProbeDegraded", "OutriderProbeFlapping"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of alert about a T. The numbers stand where the file says nothing.

    `keep_seconds`: so long it must be over before that is told. `over`: what is said then. `after`: the alerts of the
    same probe that say enough already.
    """

    key: str  # in the file
    alert: str  # the alertname
    for_seconds: float
    keep_seconds: float
    holds: Callable[[T], bool | None]
    texts: Callable[[str, T], Mapping[str, str]]
    over: str
    after: frozenset[str] = frozenset()


# A minute outlasts a group_wait of Alertmanager, five what an agent that starts anew must learn first.
DOWN: Kind[View] = Kind(
    "probe_down",
    PROBE_DOWN,
    for_seconds=0,
    keep_seconds=60,
    holds=holds.down,
    texts=texts.down,
    over="is no longer down",
    after=frozenset({SLO_BURN, PROBE_FLAPPING}),
)
DEGRADED: Kind[View] = Kind(
    "probe_degraded",
    PROBE_DEGRADED,
    for_seconds=300,
    keep_seconds=60,
    holds=holds.degraded,
    texts=texts.degraded,
    over="is no longer degraded",
    after=frozenset({PROBE_DOWN, PROBE_FLAPPING}),
)
CERTIFICATE: Kind[View] = Kind(
    "certificate_expires",
    "OutriderCertificateExpires",
    for_seconds=0,
    keep_seconds=300,
    holds=holds.certificate,
    texts=texts.certificate,
    over="has a certificate that lasts",
)
FLAPPING: Kind[View] = Kind(
    "probe_flapping",
    PROBE_FLAPPING,
    for_seconds=0,
    keep_seconds=300,
    holds=holds.flapping,
    texts=texts.flapping,
    over="is no longer flapping",
    after=frozenset({SLO_BURN, PROBE_DOWN, PROBE_DEGRADED}),
)
BRAKE: Kind[Seen] = Kind(
    "brake_open",
    "OutriderBrakeOpen",
    for_seconds=60,
    keep_seconds=300,
    holds=holds.brake,
    texts=texts.brake,
    over="no replica is held in service",
)
ISOLATED: Kind[Seen] = Kind(
    "isolated",
    "OutriderIsolated",
    for_seconds=60,
    keep_seconds=300,
    holds=holds.isolated,
    texts=texts.isolated,
    over="the replica hears others again",
)
BLIND: Kind[Seen] = Kind(
    "blind",
    "OutriderBlind",
    for_seconds=30,
    keep_seconds=300,
    holds=holds.blind,
    texts=texts.blind,
    over="Outrider can tell again how its probes are",
)
REFUSED: Kind[Loss] = Kind(
    "upstream_refused",
    "OutriderUpstreamRefused",
    for_seconds=QUIET_SECONDS + 60,  # so that one batch on one day is nobody's business
    keep_seconds=600,
    holds=lambda loss: bool(loss.lost),
    texts=texts.refused,
    over="nothing is refused or lost any more",
)
OF_PROBES = (DOWN, DEGRADED, CERTIFICATE, FLAPPING)
OF_AGENT = (BRAKE, ISOLATED, BLIND)
