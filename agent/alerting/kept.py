"""What outlives a process: where each alert stands, and what its receivers were told. Plain values, ready for JSON."""

from msgspec import Struct, field

from agent.alerting.condition import SLO_BURN


class KeptTold(Struct, frozen=True, kw_only=True):
    """The notice that opened an episode: its end must reach the same people under the same identity."""

    started_at: float  # wall clock
    key: str
    labels: dict[str, str]
    annotations: dict[str, str]
    receivers: tuple[str, ...]


class KeptAlert(Struct, frozen=True, kw_only=True):
    """One alert that is not inactive. `*_at` and `false_since` are of the engine's timeline, the others wall clock."""

    subject: str = field(name="objective")  # what it is about; its name on disk is older than plain alerts
    severity: str  # page, ticket
    alert: str = SLO_BURN
    state: str  # pending, firing, stale
    active_at: float | None = None  # its condition became true
    false_since: float | None = None  # first seen false, while it is kept firing
    known_at: float | None = None  # somebody could tell, the last time
    explained_at: float | None = None  # its cause was down, the last time
    since: float = 0.0  # it left inactive
    fired_at: float | None = None  # it began to fire
    pair: str = ""  # of windows, that made it fire
    cause: str = ""  # the alert that calls for this one too
    told: KeptTold | None = None  # None: nobody was
