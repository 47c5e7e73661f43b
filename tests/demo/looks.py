"""Answers of the admin API, as the demo's Outrider gives them, for tests of what is shown."""

from copy import deepcopy

_READY = {"ready": True, "status": "healthy", "reasons": [], "draining": False, "unjudged": False, "held_open": False}
_PASSED = {"reason": "ok", "phase": "", "seconds": 0.0021}


def _reading(name, value, unit=""):
    return {"name": name, "value": value, "unit": unit, "item": "", "kind": "gauge"}


_PROBES = [
    {"name": "app", "type": "http", "state": "up", "last": _PASSED, "readings": [_reading("status", 200.0)]},
    {
        "name": "orders-db",
        "type": "postgres",
        "state": "up",
        "last": _PASSED,
        "readings": [_reading("query", 0.00021, "seconds"), _reading("connections_used", 0.18, "ratio")],
    },
    {
        "name": "memory",
        "type": "memory",
        "state": "up",
        "last": _PASSED,
        "readings": [_reading("used", 0.56, "ratio"), _reading("limit_bytes", 128 * 2**20, "bytes")],
    },
]
_SLO = {
    "name": "orders-db",
    "objective": 0.9995,
    "error_budget_remaining_ratio": 0.87,
    "burn_rate": {"5m": 23.1, "1h": 2.0},
}
_UPSTREAM = {
    "accepted_spans": 1204,
    "delivered_spans": 1190,
    "rejected_upstream_spans": {"invalid": 4},
    "dropped_spans": {"shutdown": 7},
    "queue_spans": 3,
    "queue_bytes": 700,
    "trouble": "",
}
_METRICS = """\
# TYPE outrider_span_requests_total counter
outrider_span_requests_total{kind="server",route="/orders",service="demo",status="ok"} 480.0
outrider_span_requests_total{kind="server",route="/orders",service="demo",status="error"} 20.0
outrider_span_database_requests_total{peer="127.0.0.1:1",status="ok",system="redis"} 500.0
"""


def healthy():
    """Everything is up; a copy to change."""
    return deepcopy(
        {
            "status": {"uptime_seconds": 64.2, "verdict": _READY},
            "probes": {"probes": _PROBES},
            "slos": {"slos": [_SLO]},
            "alerts": {"alerts": []},
            "pipeline": {"durability": "process", "storage_degraded": False, "destinations": {"upstream": _UPSTREAM}},
            "metrics": _METRICS,
        }
    )


def later(found, seconds, *, ok=0, failed=0):
    """The same so many seconds later, with so many more requests."""
    found = deepcopy(found)
    found["status"]["uptime_seconds"] += seconds
    found["metrics"] = found["metrics"].replace("480.0", f"{480 + ok}.0").replace("20.0", f"{20 + failed}.0")
    return found


def held_up(found):
    """The same with an upstream that is away."""
    found = deepcopy(found)
    found["pipeline"]["destinations"]["upstream"] |= {
        "trouble": "connect: connection refused",
        "queue_spans": 300,
        "queue_bytes": 61440,
    }
    return found


def broken():
    """The database is down, its alert fires, the service needs too much memory."""
    found = healthy()
    verdict = {"ready": False, "status": "unhealthy", "reasons": ["orders-db is down: connect_refused in connect"]}
    found["status"]["verdict"] |= verdict
    _, database, memory = found["probes"]["probes"]
    database |= {"state": "down", "last": {"reason": "connect_refused", "phase": "connect", "seconds": 0.0004}}
    database["readings"] = []
    memory |= {"state": "degraded", "last": _PASSED | {"reason": "threshold"}}
    found["alerts"]["alerts"] = [{"slo": "orders-db", "state": "firing", "severity": "page"}]
    return found
