"""Which paths live on which listener."""

from agent.web.api.endpoints import Api
from agent.web.api.gate import GateEndpoint
from agent.web.api.maintenance import MaintenanceApi
from agent.web.api.override import OverrideApi
from agent.web.api.silences import SilencesApi
from agent.web.desk import Desk
from agent.web.health import Health
from agent.web.heartbeats import HeartbeatsEndpoint
from agent.web.metrics import Metrics
from agent.web.page.endpoint import Page
from agent.web.peerz import Peerz
from agent.web.routes import Route


def public(desk: Desk) -> list[Route]:
    """What anyone who reaches the pod may ask."""
    health, gate, heartbeats = Health(desk), GateEndpoint(desk), HeartbeatsEndpoint(desk)
    return [
        Route("/livez", health.live),
        Route("/readyz", health.ready),
        Route("/readyz/*", health.member),
        Route("/startupz", health.started),
        Route("/groups/*", health.group),
        Route("/heartbeats/*", heartbeats.ok, "POST"),
        Route("/heartbeats/*/start", heartbeats.start, "POST"),
        Route("/heartbeats/*/fail", heartbeats.fail, "POST"),
        Route("/peerz", Peerz(desk).get),
        Route("/health", health.status),
        Route("/health/ready", health.status),
        Route("/health/status", health.status),
        Route("/metrics", Metrics(desk).get),
        Route("/api/v1/gate", gate.get),
        Route("/api/v1/gate", gate.post, "POST"),
    ]


def admin(desk: Desk) -> list[Route]:
    """Everything public, the page and the API."""
    api = Api(desk)
    override, maintenance, silences = OverrideApi(desk), MaintenanceApi(desk), SilencesApi(desk)
    return [
        *public(desk),
        Route("/", Page(desk).get, guarded=True),
        Route("/api/v1/status", api.status, guarded=True),
        Route("/api/v1/probes", api.probes, guarded=True),
        Route("/api/v1/probes/*", api.probe, guarded=True),
        Route("/api/v1/slos", api.slos, guarded=True),
        Route("/api/v1/alerts", api.alerts, guarded=True),
        Route("/api/v1/alerts/undelivered", api.undelivered, guarded=True),
        Route("/api/v1/pipeline", api.pipeline, guarded=True),
        Route("/api/v1/exceptions", api.exceptions, guarded=True),
        Route("/api/v1/config", api.config, guarded=True),
        Route("/api/v1/drain", api.drain, "POST", guarded=True),
        Route("/api/v1/reload", api.reload, "POST", guarded=True),
        Route("/api/v1/override", override.get, guarded=True),
        Route("/api/v1/override", override.set, "POST", guarded=True),
        Route("/api/v1/override", override.clear, "DELETE", guarded=True),
        Route("/api/v1/maintenance", maintenance.every, guarded=True),
        Route("/api/v1/maintenance", maintenance.ask, "POST", guarded=True),
        Route("/api/v1/maintenance/*", maintenance.end, "DELETE", guarded=True),
        Route("/api/v1/silences", silences.every, guarded=True),
        Route("/api/v1/silences", silences.ask, "POST", guarded=True),
        Route("/api/v1/silences/*", silences.end, "DELETE", guarded=True),
        Route("/api/v1/openapi.json", api.openapi, guarded=True),
    ]
