"""Without a file."""

import pytest

from config.discover import discover
from config.load import load


def found(environment):
    """What discovery found, and the configuration it amounts to."""
    discovery = discover(environment)
    return discovery, load(discovery.text.encode(), environment).config


def test_nothing():
    """An empty environment gives memory alone, and says that nothing was found."""
    discovery, config = found({})
    assert discovery.variables == ()
    assert config.service == "app"
    assert [(name, entry.type) for name, entry in config.probes.items()] == [("memory", "memory")]


def test_dependencies():
    """Each known variable becomes a probe named for it, shared where it is not on this machine; no value is written."""
    environment = {
        "OTEL_SERVICE_NAME": "shop",
        "DATABASE_URL": "postgresql+asyncpg://u:hunter2@db.internal/shop",
        "REDIS_URL": "redis://:hunter2@localhost:6379/0",
        "CACHE_URL": "rediss://:hunter2@cache.internal:6380",
        "CELERY_BROKER_URL": "redis://:hunter2@localhost:6379/1",
        "CELERY_RESULT_BACKEND": "amqp://guest:hunter2@rabbit//",
        "POSTGRES_URL": "hunter2",
        "HOME": "/root",
    }
    discovery, config = found(environment)
    assert discovery.variables == ("OTEL_SERVICE_NAME", "DATABASE_URL", "REDIS_URL", "CACHE_URL")
    assert config.service == "shop"
    assert [(name, entry.type, entry.shared) for name, entry in config.probes.items()] == [
        ("database", "postgres", True),
        ("redis", "redis", False),
        ("cache", "redis", True),
        ("memory", "memory", False),
    ]
    assert config.probes["database"].rest.items["dsn"].text == environment["DATABASE_URL"]
    assert "hunter2" not in discovery.text
    assert "# CELERY_BROKER_URL leads to the same place as REDIS_URL." in discovery.text
    assert "# POSTGRES_URL is set, but is no URL." in discovery.text


@pytest.mark.parametrize("name", ["", "x" * 200, "a\tb", "caf\udce9"])
def test_a_name_that_cannot_be_used(name):
    """A service name that the file would refuse is left out."""
    discovery, config = found({"OTEL_SERVICE_NAME": name})
    assert config.service == "app"
    assert discovery.variables == ()


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({"OUTRIDER_OTLP_ENDPOINT": "http://gw:4318"}, "OUTRIDER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://gw:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:9999"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OUTRIDER_OTLP_ENDPOINT": "http://gw"},
            "OUTRIDER_OTLP_ENDPOINT",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1]:4318"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://gw:9999/base"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OUTRIDER_OTLP_ENDPOINT": "gw:4318"}, None),
    ],
)
def test_the_upstream(environment, variable):
    """Spans go where the service's own exporter would send them, unless that is Outrider itself."""
    discovery, config = found(environment)
    assert discovery.variables == ((variable,) if variable else ())
    if variable:
        assert config.traces.forward["upstream"].rest.items["endpoint"].text == environment[variable]
    else:
        assert config.traces is None


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://gw:4317"}, "otlp_grpc"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://gw:55680", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "otlp_grpc"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://gw:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "otlp_http"),
        ({"OUTRIDER_OTLP_ENDPOINT": "http://gw:4317"}, "otlp_grpc"),
        ({"OUTRIDER_OTLP_ENDPOINT": "http://gw:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "otlp_http"),
    ],
)
def test_the_upstream_is_spoken_to_as_it_wants(environment, kind):
    """By gRPC where the service's exporter was told so, or where the port is that of gRPC."""
    _, config = found(environment)
    assert config.traces.forward["upstream"].type == kind
